package sso

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// maxLogoutBody bounds the body of a back-channel logout, in bytes.
	maxLogoutBody = maxIDToken + 1<<10
	// logoutEvent is the member of events that makes a token a logout token.
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
)

// handleOf is a digest of what an issuer calls somebody or something; the empty name has none.
func handleOf(kind, issuer, name string) Handle {
	if name == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(kind + "\x00" + issuer + "\x00" + name))
	return Handle(base64.RawURLEncoding.EncodeToString(sum[:]))
}

// serveBackchannel takes a logout token from an auth centre (OpenID Connect Back-Channel Logout 1.0, section 2.5). It answers
// 200 only when the sessions are ended in the database, and 400 to everything else.
func (rp *RelyingParty) serveBackchannel(w http.ResponseWriter, r *http.Request, e *record) error {
	if !rp.directory.configured.Load().anyway(func(w *way) bool { return w.settings.Profile == ProfileOIDC }) {
		return errNotFound
	}
	e.event = "backchannel_logout"
	ended, err := rp.obey(w, r, e)
	if err != nil {
		e.result = "refused"
		if errors.Is(err, ErrUnavailable) {
			e.result = "unavailable"
		}
		rp.writeLogoutFault(w, e.result)
		return &answered{err}
	}
	e.result, e.ended = "signed_out", ended
	w.WriteHeader(http.StatusOK)
	return nil
}

// writeLogoutFault writes the JSON that section 2.8 asks for. Its words are ours.
func (rp *RelyingParty) writeLogoutFault(w http.ResponseWriter, result string) {
	code := "invalid_request"
	if result == "unavailable" {
		code = "temporarily_unavailable"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code})
}

// obey verifies a logout token and ends what it names.
func (rp *RelyingParty) obey(w http.ResponseWriter, r *http.Request, e *record) (int, error) {
	raw, err := readLogoutToken(w, r)
	if err != nil {
		return 0, err
	}
	unverified, err := peek(raw)
	if err != nil {
		return 0, err
	}
	iss, _ := unverified.text("iss")
	targets, err := rp.addressees(r.Context(), iss, unverified.audience())
	if err != nil {
		return 0, err
	}
	l := Logout{}
	for _, to := range targets {
		l.Tenants = append(l.Tenants, to.tenant.ID)
	}
	if len(l.Tenants) == 1 {
		e.about(l.Tenants[0], "")
	}
	var c claims
	verified := map[*openID]bool{}
	for _, to := range targets {
		o, ok := to.way.profile.(*openID)
		if !ok || verified[o] {
			continue
		}
		verified[o] = true
		if c, err = o.verifyLogout(r.Context(), to, raw); err != nil {
			return 0, err
		}
	}
	jti, _ := c.text("jti")
	sub, _ := c.text("sub")
	sid, _ := c.text("sid")
	l.Token = handleOf("jti", iss, jti)
	l.Until = rp.now().Add(maxTokenAge + 2*clockLeeway) // older ones are refused for their iat
	l.Subject, l.Session = handleOf("sub", iss, sub), handleOf("sid", iss, sid)
	// What was verified is done, though the auth centre may hang up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), createTimeout)
	defer cancel()
	ended, err := rp.sessions.port.LogOut(ctx, l)
	if errors.Is(err, ErrReplayed) {
		return 0, err
	}
	return ended, portError(err)
}

