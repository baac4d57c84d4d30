package sso

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// redeemTimeout ends a redemption, whose calls have timeouts of their own.
	redeemTimeout = 40 * time.Second
	// bounceAge is how long a browser that was bounced once is not bounced again.
	bounceAge = time.Minute
	maxCode   = 4 << 10
	maxState  = 1 << 10
)

// response is what a callback says. All of it is a stranger's word.
type response struct {
	// code is what is to be redeemed; param is the parameter that brought it.
	code, param, state, iss, failure string
	tenant                           TenantID
}

// serveCallback is the registered login address. The order of its checks is state, browser, tenant, issuer, and only then is
// anything sent to an auth centre.
func (rp *RelyingParty) serveCallback(w http.ResponseWriter, r *http.Request, e *record) error {
	if r.Method == http.MethodHead || isPrefetch(r.Header) {
		w.WriteHeader(http.StatusNoContent) // a scanner or a prefetch must not use up the code
		return nil
	}
	e.event = "callback"
	resp, err := rp.readResponse(r)
	if err != nil {
		return rp.limited(r, "", func() error { return err })
	}
	if resp.code == "" && resp.failure == "" { // one address, four jobs: without an answer it is the login address
		return rp.restart(w, r, e, resp)
	}
	a, lost := rp.awaited(r, e.site, resp)
	if lost != nil {
		return rp.limited(r, "", func() error { return rp.unmatched(w, r, e, resp, lost) })
	}
	return rp.limited(r, a.Tenant, func() error { return rp.solicited(w, r, e, a, resp) })
}

// awaited returns the attempt that a response belongs to. Those of a further host await a ticket and no response.
func (rp *RelyingParty) awaited(r *http.Request, here *site, resp response) (*attempt, error) {
	if here.further {
		return nil, ErrAttemptLost
	}
	a, lost := rp.findAttempt(r, resp.state)
	if lost != nil && resp.state == "" && resp.param != "code" {
		return rp.newestAttempt(r, resp.tenant)
	}
	return a, lost
}

// limited answers a callback unless too many of its kind failed. What belongs to no attempt of its browser (tenant "") is
// counted apart, so that nobody can lock out the people who sign in at the same address. Faults on our side, and an auth centre
// that does not answer, are not the caller's failures.
func (rp *RelyingParty) limited(r *http.Request, tenant TenantID, answer func() error) error {
	from := rp.clientAddr(r)
	if rp.failures.exceeded(from, tenant) {
		return ErrRateLimited
	}
	err := answer()
	if err != nil && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrProviderUnreachable) {
		rp.failures.add(from, tenant)
	}
	return err
}

// unmatched answers a callback that belongs to no attempt of this browser, for the reason lost.
func (rp *RelyingParty) unmatched(w http.ResponseWriter, r *http.Request, e *record, resp response, lost error) error {
	nameless := resp.tenant == "" && e.site.tenant == ""
	switch {
	case resp.state != "" && (ownState(resp.state) || nameless || resp.failure != ""):
		return rp.lost(w, r, e, resp.state, lost)
	case resp.failure != "":
		return ErrRefused
	}
	// A state that is none of ours may be a portal's: the code is unsolicited.
	return rp.unsolicited(w, r, e, resp)
}

// gluedPrefix begins a callback whose first parameter follows the path without a question mark, as in the access guide's sample
// of a service address ("CAS protocol API").
const gluedPrefix = ssoPrefix + "/callback&"

