package ssotest

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"time"
)

// How long things live: the access guide's defaults, and for codes, which it
// gives no time for, a usual one.
const (
	codeLife    = time.Minute
	ticketLife  = time.Minute
	accessLife  = 2 * time.Hour
	refreshLife = 30 * 24 * time.Hour
	sessionLife = 8 * time.Hour
)

type grantKind int

const (
	codeGrant    grantKind = iota // authorization code
	ticketGrant                   // carries a unified sign-in to a tenant's domain
	accessGrant                   // access token
	refreshGrant                  // refresh token
	sessionGrant                  // a browser's session at the auth centre
	serviceGrant                  // CAS service ticket
)

// grant is what a random value that we handed out stands for.
type grant struct {
	kind        grantKind
	realm       *realm
	userName    string
	clientID    string // not for sessions
	redirectURI string // codes and tickets only; of a service ticket, the service
	openID      bool   // scope openid was asked for: codes and access tokens only
	nonce       string // codes only, as challenge
	challenge   string
	expires     time.Time
}

// issue stores a grant and returns the value that stands for it.
func (c *Centre) issue(g grant, life time.Duration) string {
	raw := make([]byte, 20)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	value := hex.EncodeToString(raw)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	maps.DeleteFunc(c.grants, func(_ string, g grant) bool { return !now.Before(g.expires) })
	g.expires = now.Add(life)
	c.grants[value] = g
	return value
}

// find returns the live grant of a kind at a realm, and its user as they are
// now. It does not find grants of users who were removed.
func (c *Centre) find(value string, kind grantKind, re *realm) (grant, User, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.findLocked(value, kind, re)
}

// take is find for a grant that works once: it is gone afterwards.
func (c *Centre) take(value string, kind grantKind, re *realm) (grant, User, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g, u, ok := c.findLocked(value, kind, re)
	if ok {
		delete(c.grants, value)
	}
	return g, u, ok
}

func (c *Centre) findLocked(value string, kind grantKind, re *realm) (grant, User, bool) {
	g, ok := c.grants[value]
	if !ok || g.kind != kind || g.realm != re || !c.now().Before(g.expires) {
		return grant{}, User{}, false
	}
	u, ok := re.users[g.userName]
	return g, u, ok
}

// drop ends a grant, if there is one.
func (c *Centre) drop(value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.grants, value)
}