// addressees returns the tenants of an issuer whose client a logout token is for. One issuer may have many clients: which one is
// meant says the audience, and the signature is checked for that one.
func (rp *RelyingParty) addressees(ctx context.Context, iss string, audience []string) ([]target, error) {
	tenants, err := rp.tenantsOfIssuer(ctx, iss)
	if err != nil {
		return nil, err
	}
	var found []target
	for _, t := range tenants {
		to, err := rp.targetOf(ctx, t)
		if errors.Is(err, ErrUnavailable) {
			return nil, err
		}
		if err != nil || to.way.settings.Profile != ProfileOIDC || !slices.Contains(audience, to.credential.ClientID) {
			continue
		}
		if len(found) == 0 || found[0].credential.ClientID == to.credential.ClientID {
			found = append(found, to)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("aud: %w", ErrToken)
	}
	return found, nil
}

// readLogoutToken returns the one parameter of a well-formed request.
func readLogoutToken(w http.ResponseWriter, r *http.Request) (string, error) {
	bad := func(what string) error { return fmt.Errorf("logout request: %s: %w", what, ErrBadRequest) }
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return "", bad("content type")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLogoutBody))
	if err != nil {
		return "", bad("body")
	}
	form, err := url.ParseQuery(string(body)) // the address counts for nothing
	if err != nil || len(form["logout_token"]) != 1 {
		return "", bad("logout_token")
	}
	return form.Get("logout_token"), nil
}

// peek reads the claims of a token that nobody verified yet: they choose which keys to verify it with.
func peek(raw string) (claims, error) {
	if len(raw) > maxIDToken || !isCompact(raw) {
		return nil, fmt.Errorf("shape: %w", ErrToken)
	}
	parts := strings.Split(raw, ".")
	header, err := decodePart(parts[0])
	if err != nil {
		return nil, err
	}
	if typ, ok := header.text("typ"); !ok || typ != "" && !strings.EqualFold(typ, "JWT") &&
		!strings.EqualFold(strings.TrimPrefix(strings.ToLower(typ), "application/"), "logout+jwt") {
		return nil, fmt.Errorf("typ: %w", ErrToken)
	}
	return decodePart(parts[1])
}

func decodePart(part string) (claims, error) {
	plain, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil, fmt.Errorf("shape: %w", ErrToken)
	}
	c, err := decodeClaims(plain)
	if err != nil {
		return nil, fmt.Errorf("claims: %w: %w", ErrToken, err)
	}
	return c, nil
}

// audience returns the aud claim, which is a text or a list.
func (c claims) audience() []string {
	var many []string
	if json.Unmarshal(c["aud"], &many) == nil {
		return many
	}
	var one string
	if json.Unmarshal(c["aud"], &one) == nil {
		return []string{one}
	}
	return nil
}

// verifyLogout checks what go-oidc checks of any token, and then what makes one a logout token.
func (o *openID) verifyLogout(ctx context.Context, t target, raw string) (claims, error) {
	p, err := o.providers.get(ctx, t.origin)
	if err != nil {
		return nil, err
	}
	_, c, err := o.verifyJWT(ctx, p, t, "logout_token", raw, false)
	if err != nil {
		return nil, err
	}
	return c, checkLogoutToken(c, o.now())
}

// checkLogoutToken is OpenID Connect Back-Channel Logout 1.0, section 2.6, beyond go-oidc: fresh, named, with the event, without a
// nonce (which makes an ID token of it), and about somebody.
func checkLogoutToken(c claims, now time.Time) error {
	bad := func(what string) error { return fmt.Errorf("logout token: %s: %w", what, ErrToken) }
	if err := checkIssuedAt("logout_token", c, now); err != nil {
		return err
	}
	var jti string
	if json.Unmarshal(c["jti"], &jti) != nil || jti == "" || len(jti) > 255 {
		return bad("jti")
	}
	events, err := decodeClaims(c["events"])
	if err != nil {
		return bad("events")
	}
	if _, err := decodeClaims(events[logoutEvent]); err != nil {
		return bad("events")
	}
	if _, ok := c["nonce"]; ok {
		return bad("nonce")
	}
	named := false
	for _, name := range []string{"sub", "sid"} {
		raw, there := c[name]
		if !there {
			continue
		}
		var value string
		if json.Unmarshal(raw, &value) != nil || value == "" || len(value) > 255 {
			return bad(name)
		}
		named = true
	}
	if !named {
		return bad("neither sub nor sid")
	}
	return nil
}