func isGlued(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, gluedPrefix) && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// readResponse takes the parameters apart. All tenant parameters that are there must agree.
func (rp *RelyingParty) readResponse(r *http.Request) (response, error) {
	q, err := query(r)
	if err != nil {
		return response{}, err
	}
	if glued, ok := strings.CutPrefix(r.URL.EscapedPath(), gluedPrefix); ok {
		more, err := url.ParseQuery(glued)
		if err != nil {
			return response{}, fmt.Errorf("query: %w", ErrBadRequest)
		}
		for name, values := range more {
			q[name] = append(q[name], values...)
		}
	}
	var resp response
	for name, to := range map[string]*string{"state": &resp.state, "iss": &resp.iss, "error": &resp.failure} {
		if *to, err = single(q, name); err != nil {
			return response{}, err
		}
	}
	if resp.code, resp.param, err = rp.readCode(q); err != nil {
		return response{}, err
	}
	if len(resp.code) > maxCode || len(resp.state) > maxState || !tidy(resp.code, maxCode) {
		return response{}, fmt.Errorf("code or state too long: %w", ErrBadRequest)
	}
	for _, name := range rp.settings.TenantParams {
		value, err := single(q, name)
		if err != nil {
			return response{}, err
		}
		if value == "" {
			continue
		}
		if resp.tenant != "" && resp.tenant != TenantID(value) {
			return response{}, fmt.Errorf("tenant parameters: %w", ErrTenantMismatch)
		}
		resp.tenant = TenantID(value)
	}
	return resp, nil
}

// readCode returns what is to be redeemed, and the parameter that brings it: by some tenant's way there must be one, and only one.
func (rp *RelyingParty) readCode(q url.Values) (code, param string, err error) {
	configured := rp.directory.configured.Load()
	for _, name := range []string{"code", "ticket"} {
		if !configured.anyway(func(w *way) bool { return w.answerParam() == name }) {
			continue
		}
		value, err := single(q, name)
		if err != nil {
			return "", "", err
		}
		if value != "" && code != "" {
			return "", "", fmt.Errorf("a code and a ticket: %w", ErrBadRequest)
		}
		if value != "" {
			code, param = value, name
		}
	}
	return code, param, nil
}

// restart is a callback that brings nothing: a portal opened the address, or somebody kept a bookmark.
func (rp *RelyingParty) restart(w http.ResponseWriter, _ *http.Request, e *record, resp response) error {
	e.event = ""
	redirect(w, http.StatusFound, e.site.loginURL(resp.tenant, "/"))
	return nil
}

// lost answers a state that this browser holds no attempt for. If it is signed in, this is an old tab or a reload, and it goes
// on; nothing is redeemed either way.
func (rp *RelyingParty) lost(w http.ResponseWriter, r *http.Request, e *record, state string, cause error) error {
	landed := rp.spent.landed("state " + state)
	if landed.kind == landElsewhere { // who is signed in there, is known there
		return rp.goElsewhere(w, e, landed)
	}
	session, err := rp.sessions.Get(r, rp.cookies.base)
	if err != nil {
		return err //nolint:wrapcheck // it is our own store's
	}
	if session.IsNew && rp.spent.knows("state "+state) {
		return fmt.Errorf("the state was used: %w", ErrAttemptExpired) // the page of a refusal, loaded again
	}
	if session.IsNew {
		return cause
	}
	e.result = "already_signed_in"
	redirect(w, http.StatusSeeOther, landed.location)
	return nil
}

// solicited finishes an attempt of this browser.
func (rp *RelyingParty) solicited(w http.ResponseWriter, r *http.Request, e *record, a *attempt, resp response) error {
	e.solicited = true
	e.about(a.Tenant, "")
	from, err := rp.beganAt(a.Handover)
	if err != nil {
		return err
	}
	e.retry = from.loginURL(a.Tenant, a.Return)
	if resp.tenant != "" && resp.tenant != a.Tenant {
		return fmt.Errorf("callback: %w", ErrTenantMismatch)
	}
	way := rp.wayOf(a.Tenant)
	if resp.param != "" && resp.param != way.answerParam() {
		return fmt.Errorf("a %s does not answer this sign-in: %w", resp.param, ErrBadRequest)
	}
	if err := way.profile.checkIssuer(r.Context(), a, resp.iss); err != nil {
		return err
	}
	rp.cookies.clear(w, rp.cookies.attemptName(a.State)) // from here on the state is used up
	if resp.failure != "" {
		return ErrRefused
	}
	spent := "state " + a.State
	if resp.state == "" { // the attempt is no part of the address: a reload is known by the ticket
		spent = "code " + a.Domain + " " + resp.code
	}
	land, first, err := rp.spent.once(r.Context(), spent, func() (landing, error) {
		// Without a state anybody's ticket fits an attempt that anybody can have begun.
		return rp.redeemAttempt(r, a, resp.code, resp.state == "" && a.Foreign)
	})
	return rp.finish(w, r, e, land, first, err)
}

