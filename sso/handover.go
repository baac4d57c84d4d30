package sso

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// The auth centres know one address of ours, so what begins on a further host passes through the public one:
//
//	further host /sso/login ──► attempt there ──► public address /sso/login?handover= ──► attempt here ──► auth centre
//	further host /sso/enter?ticket= ◄── identity ◄── public address /sso/callback ◄──────────────────────────┘
//
// Both attempts are cookies of one browser. The ticket is worth nothing without the first one, and counts once.

const (
	// enterPath is where a further host takes a sign-in over.
	enterPath = ssoPrefix + "/enter"
	// handoverParam and ticketParam are what the two hosts tell each other, sealed.
	handoverParam, ticketParam = "handover", "ticket"
	// unifiedParam asks a further host for the way to the unified login page.
	unifiedParam = "unified"
	// ticketAge is how long a ticket is good for.
	ticketAge = time.Minute
	// handedOver is the result of a request that sent a sign-in on to the other host.
	handedOver = "handed_over"
)

// handover is what the public address is told of an attempt on a further host.
type handover struct {
	// Host is that site's name, and State its attempt's.
	Host  string `json:"h"`
	State string `json:"s"`
	// Tenant is empty if the marketplace's unified login page is to find it out.
	Tenant TenantID `json:"t,omitempty"`
	Return string   `json:"r,omitempty"`
	Hint   string   `json:"l,omitempty"`
	// Foreign is that of the attempt, and At its beginning in Unix seconds.
	Foreign bool  `json:"f,omitempty"`
	At      int64 `json:"a"`
}

// ticket is a verified identity on its way to the attempt on a further host.
type ticket struct {
	State  string   `json:"s"`
	Who    verified `json:"w"`
	Domain string   `json:"d"`
	// Marks are those of [waiting], and Ask is set if the person is to be asked.
	Marks string `json:"m,omitempty"`
	Ask   bool   `json:"k,omitempty"`
	At    int64  `json:"a"`
}

// ticketPurpose is what tickets to a site are sealed for: none opens on another host.
func (s *site) ticketPurpose() string { return "ticket " + s.name }

// handOver begins a sign-in on a further host: with an attempt of this host, and at the public address. tenant is empty if the
// unified login page is to find it out.
func (rp *RelyingParty) handOver(w http.ResponseWriter, r *http.Request, e *record, tenant TenantID, b beginning) error {
	a := &attempt{State: randomHex(), Tenant: tenant, Return: b.returnTo, Foreign: b.foreign, Started: rp.now().Unix()}
	h := handover{
		Host: e.site.name, State: a.State, Tenant: tenant, Return: b.returnTo, Hint: b.hint, Foreign: b.foreign, At: a.Started,
	}
	sealed, err := rp.sealer.seal(handoverParam, h)
	if err == nil && len(sealed) > maxCookie { // there it only serves the links of failure pages
		h.Return = ""
		sealed, err = rp.sealer.seal(handoverParam, h)
	}
	if err != nil {
		return err
	}
	if err := rp.keepAttempt(w, r, a); err != nil {
		return err
	}
	e.result = handedOver
	redirect(w, http.StatusFound, rp.sites.public.address(ssoPrefix+"/login", url.Values{handoverParam: {sealed}}))
	return nil
}

// serveHandover goes on at the public address with what a further host began.
func (rp *RelyingParty) serveHandover(w http.ResponseWriter, r *http.Request, e *record, sealed string) error {
	var h handover
	if !rp.sealer.open(handoverParam, sealed, &h) {
		return ErrAttemptLost
	}
	from, err := rp.beganAt(&h)
	if err != nil {
		return err
	}
	e.retry = from.loginURL(h.Tenant, h.Return)
	if age := rp.now().Unix() - h.At; age < 0 || age > int64(attemptAge/time.Second) {
		return ErrAttemptExpired
	}
	if h.Tenant == "" {
		unified := rp.unifiedURL()
		if unified == "" {
			return ErrTenantMissing
		}
		rp.remember(w, r, unifiedSuffix, h, attemptAge)
		e.result = "started"
		redirect(w, http.StatusFound, unified)
		return nil
	}
	t, err := rp.tenants.Tenant(r.Context(), h.Tenant)
	if err != nil {
		return portError(err)
	}
	return rp.begin(w, r, e, t, beginning{returnTo: h.Return, hint: h.Hint, foreign: h.Foreign, handover: &h})
}

// unifiedSuffix names the cookie that remembers who was sent to the unified login page by a further host: the code that
// comes from there says nothing of it.
const unifiedSuffix = "unified"

// takeUnified returns the handover that this browser went to the unified login page with, or nil.
func (rp *RelyingParty) takeUnified(w http.ResponseWriter, r *http.Request) *handover {
	var h handover
	name := rp.cookies.name(unifiedSuffix)
	if !rp.open(r, name, &h) {
		return nil
	}
	rp.cookies.clear(w, name)
	if age := rp.now().Unix() - h.At; age < 0 || age > int64(attemptAge/time.Second) {
		return nil
	}
	if _, err := rp.beganAt(&h); err != nil {
		return nil
	}
	return &h
}

// beganAt returns the site that a sign-in began at: the public one without a handover. The error is ErrAttemptLost if the host is
// configured no more.
func (rp *RelyingParty) beganAt(h *handover) (*site, error) {
	if h == nil {
		return rp.sites.public, nil
	}
	if s := rp.sites.further[h.Host]; s != nil {
		return s, nil
	}
	return rp.sites.public, ErrAttemptLost
}

