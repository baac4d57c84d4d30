package sso

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/kitbridge/kitbridge/templates"
)

const (
	// waitAge is how long a verified identity waits for its account, or for the person's yes.
	waitAge = 10 * time.Minute
	// quickWait is how long the waiting page asks often, and slowWait how long it asks at all.
	quickWait = 30 * time.Second
)

// landingKind says where a verified identity ends up.
type landingKind int

// The zero kind is no landing at all.
const (
	landNowhere landingKind = iota
	landSession
	landWaiting
	landElsewhere
)

// landing is the outcome of a redemption: a value, so that a callback delivered twice can be answered twice.
type landing struct {
	kind landingKind
	// session is shared by the deliveries, and stored once.
	session  *creation
	waiting  waiting
	location string
	tenant   TenantID
	// tenantName is shown on a failure page.
	tenantName string
	user       UserName
	verdict    verdict
}

// waiting is a verified identity that has no session yet. The browser keeps it, sealed: strangers write nothing to the
// database, and an account that arrives later is met with the identity that was verified now.
type waiting struct {
	Who     verified `json:"w"`
	Domain  string   `json:"d"`
	Return  string   `json:"r"`
	Confirm bool     `json:"c,omitempty"`
	Token   string   `json:"k,omitempty"`
	// Marks are [Account.Marks] at the verification: who is removed and added again meanwhile may be another person.
	Marks string `json:"m,omitempty"`
	At    int64  `json:"a"`
}

// land decides what becomes of a verified identity. ask forces the confirm page; foreign does so while somebody else is
// signed in.
func (rp *RelyingParty) land(ctx context.Context, r *http.Request, to target, v verified, returnTo string, foreign, ask bool) (landing, error) {
	l := landing{tenant: v.Tenant, tenantName: to.tenant.Name, user: v.User, location: returnTo}
	if foreign && !ask {
		other, err := rp.someoneElse(r, v)
		if err != nil {
			return l, err
		}
		ask = other
	}
	verdict, marks, err := rp.admission(ctx, to, v)
	if err != nil {
		return l, err
	}
	l.verdict = verdict
	if verdict == pending || ask && verdict.admits() {
		if err := rp.deposit(ctx, to, &v); err != nil {
			return l, err
		}
	}
	l.waiting = waiting{Who: v, Domain: to.domain, Return: returnTo, Confirm: ask, Token: randomHex(), Marks: marks, At: rp.now().Unix()}
	switch {
	case verdict == pending:
		l.kind, l.location = landWaiting, ssoPrefix+"/pending"
	case verdict != admitted && verdict != admittedProvisionally:
		return l, &refusal{verdict}
	case ask:
		l.kind, l.location = landWaiting, ssoPrefix+"/confirm"
	default:
		l.kind, l.session = landSession, rp.newSession(r, to, v, verdict)
	}
	return l, nil
}

// someoneElse reports whether this browser is signed in as another user.
func (rp *RelyingParty) someoneElse(r *http.Request, v verified) (bool, error) {
	session, err := rp.sessions.Get(r, rp.cookies.base)
	if err != nil {
		return false, err //nolint:wrapcheck // it is our own store's
	}
	live, ok := session.Values[liveValue].(LiveSession)
	return ok && (live.Tenant != v.Tenant || live.User != v.User), nil
}

// admission asks the synced state, as it is now, about a verified identity. marks are those of the account.
func (rp *RelyingParty) admission(ctx context.Context, to target, v verified) (verdict verdict, marks string, err error) {
	account, err := rp.accounts.Account(ctx, v.Tenant, to.credential.App, v.User)
	if err != nil {
		return refused, "", portError(err)
	}
	unknown := to.way.settings.UnknownUser
	if to.tenant.Authority != "" && unknown == "pending" {
		unknown = "jit" // there is no push to wait for
	}
	return admit(to.tenant, to.credential, account, unknown, rp.settings.AllowTestTenants), account.Marks, nil
}

// admitWaiting is admission for an identity that was verified a while ago. If anything was taken away since, it is
// [ErrAttemptExpired] however things stand now: the name may have been given to somebody else.
func (rp *RelyingParty) admitWaiting(ctx context.Context, to target, wait waiting) (verdict, error) {
	verdict, marks, err := rp.admission(ctx, to, wait.Who)
	if err == nil && verdict.admits() && marks != wait.Marks {
		return refused, ErrAttemptExpired
	}
	return verdict, err
}

func (rp *RelyingParty) newSession(r *http.Request, to target, v verified, verdict verdict) *creation {
	now, s := rp.now(), to.way.settings
	c := &creation{ref: v.Ref, settings: s, session: NewSession{
		Tenant: v.Tenant, App: to.credential.App, User: v.User, Role: v.Role, Filled: v.Profile, Domain: to.domain,
		Subject: v.Subject, ProviderSession: v.ProviderSession, Authority: to.tenant.Authority,
		Provisional: verdict == admittedProvisionally,
		Created:     now, Expires: now.Add(s.SessionAbsolute), Idle: s.SessionIdle,
		Device: deviceOf(r.Header.Get("User-Agent"), rp.clientAddr(r)),
	}}
	s.keep(&c.session, v.Tokens)
	return c
}

