package sso

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kitbridge/kitbridge/templates"
)

const (
	// maxQuery bounds the query of our pages, in bytes.
	maxQuery = 16 << 10
	// chooserLimit is how many tenants a chooser shows; minSearch is how many characters a stranger must know.
	chooserLimit = 20
	minSearch    = 2
	// lastTenantAge is how long a browser's last tenant is remembered.
	lastTenantAge = 90 * 24 * time.Hour
	// maxLoops is how many sign-ins may complete within loopWindow and leave the browser without a session.
	maxLoops   = 3
	loopWindow = time.Minute
)

// query reads the parameters of a page of ours.
func query(r *http.Request) (url.Values, error) {
	if len(r.URL.RawQuery) > maxQuery {
		return nil, fmt.Errorf("query: %w", ErrBadRequest)
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("query: %w", ErrBadRequest)
	}
	return q, nil
}

// single returns a parameter that may stand once: of two, two readers may take different ones.
func single(q url.Values, name string) (string, error) {
	if len(q[name]) > 1 {
		return "", fmt.Errorf("parameter %s stands twice: %w", name, ErrBadRequest)
	}
	return q.Get(name), nil
}

// login is what a browser asks for at /sso/login.
type login struct {
	tenant, iss, hint, search string
	returnTo                  string
	// handover is what a further host says of its attempt; unified is set where the unified login page is wanted there.
	handover string
	unified  bool
	// choose is set by a tenant parameter that is there and empty: the browser's last tenant is not wanted.
	choose bool
}

// serveLogin begins a sign-in: at the tenant's auth centre if the tenant is known, else by asking for it.
func (rp *RelyingParty) serveLogin(w http.ResponseWriter, r *http.Request, e *record) error {
	e.event, e.solicited = "login", true
	l, err := rp.readLogin(r)
	if err != nil {
		return err
	}
	e.retry = e.site.loginURL("", l.returnTo)
	if r.Method == http.MethodHead || isPrefetch(r.Header) {
		e.event = ""
		w.WriteHeader(http.StatusNoContent) // nobody looks at it: begin nothing
		return nil
	}
	switch {
	case !e.site.further && l.handover != "":
		return rp.serveHandover(w, r, e, l.handover)
	case e.site.further && !e.site.spelled(r.Host): // its cookies would be another host's
		e.event = ""
		redirect(w, http.StatusFound, e.site.origin.String()+r.URL.RequestURI())
		return nil
	case e.site.further && e.site.tenant == "" && l.unified:
		return rp.handOver(w, r, e, "", beginning{returnTo: l.returnTo})
	}
	found, err := rp.findTenants(r.Context(), r, l)
	if err != nil {
		return err
	}
	if len(found) == 1 {
		return rp.begin(w, r, e, found[0], beginning{returnTo: l.returnTo, hint: l.hint, foreign: isForeign(r, e.site.origin.Host)})
	}
	e.event = "" // a chooser changes nothing
	return rp.choose(w, r, l, found)
}

func (rp *RelyingParty) readLogin(r *http.Request) (login, error) {
	q, err := query(r)
	if err != nil {
		return login{}, err
	}
	var l login
	var target string
	for name, to := range map[string]*string{
		"tenant": &l.tenant, "iss": &l.iss, "login_hint": &l.hint, "q": &l.search, "return": &l.returnTo, "target_link_uri": &target,
		handoverParam: &l.handover,
	} {
		if *to, err = single(q, name); err != nil {
			return login{}, err
		}
	}
	if l.returnTo == "" {
		l.returnTo = target // OpenID Connect Core, section 4
	}
	l.returnTo = rp.site(r).returnOr(l.returnTo)
	l.unified = q.Has(unifiedParam)
	l.choose = q.Has("tenant") && l.tenant == "" || l.search != ""
	if len(l.hint) > 256 || !tidy(l.hint, 256) {
		l.hint = ""
	}
	return l, nil
}

// findTenants returns the tenants a login may be for: one if it is known, several if a code is shared, none if a person has
// to say. A tenant that was named and is not there is ErrUnknownTenant.
func (rp *RelyingParty) findTenants(ctx context.Context, r *http.Request, l login) ([]Tenant, error) {
	if here := rp.site(r); here.tenant != "" {
		return rp.tenantsHere(ctx, here, l)
	}
	switch {
	case l.tenant != "":
		return rp.tenantsNamed(ctx, l.tenant)
	case l.iss != "":
		return rp.tenantsOfIssuer(ctx, l.iss)
	case l.choose:
		return nil, nil
	}
	var last TenantID
	name := rp.cookies.name("last")
	if !rp.open(r, name, &last) {
		return nil, nil
	}
	t, err := rp.tenants.Tenant(ctx, last)
	if errors.Is(err, ErrUnknownTenant) || err == nil && !t.Live {
		return nil, nil // it is gone since; ask
	}
	return []Tenant{t}, portError(err)
}

