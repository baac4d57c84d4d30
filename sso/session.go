package sso

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/sessions"
)

// sessionIDBytes is the entropy of a session id.
const sessionIDBytes = 32

func newSessionID() string {
	var b [sessionIDBytes]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// sessionKey returns the key of the session id in a cookie. Text that cannot be an id of ours never reaches the store.
func sessionKey(id string) (SessionKey, bool) {
	if len(id) != base64.RawURLEncoding.EncodedLen(sessionIDBytes) {
		return SessionKey{}, false
	}
	for _, c := range []byte(id) {
		if !isAlnum(c) && c != '-' && c != '_' {
			return SessionKey{}, false
		}
	}
	return sha256.Sum256([]byte(id)), true
}

// publicSession is the X-Auth-Session of a session: as unique as its id, and of no use to find it.
func publicSession(key SessionKey) string {
	sum := sha256.Sum256(append([]byte("kitbridge x-auth-session v1\x00"), key[:]...))
	return hex.EncodeToString(sum[:16])
}

// What a gorilla session of ours holds under [sessions.Session].Values.
type sessionValue int

const (
	// liveValue holds the LiveSession that the request came with.
	liveValue sessionValue = iota
	// newValue holds the creation of the session that Save is to give.
	newValue
)

// createTimeout ends the storing of a session.
const createTimeout = 10 * time.Second

// creation is a session that is stored once, however often the callback that brings it is delivered at the same time: each
// delivery is answered with the same id, so that whichever answer the browser keeps is good, and none leaves a session that
// nobody holds.
type creation struct {
	session NewSession
	// ref is where the tokens wait, if they do; settings say which of them are kept.
	ref      Handle
	settings *Settings

	once sync.Once
	id   string // written under once, as is err
	err  error
}

// create stores the session under an id nobody has seen, and returns the id. The browser that hangs up is the one that
// reloads, and then its other delivery waits for this.
func (c *creation) create(ctx context.Context, port Sessions) (string, error) {
	c.once.Do(func() {
		c.err = ErrUnavailable // what the others get if this panics
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createTimeout)
		defer cancel()
		c.id = newSessionID()
		c.session.Key, _ = sessionKey(c.id)
		if c.err = c.withdraw(ctx, port); c.err != nil {
			return
		}
		if c.err = port.CreateSession(ctx, c.session); c.err != nil {
			c.err = fmt.Errorf("create session: %w", portError(c.err))
		}
	})
	return c.id, c.err
}

// withdraw fetches the tokens of a sign-in that had to wait.
func (c *creation) withdraw(ctx context.Context, port Sessions) error {
	if c.ref == "" {
		return nil
	}
	t, err := port.Withdraw(ctx, c.ref)
	if err != nil {
		return fmt.Errorf("tokens of the sign-in: %w", portError(err))
	}
	c.settings.keep(&c.session, t)
	return nil
}

// sessionStore is a [sessions.Store] over the Sessions port. Unlike the stores of the library it sets every attribute of
// its cookie, and Save never keeps an id: what is saved gets a new one, so an id planted before sign-in is worth nothing.
type sessionStore struct {
	port    Sessions
	cookies cookies
	sites   *sites
	now     func() time.Time
}

var _ sessions.Store = (*sessionStore)(nil)

// Get returns the session of this request, read once.
func (s *sessionStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name) //nolint:wrapcheck // the error is New's
}

// New reads the session that the request came with. A request without a live one gets an empty new session and no error;
// an error means that the store did not answer.
func (s *sessionStore) New(r *http.Request, name string) (*sessions.Session, error) {
	session := sessions.NewSession(s, name)
	session.Options = s.cookies.options(0)
	session.IsNew = true
	session.ID = s.cookies.value(r, name)
	key, ok := sessionKey(session.ID)
	if !ok {
		session.ID = ""
		return session, nil
	}
	live, err := s.port.Decide(r.Context(), key, s.now())
	if errors.Is(err, ErrNoSession) {
		return session, nil
	}
	if err != nil {
		return session, fmt.Errorf("read session: %w", portError(err))
	}
	if !s.sites.of(r.Host).admits(live.Tenant, live.TenantCode) {
		return session, nil // somewhere else it counts
	}
	session.Values[liveValue] = live
	session.IsNew = false
	return session, nil
}

// Save ends the session the request came with and, unless Options.MaxAge is negative, creates the one under newValue with
// an id of its own. The order matters: a crash in between signs the browser out, and never leaves the old one alive.
func (s *sessionStore) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	// 1. The old session ends. From here on its id is worth nothing.
	if key, ok := sessionKey(session.ID); ok {
		if err := s.port.EndSession(r.Context(), key); err != nil {
			return fmt.Errorf("end session: %w", portError(err))
		}
	}
	s.cookies.dropTwin(w, r, session.Name())
	if session.Options.MaxAge < 0 {
		http.SetCookie(w, sessions.NewCookie(session.Name(), "", session.Options))
		return nil
	}
	fresh, ok := session.Values[newValue].(*creation)
	if !ok {
		return errors.New("save session: nothing to save")
	}
	// 2. The new one is stored, under an id of its own.
	var err error
	if session.ID, err = fresh.create(r.Context(), s.port); err != nil {
		return err
	}
	// 3. Only now does the browser hear of it.
	http.SetCookie(w, sessions.NewCookie(session.Name(), session.ID, session.Options))
	return nil
}