// landElsewhere sends a verified identity to the further host where its sign-in began. Nothing is decided here but who may not
// come in at all: whose browser this is, is known there.
func (rp *RelyingParty) landElsewhere(ctx context.Context, to target, v verified, h *handover, ask bool) (landing, error) {
	l := landing{tenant: v.Tenant, tenantName: to.tenant.Name, user: v.User}
	there, err := rp.beganAt(h)
	if err != nil {
		return l, err
	}
	if !there.admits(to.tenant.ID, to.tenant.Code) {
		return l, fmt.Errorf("a host of another tenant: %w", ErrTenantMismatch)
	}
	verdict, marks, err := rp.admission(ctx, to, v)
	if err != nil {
		return l, err
	}
	l.verdict = verdict
	if !verdict.admits() {
		return l, &refusal{verdict}
	}
	if err := rp.deposit(ctx, to, &v); err != nil {
		return l, err
	}
	t := ticket{State: h.State, Who: v, Domain: to.domain, Marks: marks, Ask: ask, At: rp.now().Unix()}
	sealed, err := rp.sealer.seal(there.ticketPurpose(), t)
	if err == nil && len(sealed) > maxCookie {
		t.Who.Profile = Profile{} // it only fills blanks
		sealed, err = rp.sealer.seal(there.ticketPurpose(), t)
	}
	if err != nil {
		return l, err
	}
	l.kind, l.location = landElsewhere, there.address(enterPath, url.Values{ticketParam: {sealed}})
	return l, nil
}

// goElsewhere answers with such a landing.
func (rp *RelyingParty) goElsewhere(w http.ResponseWriter, e *record, l landing) error {
	e.result = handedOver
	redirect(w, http.StatusSeeOther, l.location)
	return nil
}

// serveEnter takes over, on a further host, a sign-in that was verified at the public address. The order of its checks is
// ticket, host and age, browser, tenant; only then is anything written.
func (rp *RelyingParty) serveEnter(w http.ResponseWriter, r *http.Request, e *record) error {
	if !e.site.further {
		return errNotFound
	}
	if r.Method == http.MethodHead || isPrefetch(r.Header) {
		w.WriteHeader(http.StatusNoContent) // a scanner or a prefetch must not use up the ticket
		return nil
	}
	e.event = "enter"
	q, err := query(r)
	if err != nil {
		return err
	}
	sealed, err := single(q, ticketParam)
	if err != nil {
		return err
	}
	var t ticket
	if !rp.sealer.open(e.site.ticketPurpose(), sealed, &t) {
		return fmt.Errorf("ticket: %w", ErrAttemptLost)
	}
	a, lost := rp.findAttempt(r, t.State)
	age := rp.now().Unix() - t.At
	if expired := age < 0 || age > int64(ticketAge/time.Second); lost == nil && expired {
		lost = fmt.Errorf("ticket: %w", ErrAttemptExpired)
	}
	if lost != nil {
		return rp.lost(w, r, e, t.State, lost)
	}
	return rp.enter(w, r, e, a, t)
}

// enter finishes an attempt of this browser on a further host.
func (rp *RelyingParty) enter(w http.ResponseWriter, r *http.Request, e *record, a *attempt, t ticket) error {
	e.solicited = true
	e.about(t.Who.Tenant, "")
	e.retry = e.site.loginURL(t.Who.Tenant, a.Return)
	if a.Tenant != "" && a.Tenant != t.Who.Tenant {
		return fmt.Errorf("ticket: %w", ErrTenantMismatch)
	}
	tenant, err := rp.tenants.Tenant(r.Context(), t.Who.Tenant)
	if err != nil {
		return portError(err)
	}
	e.tenantName = tenant.Name
	if !e.site.admits(tenant.ID, tenant.Code) {
		return fmt.Errorf("a host of another tenant: %w", ErrTenantMismatch)
	}
	rp.cookies.clear(w, rp.cookies.attemptName(a.State)) // from here on the ticket is used up
	land, first, err := rp.spent.once(r.Context(), "state "+a.State, func() (landing, error) {
		return rp.redeemTicket(r, tenant, a, t)
	})
	return rp.finish(w, r, e, land, first, err)
}

// redeemTicket uses a ticket up and decides what becomes of the identity in it, as things stand now. Of all processes one does.
func (rp *RelyingParty) redeemTicket(r *http.Request, tenant Tenant, a *attempt, t ticket) (landing, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), createTimeout)
	defer cancel()
	about := landing{tenant: tenant.ID, tenantName: tenant.Name}
	to, err := rp.targetOf(ctx, tenant)
	if err != nil {
		return about, err
	}
	to.domain = t.Domain
	spent := handleOf(ticketParam, rp.site(r).name, t.State)
	err = rp.sessions.port.SpendTicket(ctx, spent, time.Unix(t.At, 0).Add(attemptAge)) // longer than any clock is wrong
	if errors.Is(err, ErrReplayed) {
		return about, fmt.Errorf("ticket used twice: %w", ErrAttemptExpired)
	}
	if err != nil {
		return about, portError(err)
	}
	l, err := rp.land(ctx, r, to, t.Who, a.Return, a.Foreign, t.Ask)
	if err == nil && l.waiting.Marks != t.Marks { // what was taken away since may have been given to somebody else
		return about, ErrAttemptExpired
	}
	return l, err
}