// tenantsHere is findTenants on a host that is bound to a tenant. Whoever asks for another one is at the wrong address.
func (rp *RelyingParty) tenantsHere(ctx context.Context, here *site, l login) ([]Tenant, error) {
	bound, err := rp.tenantsNamed(ctx, here.tenant)
	if err != nil || l.tenant == "" && l.iss == "" {
		return bound, err
	}
	var asked []Tenant
	if l.tenant != "" {
		asked, err = rp.tenantsNamed(ctx, l.tenant)
	} else {
		asked, err = rp.tenantsOfIssuer(ctx, l.iss)
	}
	if err != nil {
		return nil, err
	}
	asked = slices.DeleteFunc(asked, func(t Tenant) bool {
		return !slices.ContainsFunc(bound, func(b Tenant) bool { return b.ID == t.ID })
	})
	if len(asked) == 0 {
		return nil, fmt.Errorf("a host of another tenant: %w", ErrTenantMismatch)
	}
	return asked, nil
}

// tenantsNamed takes name for a tenantId first and for a tenantCode then.
func (rp *RelyingParty) tenantsNamed(ctx context.Context, name string) ([]Tenant, error) {
	if !tidy(name, 256) {
		return nil, fmt.Errorf("tenant: %w", ErrUnknownTenant)
	}
	t, err := rp.tenants.Tenant(ctx, TenantID(name))
	if err == nil {
		return []Tenant{t}, nil
	}
	if !errors.Is(err, ErrUnknownTenant) {
		return nil, portError(err)
	}
	found, err := rp.tenants.TenantsByCode(ctx, name)
	if err != nil {
		return nil, portError(err)
	}
	if found = rp.meant(found); len(found) == 0 {
		return nil, fmt.Errorf("tenant: %w", ErrUnknownTenant)
	}
	return found, nil
}

// meant returns the tenants that a shared name can mean: those of production, and only where there is none those of the test
// realm. A buyer's people are not asked about the marketplace's debug data.
func (rp *RelyingParty) meant(found []Tenant) []Tenant {
	if kept := ofProduction(found); len(kept) > 0 {
		return kept
	}
	return rp.withoutTest(found)
}

// withoutTest leaves out the tenants of the test realm, unless they may sign in.
func (rp *RelyingParty) withoutTest(found []Tenant) []Tenant {
	if rp.settings.AllowTestTenants {
		return found
	}
	return ofProduction(found)
}

func ofProduction(found []Tenant) []Tenant {
	var kept []Tenant
	for _, t := range found {
		if !t.Test {
			kept = append(kept, t)
		}
	}
	return kept
}

// tenantsOfIssuer serves a login that an auth centre starts: iss must be exactly the issuer of a live tenant.
func (rp *RelyingParty) tenantsOfIssuer(ctx context.Context, iss string) ([]Tenant, error) {
	host := AuthCentreHost(Tenant{Issuer: iss})
	if host == "" || len(iss) > 512 {
		return nil, fmt.Errorf("iss: %w", ErrUnknownTenant)
	}
	candidates, err := rp.tenants.TenantsByHost(ctx, host)
	if err != nil {
		return nil, portError(err)
	}
	var found []Tenant
	for _, t := range candidates {
		if _, issuer, err := rp.addressOf(t); err == nil && issuer == iss {
			found = append(found, t)
		}
	}
	if found = rp.meant(found); len(found) == 0 {
		return nil, fmt.Errorf("iss: %w", ErrUnknownTenant)
	}
	return found, nil
}

// addressOf returns the normalised domain and the issuer of a tenant's auth centre.
func (rp *RelyingParty) addressOf(t Tenant) (domain, issuer string, err error) {
	s := rp.wayOf(t.ID).settings
	for _, address := range []string{t.Domain, t.Issuer} {
		if address == "" {
			continue
		}
		u, err := s.auth(address)
		if err != nil {
			return "", "", err
		}
		if domain == "" {
			domain = u.String()
		}
	}
	if domain == "" {
		return "", "", ErrInsecureDomain
	}
	if issuer = t.Issuer; issuer == "" {
		issuer = expand(s.Issuer, domain, s.App, "")
	}
	return domain, issuer, nil
}

