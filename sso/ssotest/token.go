package ssotest

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
)

// reply is an answer of a back-channel endpoint before a defect has had its
// way with it.
type reply struct {
	status      int
	contentType string
	members     map[string]any
	// twice names a member that is sent twice, with another value first.
	twice string
	// raw is sent instead of members if it is not nil.
	raw []byte
	// location makes it a redirect.
	location string
}

// refuse is an error answer in the guide's form.
func refuse(status int, code, description string) *reply {
	return &reply{status: status, members: map[string]any{"error": code, "error_description": description}}
}

func (re *reply) send(w http.ResponseWriter) {
	body := re.raw
	if body == nil {
		var err error
		if body, err = json.Marshal(re.members); err != nil {
			http.Error(w, "encode answer", http.StatusInternalServerError)
			return
		}
		if re.twice != "" {
			body = twice(body, re.twice)
		}
	}
	if re.contentType == "" {
		re.contentType = "application/json;charset=UTF-8"
	}
	w.Header().Set("Content-Type", re.contentType)
	w.Header().Set("Cache-Control", "no-store")
	if re.location != "" {
		w.Header().Set("Location", re.location)
	}
	w.WriteHeader(re.status)
	_, _ = bytes.NewReader(body).WriteTo(w) // the peer went away: nothing to do
}

// token exchanges a code or a refresh token (access guide, "token" and
// "refresh"). The client's credential is taken from the body only.
func (c *Centre) token(w http.ResponseWriter, r *http.Request, re *realm) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		refuse(http.StatusBadRequest, "invalid_request", "Form cannot be read").send(w)
		return
	}
	c.count(re, func(calls *Calls) { calls.Token++; calls.LastToken = r.PostForm })
	defect := c.currentDefect()
	if defect == TokenHang {
		c.hang(r)
		return
	}
	answer := c.exchange(r, re)
	defect.spoilToken(answer)
	answer.send(w)
}

func (c *Centre) exchange(r *http.Request, re *realm) *reply {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return refuse(http.StatusBadRequest, "invalid_request", "Content type is not a form")
	}
	form := r.PostForm
	c.mu.Lock()
	client, known := re.clients[form.Get("client_id")]
	c.mu.Unlock()
	if right := sameSecret(client.Secret, form.Get("client_secret")); !known || !right || r.Header.Get("Authorization") != "" {
		return refuse(http.StatusBadRequest, "invalid_client", "Bad client credentials")
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		return c.redeemCode(re, client, form)
	case "refresh_token":
		g, user, ok := c.take(form.Get("refresh_token"), refreshGrant, re)
		if !ok || g.clientID != client.ID {
			return refuse(http.StatusBadRequest, "invalid_grant", "Invalid refresh token")
		}
		return c.tokens(re, client, user, g)
	default:
		return refuse(http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type")
	}
}

// redeemCode spends the code, whatever comes of it (RFC 6749, section 4.1.2).
func (c *Centre) redeemCode(re *realm, client Client, form url.Values) *reply {
	g, user, ok := c.take(form.Get("code"), codeGrant, re)
	switch {
	case !ok:
		return refuse(http.StatusBadRequest, "invalid_grant", "Invalid authorization code")
	case g.clientID != client.ID:
		return refuse(http.StatusBadRequest, "invalid_client", "Client ID mismatch")
	case form.Has("redirect_uri") && form.Get("redirect_uri") != g.redirectURI:
		return refuse(http.StatusBadRequest, "invalid_grant", "Invalid redirect_uri")
	}
	if g.challenge != "" && !rightVerifier(g.challenge, form.Get("code_verifier")) {
		return refuse(http.StatusBadRequest, "invalid_grant", "Invalid code_verifier")
	}
	return c.tokens(re, client, user, g)
}

func (c *Centre) tokens(re *realm, client Client, user User, asked grant) *reply {
	g := grant{realm: re, userName: user.UserName, clientID: client.ID, openID: asked.openID}
	access, refresh := g, g
	access.kind, refresh.kind = accessGrant, refreshGrant
	answer := &reply{status: http.StatusOK, members: map[string]any{
		"access_token":  c.issue(access, accessLife),
		"token_type":    "Bearer",
		"expires_in":    int(accessLife.Seconds()),
		"scope":         "get_user_info",
		"refresh_token": c.issue(refresh, refreshLife),
	}}
	if asked.openID {
		answer.members["scope"] = "openid"
		if token := c.idToken(re, client, user, asked.nonce); token != "" {
			answer.members["id_token"] = token
		}
	}
	return answer
}
