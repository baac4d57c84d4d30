package ssotest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// userinfo says who an access token is for: the whole table of the access
// guide's chapter "userinfo", all values texts.
func (c *Centre) userinfo(w http.ResponseWriter, r *http.Request, re *realm) {
	c.count(re, func(calls *Calls) { calls.Userinfo++ })
	defect := c.currentDefect()
	if defect == UserinfoHang {
		c.hang(r)
		return
	}
	answer, g := c.whois(r, re)
	defect.spoilUserinfo(answer)
	c.signUserinfo(defect, answer, re, g)
	answer.send(w)
}

func (c *Centre) whois(r *http.Request, re *realm) (*reply, grant) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	g, u, ok := c.find(token, accessGrant, re)
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return refuse(http.StatusUnauthorized, "unauthorized", "Full authentication is required to access this resource"), g
	}
	if !strings.Contains(r.Header.Get("Accept"), "application/json") {
		// The guide marks the header mandatory.
		return refuse(http.StatusNotAcceptable, "invalid_request", "Accept is not application/json"), g
	}
	id := re.idOf(u)
	c.mu.Lock()
	client := re.clients[g.clientID]
	c.mu.Unlock()
	answer := &reply{status: http.StatusOK, members: map[string]any{
		"id":               id,
		"userId":           id,
		"userName":         u.UserName,
		"name":             u.Name,
		"email":            u.Email,
		"mobile":           u.Mobile,
		"role":             u.Role,
		"organizationName": u.OrgName,
		"organizationCode": u.OrgCode,
		"projectName":      re.name,
		"tenant":           re.nameFor(client),
	}}
	if g.openID {
		answer.members["sub"] = id
	}
	return answer, g
}

// nameFor is what a client is told the tenant is called.
func (re *realm) nameFor(client Client) string {
	if client.Tenant != "" {
		return client.Tenant
	}
	return re.id
}

// idOf is the auth centre's own id of a user.
func (re *realm) idOf(u User) string {
	if u.ID != "" {
		return u.ID
	}
	sum := sha256.Sum256([]byte(re.id + "/" + u.UserName))
	return hex.EncodeToString(sum[:16])
}