// deposit keeps the tokens of somebody who has to wait until there is a session to keep them for: none of them waits with the
// browser. What is never asked for is forgotten.
func (rp *RelyingParty) deposit(ctx context.Context, to target, v *verified) error {
	if to.way.settings.dueAt(v.Tokens, rp.now()).IsZero() {
		return nil
	}
	v.Ref = Handle(randomHex())
	return portError(rp.sessions.port.Deposit(ctx, v.Ref, v.Tokens, rp.now().Add(waitAge)))
}

// finish turns the result of a redemption into an answer. first is false for a callback that came after it was over: it gets
// no session, but if the browser has one by now it goes where it was going.
func (rp *RelyingParty) finish(w http.ResponseWriter, r *http.Request, e *record, l landing, first bool, err error) error {
	if l.tenant != "" {
		e.about(l.tenant, l.user)
		e.tenantName = l.tenantName
	}
	if !first && l.kind == landElsewhere { // who is signed in there, is known there
		return rp.goElsewhere(w, e, l)
	}
	if !first {
		session, serr := rp.sessions.Get(r, rp.cookies.base)
		if serr != nil {
			return serr //nolint:wrapcheck // it is our own store's
		}
		if session.IsNew || l.location == "" {
			return errors.Join(ErrCodeSpent, err)
		}
		e.result = "already_signed_in"
		redirect(w, http.StatusSeeOther, l.location)
		return nil
	}
	if err != nil {
		return err
	}
	e.result = l.verdict.String()
	switch l.kind {
	case landSession:
		return rp.signIn(w, r, l.session, l.location)
	case landWaiting:
		if err := rp.keepWaiting(w, r, l.waiting); err != nil {
			return err
		}
		if l.verdict != pending {
			e.result = toConfirm
		}
		redirect(w, http.StatusSeeOther, l.location)
		return nil
	case landElsewhere:
		return rp.goElsewhere(w, e, l)
	case landNowhere:
	}
	return errors.New("redemption without an outcome")
}

// signIn gives the browser a new session in place of the one it has, and sends it where it was going.
func (rp *RelyingParty) signIn(w http.ResponseWriter, r *http.Request, s *creation, location string) error {
	session, err := rp.sessions.Get(r, rp.cookies.base)
	if err != nil {
		return err //nolint:wrapcheck // it is our own store's
	}
	if key, ok := sessionKey(session.ID); ok {
		defer rp.decider.forget(key, nil)
	}
	session.Values[newValue] = s
	err = rp.sessions.Save(r, w, session)
	if errors.Is(err, ErrNoSession) {
		return rp.whyNot(r.Context(), s.session)
	}
	if err != nil {
		return err //nolint:wrapcheck // it is our own store's
	}
	rp.cookies.expireProduct(w, rp.settings.ProductCookies)
	rp.cookies.clear(w, rp.cookies.name("wait"))
	rp.remember(w, r, "last", s.session.Tenant, lastTenantAge)
	rp.remember(w, r, "loop", appendRecent(rp.recentSignIns(r), rp.now().Unix()), loopWindow)
	redirect(w, http.StatusSeeOther, location)
	return nil
}

// whyNot is the error for somebody whose right ended between admission and session.
func (rp *RelyingParty) whyNot(ctx context.Context, s NewSession) error {
	t, err := rp.tenants.Tenant(ctx, s.Tenant)
	if err != nil {
		return portError(err)
	}
	to, err := rp.targetOf(ctx, t)
	if err != nil {
		return err
	}
	verdict, _, err := rp.admission(ctx, to, verified{Tenant: s.Tenant, User: s.User})
	switch {
	case err != nil:
		return err
	case verdict.admits():
		return ErrNoSession // it is given back, or not decided: the sign-in begins anew
	default:
		return &refusal{verdict}
	}
}

// remember leaves a small sealed value with the browser. It is a convenience: without it sign-in works all the same.
func (rp *RelyingParty) remember(w http.ResponseWriter, r *http.Request, suffix string, v any, age time.Duration) {
	name := rp.cookies.name(suffix)
	if sealed, err := rp.seal(r, name, v); err == nil {
		rp.cookies.set(w, name, sealed, age)
	}
}

// keepWaiting gives a verified identity to the browser, without what only fills blanks if it grows too long.
func (rp *RelyingParty) keepWaiting(w http.ResponseWriter, r *http.Request, wait waiting) error {
	name := rp.cookies.name("wait")
	sealed, err := rp.seal(r, name, wait)
	if err == nil && len(sealed) > maxCookie {
		wait.Who.Profile, wait.Return = Profile{}, "/"
		sealed, err = rp.seal(r, name, wait)
	}
	if err != nil {
		return err
	}
	rp.cookies.set(w, name, sealed, waitAge)
	return nil
}