// choose asks the person for the tenant: the chooser, or the marketplace's own login page where there is no chooser.
func (rp *RelyingParty) choose(w http.ResponseWriter, r *http.Request, l login, found []Tenant) error {
	unified := rp.unifiedURL()
	if here := rp.site(r); here.further && unified != "" { // from there the way leads back to the public address
		unified = here.address(ssoPrefix+"/login", url.Values{unifiedParam: {"1"}, "return": {l.returnTo}})
	}
	if rp.settings.Chooser == "off" && len(found) == 0 {
		if unified == "" {
			return ErrTenantMissing
		}
		redirect(w, http.StatusFound, unified)
		return nil
	}
	page := templates.ChooserPage{Action: ssoPrefix + "/login", Return: l.returnTo, UnifiedLogin: unified}
	if page.Return == "/" {
		page.Return = ""
	}
	if tidy(l.search, 256) {
		page.Query = strings.TrimSpace(l.search)
	}
	if len(found) == 0 && (rp.settings.Chooser == "list" || utf8.RuneCountInString(page.Query) >= minSearch) {
		var err error
		if found, err = rp.tenants.SearchTenants(r.Context(), page.Query, chooserLimit+1); err != nil {
			return portError(err)
		}
	}
	page.More = len(found) > chooserLimit
	found = rp.withoutTest(found)
	for _, t := range found[:min(chooserLimit, len(found))] {
		page.Results = append(page.Results, templates.ChooserTenant{Tenant: string(t.ID), Name: t.Name, Code: t.Code})
	}
	return rp.pages.Chooser(w, templates.Locale(r), page)
}

// unifiedURL is the marketplace's own login page for our application, or "".
func (rp *RelyingParty) unifiedURL() string {
	s := &rp.settings
	if s.Profile != ProfileKit || s.App == "" && strings.Contains(s.UnifiedLoginURL, "{appId}") {
		return ""
	}
	return expand(s.UnifiedLoginURL, "", s.App, rp.callback())
}

// callback is the one address that the auth centres send browsers back to.
func (rp *RelyingParty) callback() string { return rp.sites.public.address(ssoPrefix+"/callback", nil) }

// beginning is how a sign-in starts.
type beginning struct {
	returnTo, hint string
	// handover is set at the public address for what began on a further host.
	handover *handover
	// foreign is set if another site's page may have caused it.
	foreign bool
}

// begin sends the browser to the tenant's auth centre, with the cookie of a new attempt.
func (rp *RelyingParty) begin(w http.ResponseWriter, r *http.Request, e *record, t Tenant, b beginning) error {
	e.about(t.ID, "")
	e.tenantName = t.Name
	if b.handover == nil { // else it is for the other host to say
		if err := rp.breakLoop(r); err != nil {
			return err
		}
	}
	to, err := rp.targetOf(r.Context(), t)
	if err != nil {
		return err
	}
	if e.site.further {
		return rp.handOver(w, r, e, t.ID, b)
	}
	a := &attempt{
		State: randomHex(), Tenant: t.ID, App: to.credential.App, ClientID: to.credential.ClientID,
		Domain: to.domain, Issuer: to.issuer, RedirectURI: rp.callback(),
		Return: b.returnTo, LoginHint: b.hint, Foreign: b.foreign, Handover: b.handover, Started: rp.now().Unix(),
	}
	location, err := to.way.profile.start(r.Context(), to, a)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if err := rp.keepAttempt(w, r, a); err != nil {
		return err
	}
	e.result = "started"
	redirect(w, http.StatusFound, location)
	return nil
}

// targetOf looks up where and with which client a tenant's people sign in now. It refuses a tenant that could not be admitted
// anyway, before anything is sent to its auth centre.
func (rp *RelyingParty) targetOf(ctx context.Context, t Tenant) (target, error) {
	switch {
	case !t.Live:
		return target{}, &refusal{tenantGone}
	case t.Test && !rp.settings.AllowTestTenants:
		return target{}, &refusal{testTenant}
	}
	c, err := rp.credentials.Credential(ctx, t.ID)
	if err != nil {
		return target{}, portError(err)
	}
	if !c.Live {
		return target{}, &refusal{appNotBound}
	}
	domain, issuer, err := rp.addressOf(t)
	if err != nil {
		return target{}, err
	}
	return target{tenant: t, credential: c, way: rp.wayOf(t.ID), origin: origin{domain, issuer}}, nil
}

// breakLoop refuses to start for a browser that completed several sign-ins within a minute and comes without a session each
// time: the session cookie does not come back, or the session dies at once. Tabs and aborted attempts do not count.
func (rp *RelyingParty) breakLoop(r *http.Request) error {
	if len(rp.recentSignIns(r)) < maxLoops {
		return nil
	}
	session, err := rp.sessions.Get(r, rp.cookies.base)
	if err != nil {
		return err //nolint:wrapcheck // it is our own store's
	}
	if session.IsNew {
		return ErrLoop
	}
	return nil
}

// recentSignIns returns the times of this browser's sign-ins within the window.
func (rp *RelyingParty) recentSignIns(r *http.Request) []int64 {
	var all, recent []int64
	name := rp.cookies.name("loop")
	rp.open(r, name, &all)
	for _, at := range all {
		if age := rp.now().Unix() - at; age >= 0 && age < int64(loopWindow/time.Second) && len(recent) < maxLoops {
			recent = append(recent, at)
		}
	}
	return recent
}
