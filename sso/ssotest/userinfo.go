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
	answer := c.whois(r, re)
	defect.spoilUserinfo(answer)
	answer.send(w)
}

func (c *Centre) whois(r *http.Request, re *realm) *reply {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	_, u, ok := c.find(token, accessGrant, re)
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return refuse(http.StatusUnauthorized, "unauthorized", "Full authentication is required to access this resource")
	}
	if !strings.Contains(r.Header.Get("Accept"), "application/json") {
		// The guide marks the header mandatory.
		return refuse(http.StatusNotAcceptable, "invalid_request", "Accept is not application/json")
	}
	id := u.ID
	if id == "" {
		sum := sha256.Sum256([]byte(re.id + "/" + u.UserName))
		id = hex.EncodeToString(sum[:16])
	}
	return &reply{status: http.StatusOK, members: map[string]any{
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
		"tenant":           re.id,
	}}
}
