package sso

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	// attemptAge is how long a sign-in may take.
	attemptAge = 10 * time.Minute
	// maxAttempts and maxAttemptBytes bound the cookies of attempts under way: tabs need several, and servers in front of us
	// refuse requests whose cookies exceed 8 KB.
	maxAttempts     = 5
	maxAttemptBytes = 6 << 10
	// maxCleared bounds how many useless ones an answer takes back.
	maxCleared = 16
	// stateLength is the length of a state of ours; a portal's own state is told from it by this.
	stateLength = 64
)

// attemptName is the cookie name of the attempt with this state, which it does not reveal.
func (c cookies) attemptName(state string) string {
	sum := sha256.Sum256([]byte(state))
	return c.name("a-" + hex.EncodeToString(sum[:8]))
}

// ownState reports whether state has the form of ours.
func ownState(state string) bool {
	return len(state) == stateLength && !strings.ContainsFunc(state, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'f')
	})
}

// keepAttempt gives the browser the cookie of a new attempt, and takes back the oldest of those that are too many.
func (rp *RelyingParty) keepAttempt(w http.ResponseWriter, r *http.Request, a *attempt) error {
	name := rp.cookies.attemptName(a.State)
	sealed, err := rp.seal(r, name, a)
	if err != nil {
		return err
	}
	if len(sealed) > maxCookie { // the return target is what can be long; sign-in matters more
		a.Return = "/"
		if sealed, err = rp.seal(r, name, a); err != nil {
			return err
		}
	}
	rp.dropAttempts(w, r, len(sealed))
	rp.cookies.set(w, name, sealed, attemptAge)
	return nil
}

// maxCookie is the longest value we set: browsers drop cookies beyond 4096 bytes, name and attributes included.
const maxCookie = 3800

// dropAttempts clears what is stale or too much beside a new attempt of the given size.
func (rp *RelyingParty) dropAttempts(w http.ResponseWriter, r *http.Request, size int) {
	type kept struct {
		name    string
		size    int
		started int64
	}
	var under []kept
	prefix, cleared := rp.cookies.name("a-"), 0
	for _, c := range r.Cookies() {
		if !strings.HasPrefix(c.Name, prefix) {
			continue
		}
		var a attempt
		if !rp.sealer.open(rp.site(r).purpose(c.Name), c.Value, &a) || rp.stale(&a) {
			if cleared++; cleared <= maxCleared { // thousands were not ours to give, and no browser takes so long an answer
				rp.cookies.clear(w, c.Name)
			}
			continue
		}
		under = append(under, kept{c.Name, len(c.Value), a.Started})
	}
	// Of those begun in one second the browser sends the oldest first (RFC 6265, section 5.4).
	slices.Reverse(under)
	slices.SortStableFunc(under, func(a, b kept) int { return int(b.started - a.started) })
	for i, k := range under {
		if size += k.size; i+1 >= maxAttempts || size > maxAttemptBytes {
			rp.cookies.clear(w, k.name)
		}
	}
}

func (rp *RelyingParty) stale(a *attempt) bool {
	age := rp.now().Unix() - a.Started
	return age < 0 || age > int64(attemptAge/time.Second)
}

// findAttempt returns this browser's attempt with state. The error is ErrAttemptLost or ErrAttemptExpired.
func (rp *RelyingParty) findAttempt(r *http.Request, state string) (*attempt, error) {
	name := rp.cookies.attemptName(state)
	var a attempt
	if !rp.open(r, name, &a) {
		return nil, ErrAttemptLost
	}
	if subtle.ConstantTimeCompare([]byte(a.State), []byte(state)) != 1 {
		return nil, ErrAttemptLost
	}
	if rp.stale(&a) {
		return nil, ErrAttemptExpired
	}
	return &a, nil
}

// newestAttempt returns the latest attempt of this browser at tenant, or at any if tenant is empty, among those whose responses
// bring no state. The error is ErrAttemptLost.
func (rp *RelyingParty) newestAttempt(r *http.Request, tenant TenantID) (*attempt, error) {
	var newest *attempt
	for _, c := range r.Cookies() {
		if !strings.HasPrefix(c.Name, rp.cookies.name("a-")) {
			continue
		}
		var a attempt
		if !rp.open(r, c.Name, &a) || rp.stale(&a) || tenant != "" && a.Tenant != tenant || !rp.wayOf(a.Tenant).stateless() {
			continue
		}
		if newest == nil || a.Started > newest.Started {
			newest = &a
		}
	}
	if newest == nil {
		return nil, ErrAttemptLost
	}
	return newest, nil
}
