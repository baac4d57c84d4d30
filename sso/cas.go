package sso

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// cas is the CAS protocol, version 3 (access guide, "CAS protocol API"; CAS Protocol 3.0, section 2.5). A ticket proves who
// somebody is to one service address, so what is sent for validation is byte for byte what the sign-in began with. There is no
// client secret: whom to believe is decided by the TLS connection to the tenant's own auth centre.
type cas struct {
	settings *Settings
	client   *http.Client
}

// start makes the attempt's redirect URI the service address, with state if the template has room for it.
func (c *cas) start(_ context.Context, t target, a *attempt) (string, error) {
	a.RedirectURI = strings.NewReplacer(
		"{callback}", a.RedirectURI, "{tenantId}", url.QueryEscape(string(t.tenant.ID)), "{state}", a.State,
	).Replace(c.settings.ServiceTemplate)
	return withQuery(expand(c.settings.AuthorizeURL, t.domain, c.settings.App, ""), url.Values{"service": {a.RedirectURI}}), nil
}

// finish validates a ticket. A failed call is not repeated: the ticket may be used up.
func (c *cas) finish(ctx context.Context, t target, a *attempt, ticket string) (proof, error) {
	if a == nil || !strings.HasPrefix(ticket, "ST-") { // CAS Protocol 3.0, section 3.1.1
		return proof{}, fmt.Errorf("ticket: %w", ErrBadRequest)
	}
	address := withQuery(expand(c.settings.UserinfoURL, t.domain, c.settings.App, ""), url.Values{
		"service": {a.RedirectURI}, "ticket": {ticket}, "format": {"XML"}, // the guide and the servers differ in their default
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return proof{}, fmt.Errorf("validate ticket: %w", ErrInsecureDomain)
	}
	r.Header.Set("Accept", "application/xml, application/json")
	got, err := fetch(ctx, c.client, r)
	if err := checkAnswer("cas", got, err); err != nil {
		return proof{}, err
	}
	if got.status != http.StatusOK {
		return proof{}, failed("cas.status", fmt.Errorf("status %d: %w", got.status, ErrProviderAnswer))
	}
	said, err := readValidation(got.body)
	if errors.Is(err, ErrProviderAnswer) {
		return proof{}, failed("cas.form", err)
	}
	if err != nil {
		return proof{}, fmt.Errorf("validate ticket: %w", err)
	}
	return proof{claims: said}, nil
}

func (c *cas) checkIssuer(_ context.Context, a *attempt, iss string) error {
	return checkIssuerHost(a, iss, c.settings.AllowInsecureAuthCentres)
}

func (c *cas) logoutURL(_ context.Context, t target, returnURL, _ string) string {
	return expandLogout(c.settings, t, returnURL)
}

// service is the address that an unsolicited ticket was made for: the request's own, as it was received, without the ticket.
// Parsing and writing it anew could change bytes that the auth centre compares.
func (rp *RelyingParty) service(r *http.Request) string {
	var kept []string
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if name, _, _ := strings.Cut(part, "="); name != "ticket" {
			kept = append(kept, part)
		}
	}
	address := rp.site(r).origin.String() + r.URL.EscapedPath()
	if query := strings.Join(kept, "&"); query != "" {
		address += "?" + query
	}
	return address
}

// CheckServiceTemplate judges a [Settings].ServiceTemplate: the callback's own address, with parameters behind it.
func CheckServiceTemplate(template string) error {
	rest, ok := strings.CutPrefix(template, "{callback}")
	if !ok || rest != "" && rest[0] != '?' && rest[0] != '&' {
		return errors.New("must be {callback}, or begin with {callback}? or {callback}&")
	}
	rest = strings.NewReplacer("{tenantId}", "", "{state}", "").Replace(rest)
	if !plainASCII(rest) || strings.ContainsAny(rest, "{}#\"<>") {
		return errors.New("knows only {callback}, {tenantId} and {state}, in an address without a fragment")
	}
	if strings.Contains(template, "{state}") && !strings.Contains(rest, "state=") {
		return errors.New("must send {state} as the parameter state")
	}
	return nil
}