// unsolicited treats a code that this browser did not ask for (access guide: unified login page, workbench tile). Anybody can
// make a browser load such an address with a code of their own, so by default it only tells us the tenant.
func (rp *RelyingParty) unsolicited(w http.ResponseWriter, r *http.Request, e *record, resp response) error {
	t, err := rp.tenantOfResponse(r.Context(), e.site, resp)
	if err != nil {
		return err
	}
	e.about(t.ID, "")
	e.tenantName = t.Name
	e.retry = e.site.loginURL(t.ID, "/")
	to, err := rp.targetOf(r.Context(), t)
	if err != nil {
		return err
	}
	if resp.param != to.way.answerParam() {
		return fmt.Errorf("a %s of a tenant that sends none: %w", resp.param, ErrBadRequest)
	}
	from := rp.takeUnified(w, r)
	if rp.mayBounce(w, r, to) {
		return rp.begin(w, r, e, t, beginning{returnTo: "/", foreign: true, handover: from})
	}
	if to.way.settings.Profile == ProfileOIDC {
		return ErrAttemptLost
	}
	land, first, err := rp.spent.once(r.Context(), "code "+to.domain+" "+resp.code, func() (landing, error) {
		return rp.redeemUnsolicited(r, t, from, resp.code)
	})
	return rp.finish(w, r, e, land, first, err)
}

// tenantOfResponse returns the tenant that an unsolicited code is of: the one that the response names, or the one whose host it
// came to.
func (rp *RelyingParty) tenantOfResponse(ctx context.Context, here *site, resp response) (Tenant, error) {
	if resp.tenant == "" && here.tenant != "" {
		found, err := rp.tenantsNamed(ctx, here.tenant)
		if err == nil && len(found) == 1 {
			return found[0], nil
		}
		return Tenant{}, errors.Join(ErrTenantMissing, err)
	}
	if resp.tenant == "" {
		return Tenant{}, ErrTenantMissing
	}
	if !tidy(string(resp.tenant), 256) {
		return Tenant{}, ErrUnknownTenant
	}
	t, err := rp.tenants.Tenant(ctx, resp.tenant)
	if err != nil {
		return Tenant{}, portError(err)
	}
	if !here.admits(t.ID, t.Code) {
		return Tenant{}, fmt.Errorf("a host of another tenant: %w", ErrTenantMismatch)
	}
	return t, nil
}

// mayBounce reports whether this callback is answered by an attempt of our own. One bounce per browser, tenant and minute:
// the auth centre may answer without our state again.
func (rp *RelyingParty) mayBounce(w http.ResponseWriter, r *http.Request, to target) bool {
	if to.way.settings.Unsolicited != "bounce" || to.way.stateless() {
		return false // without a state an attempt of our own would know no more
	}
	var last struct {
		Tenant TenantID `json:"t"`
		At     int64    `json:"a"`
	}
	name, now := rp.cookies.name("bounce"), rp.now().Unix()
	if rp.open(r, name, &last) && last.Tenant == to.tenant.ID && now-last.At < int64(bounceAge/time.Second) {
		return false
	}
	last.Tenant, last.At = to.tenant.ID, now
	sealed, err := rp.seal(r, name, last)
	if err != nil {
		return false
	}
	rp.cookies.set(w, name, sealed, bounceAge)
	return true
}