// takeWaiting returns the verified identity that this browser keeps.
func (rp *RelyingParty) takeWaiting(r *http.Request, e *record) (waiting, target, error) {
	name := rp.cookies.name("wait")
	var wait waiting
	if !rp.open(r, name, &wait) {
		return wait, target{}, ErrAttemptLost
	}
	e.about(wait.Who.Tenant, wait.Who.User)
	e.retry = e.site.loginURL(wait.Who.Tenant, wait.Return)
	if age := rp.now().Unix() - wait.At; age < 0 || age > int64(waitAge/time.Second) {
		return wait, target{}, ErrAttemptExpired
	}
	t, err := rp.tenants.Tenant(r.Context(), wait.Who.Tenant)
	if err != nil {
		return wait, target{}, portError(err)
	}
	e.tenantName = t.Name
	if !e.site.admits(t.ID, t.Code) {
		return wait, target{}, fmt.Errorf("a host of another tenant: %w", ErrTenantMismatch)
	}
	to, err := rp.targetOf(r.Context(), t)
	to.domain = wait.Domain
	return wait, to, err
}

// servePending is the page of a user whom the auth centre knows and no push has named yet. It asks for itself again, and goes
// on when the push is there.
func (rp *RelyingParty) servePending(w http.ResponseWriter, r *http.Request, e *record) error {
	wait, to, err := rp.takeWaiting(r, e)
	if err != nil {
		return err
	}
	verdict, err := rp.admitWaiting(r.Context(), to, wait)
	if err != nil {
		return err
	}
	switch verdict {
	case admitted, admittedProvisionally:
		if wait.Confirm {
			redirect(w, http.StatusSeeOther, ssoPrefix+"/confirm")
			return nil
		}
		e.event, e.solicited = "pending", true
		e.result = verdict.String()
		return rp.signIn(w, r, rp.newSession(r, to, wait.Who, verdict), wait.Return)
	case pending:
		refresh := 2 * time.Second
		if rp.now().Unix()-wait.At > int64(quickWait/time.Second) {
			refresh = 10 * time.Second
		}
		return rp.pages.Pending(w, templates.Locale(r), templates.PendingPage{
			Name: wait.Who.Profile.Name, TenantName: to.tenant.Name, Refresh: refresh, RequestID: e.id,
		})
	default:
		return &refusal{verdict}
	}
}

// serveConfirm asks the person whether the sign-in that arrived is theirs.
func (rp *RelyingParty) serveConfirm(w http.ResponseWriter, r *http.Request, e *record) error {
	wait, to, err := rp.takeWaiting(r, e)
	if err != nil {
		return err
	}
	if !wait.Confirm {
		return ErrAttemptLost
	}
	page := templates.ConfirmPage{
		Purpose: templates.ConfirmSignIn, Action: ssoPrefix + "/confirm", CSRF: wait.Token, Cancel: "/",
		Name: wait.Who.Profile.Name, UserName: string(wait.Who.User), TenantName: to.tenant.Name,
	}
	session, err := rp.sessions.Get(r, rp.cookies.base)
	if err != nil {
		return err //nolint:wrapcheck // it is our own store's
	}
	if live, ok := session.Values[liveValue].(LiveSession); ok {
		now := identityOf(SessionKey{}, live)
		page.Purpose, page.Current = templates.ConfirmSwitch, now.Name
		page.CurrentUserName, page.CurrentTenantName = string(now.User), now.TenantName
	}
	return rp.pages.Confirm(w, templates.Locale(r), page)
}

// serveConfirmed is the yes. It must come from our own page in this browser.
func (rp *RelyingParty) serveConfirmed(w http.ResponseWriter, r *http.Request, e *record) error {
	e.event = "confirm"
	if !fromHere(r, e.site) {
		return fmt.Errorf("confirm from elsewhere: %w", ErrBadRequest)
	}
	wait, to, err := rp.takeWaiting(r, e)
	if err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	if err := r.ParseForm(); err != nil {
		return fmt.Errorf("confirm: %w", ErrBadRequest)
	}
	token := r.PostForm.Get(templates.CSRFField)
	if !wait.Confirm || wait.Token == "" || subtle.ConstantTimeCompare([]byte(token), []byte(wait.Token)) != 1 {
		return ErrAttemptLost
	}
	verdict, err := rp.admitWaiting(r.Context(), to, wait)
	if err != nil {
		return err
	}
	if verdict == pending {
		redirect(w, http.StatusSeeOther, ssoPrefix+"/pending")
		return nil
	}
	if verdict != admitted && verdict != admittedProvisionally {
		return &refusal{verdict}
	}
	e.result = verdict.String()
	return rp.signIn(w, r, rp.newSession(r, to, wait.Who, verdict), wait.Return)
}