// redeemAttempt redeems the code of an attempt, at the auth centre and with the client that it was begun with. Only the secret
// may have been rotated in between, and then the token call that was refused for it is made once more.
// ask is land's.
func (rp *RelyingParty) redeemAttempt(r *http.Request, a *attempt, code string, ask bool) (landing, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), redeemTimeout)
	defer cancel()
	t, err := rp.tenants.Tenant(ctx, a.Tenant)
	if err != nil {
		return landing{}, portError(err)
	}
	about := landing{tenant: t.ID, tenantName: t.Name}
	to, err := rp.targetOfAttempt(ctx, a)
	if err != nil {
		return about, err
	}
	c, err := to.way.profile.finish(ctx, to, a, code)
	if errors.Is(err, ErrClientRejected) {
		again, aerr := rp.targetOfAttempt(ctx, a)
		switch {
		case errors.Is(aerr, ErrAttemptExpired):
			return about, aerr
		case aerr == nil && again.credential.Secret != to.credential.Secret:
			to = again
			c, err = to.way.profile.finish(ctx, to, a, code)
		}
	}
	if err != nil {
		return about, err
	}
	v, err := c.identify(to)
	if err != nil {
		return about, err
	}
	if to.issuer != "" && to.way.settings.Profile == ProfileOIDC {
		sub, _ := c.claims.text("sub")
		sid, _ := c.claims.text("sid")
		v.Subject, v.ProviderSession = handleOf("sub", to.issuer, sub), handleOf("sid", to.issuer, sid)
	}
	if a.Handover != nil {
		return rp.landElsewhere(ctx, to, v, a.Handover, ask)
	}
	return rp.land(ctx, r, to, v, a.Return, a.Foreign, ask)
}

// targetOfAttempt returns where the code of an attempt is redeemed now. If that is another auth centre or another client than
// the attempt's, the error is ErrAttemptExpired and the person starts again: the secret of today is no business of the auth
// centre of yesterday.
func (rp *RelyingParty) targetOfAttempt(ctx context.Context, a *attempt) (target, error) {
	to, err := rp.settledTarget(ctx, a.Tenant)
	if err != nil {
		return target{}, err
	}
	if to.credential.ClientID != a.ClientID || to.credential.App != a.App {
		return target{}, fmt.Errorf("the credential was replaced meanwhile: %w", ErrAttemptExpired)
	}
	if to.domain != a.Domain || to.issuer != a.Issuer {
		return target{}, fmt.Errorf("the auth centre moved meanwhile: %w", ErrAttemptExpired)
	}
	return to, nil
}

// settledTarget is targetOf for calls that carry the secret. The tenant is read again after its credential: of a move that
// brought a new secret, the secret must not be seen beside the old address.
func (rp *RelyingParty) settledTarget(ctx context.Context, id TenantID) (target, error) {
	t, err := rp.tenants.Tenant(ctx, id)
	if err != nil {
		return target{}, portError(err)
	}
	to, err := rp.targetOf(ctx, t)
	if err != nil {
		return target{}, err
	}
	if t, err = rp.tenants.Tenant(ctx, id); err != nil {
		return target{}, portError(err)
	}
	if domain, issuer, err := rp.addressOf(t); err != nil || domain != to.domain || issuer != to.issuer {
		return target{}, fmt.Errorf("the auth centre moved meanwhile: %w", ErrAttemptExpired)
	}
	return to, nil
}

// redeemUnsolicited redeems a code that nobody asked for. from is set if a further host sent the browser to the unified login page.
func (rp *RelyingParty) redeemUnsolicited(r *http.Request, t Tenant, from *handover, code string) (landing, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), redeemTimeout)
	defer cancel()
	about := landing{tenant: t.ID, tenantName: t.Name}
	to, err := rp.settledTarget(ctx, t.ID)
	if err != nil {
		return about, err
	}
	var a *attempt
	if to.way.settings.Profile == ProfileCAS {
		a = &attempt{RedirectURI: rp.service(r)}
	}
	c, err := to.way.profile.finish(ctx, to, a, code)
	if err != nil {
		return about, err
	}
	v, err := c.identify(to)
	if err != nil {
		return about, err
	}
	ask := to.way.settings.Unsolicited != "accept"
	if from != nil {
		return rp.landElsewhere(ctx, to, v, from, ask)
	}
	return rp.land(ctx, r, to, v, "/", true, ask)
}

// appendRecent adds now to the times of recent sign-ins.
func appendRecent(recent []int64, now int64) []int64 {
	recent = append(recent, now)
	return recent[max(0, len(recent)-maxLoops):]
}
