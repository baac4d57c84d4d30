package main

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/sso"
)

// keys looks at what the marketplace and we share. That there is no access key at all is a
// warning of the configuration.
func (d *doctor) keys(cfg Config) {
	const area = "keys"
	keys, err := readPrivateKeys(cfg.Marketplace.PrivateKeyFiles)
	for _, fault := range faultsOf(err) {
		if err != nil {
			d.say(area, "application credential", fault)
		}
	}
	switch {
	case err != nil:
	case len(keys) == 0:
		d.warn(area, "application credential", "marketplace.private_key_files is empty, so every applicationSync is answered with 000101 and nobody can sign in; make a key with kitbridge init")
	default:
		d.say(area, "application credential", weakKey(keys))
	}
}

func weakKey(keys []*rsa.PrivateKey) error {
	for n, k := range keys {
		if k.N.BitLen() < 2048 {
			return fmt.Errorf("key %d of marketplace.private_key_files has %d bits; make one of at least 2048 (kitbridge init makes 3072) and register its public half", n+1, k.N.BitLen())
		}
	}
	return nil
}

// addresses judges where people and the marketplace are to come, and the admin listener.
func (d *doctor) addresses(ctx context.Context, cfg Config) {
	const area = "addresses"
	u, err := url.Parse(cfg.PublicURL)
	switch {
	case err != nil:
		d.say(area, "public_url", errors.New("cannot be read; write https://app.example.com"))
	case isLoopback(u.Hostname()):
		d.warn(area, "public_url", "is an address of this machine, so neither the marketplace nor a browser elsewhere comes in; use the name that people open")
	case net.ParseIP(u.Hostname()) != nil:
		d.warn(area, "public_url", "is a number; the marketplace and auth centres want a name with a certificate")
	default:
		d.say(area, "public_url", resolves(ctx, u.Hostname(), "public_url"))
	}
	for _, h := range cfg.SSO.Hosts {
		d.say(area, "sso.hosts "+h.Host, resolves(ctx, hostOf("https://"+h.Host), "sso.hosts"))
	}
	if !isLoopbackListen(cfg.Admin.Listen) {
		d.warn(area, "admin.listen", "answers beyond this machine: /metrics, /healthz and /readyz are open to whoever reaches it; listen on 127.0.0.1, or let a firewall close it")
	}
	d.serving(ctx, cfg)
}

func resolves(ctx context.Context, host, key string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := net.DefaultResolver.LookupHost(ctx, host); err != nil {
		return fmt.Errorf("its host has no address here (%w); correct %s, or enter the name in the DNS", err, key)
	}
	return nil
}

// serving says whether a bridge answers on the admin listener.
func (d *doctor) serving(ctx context.Context, cfg Config) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	host, port, err := net.SplitHostPort(cfg.Admin.Listen)
	if err != nil || port == "0" {
		return
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return
	}
	const area, what = "addresses", "serve"
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		d.warn(area, what, "no kitbridge answers at "+cfg.Admin.Listen+"; that is as it should be while none runs")
		return
	}
	_ = answer.Body.Close() // only its status counts
	if answer.StatusCode != http.StatusOK {
		d.say(area, what, fmt.Errorf("what answers at %s is not ready (%d); its log says why", cfg.Admin.Listen, answer.StatusCode))
		return
	}
	d.say(area, what, nil)
}

// clockTolerance is how far two clocks may be apart without anybody noticing.
const clockTolerance = 10 * time.Second

const authCentre = "auth centre"

// authCentres asks the auth centre of each tenant for a sign of life: of those that are
// bound, and of those in the configuration. s is nil where there is no database yet.
func (d *doctor) authCentres(ctx context.Context, cfg Config, s *store.Store) {
	own := map[string]StaticTenant{}
	for _, t := range cfg.SSO.Tenants {
		own[t.ID] = t
	}
	pushed, codes := map[string]bool{}, map[string]bool{}
	if s != nil {
		err := everyItem(ctx, s.ListTenants, "", func(t store.TenantItem) error {
			id := string(t.ID)
			pushed[id], codes[t.Code] = true, true
			if t.Active {
				d.authCentre(ctx, cfg, own[id], id, t.Domain)
			}
			return nil
		})
		if err != nil {
			d.say(authCentre, "list", err)
			return
		}
	}
	for _, t := range cfg.SSO.Tenants {
		switch {
		case pushed[t.ID]:
		case t.Issuer != "":
			d.authCentre(ctx, cfg, t, t.ID, "")
		default:
			d.warn(authCentre, "of tenant "+t.ID, "no message has named this tenant of sso.tenants yet, and it has no issuer, so nobody can sign in there")
		}
	}
	for _, h := range cfg.SSO.Hosts {
		own := func(t StaticTenant) bool { return t.isWhole() && (t.ID == h.Tenant || t.Code == h.Tenant) }
		if h.Tenant != "" && !pushed[h.Tenant] && !codes[h.Tenant] && !slices.ContainsFunc(cfg.SSO.Tenants, own) {
			d.warn(authCentre, "of sso.hosts "+h.Host, fmt.Sprintf("no message has named the tenant %s yet, by id or code, and it has no issuer in sso.tenants, so nobody can sign in there; correct it, unless it is still to come", h.Tenant))
		}
	}
}

// authCentre tries one, with the settings and at the address that a sign-in would have.
func (d *doctor) authCentre(ctx context.Context, cfg Config, own StaticTenant, id, domain string) {
	what := "of tenant " + id
	settings := ssoSettings(cfg.SSO.of(own))
	fault := "domainName is no https:// address that may be called, so nobody of the tenant can sign in; the buyer corrects it, or sso.auth_centres.private_networks allows a network of yours"
	if own.Issuer != "" {
		domain = own.Issuer
		fault = "issuer is no https:// address that may be called; correct it in sso.tenants, or let sso.auth_centres.private_networks allow a network of yours"
	}
	clock, err := settings.ReachAuthCentre(ctx, domain)
	if err == nil {
		err = settings.CheckDiscovery(ctx, domain, own.Issuer)
	}
	switch {
	case errors.Is(err, sso.ErrInsecureDomain):
		d.say(authCentre, what, errors.New(fault))
	case errors.Is(err, sso.ErrProviderAnswer), errors.Is(err, sso.ErrElsewhere), errors.Is(err, sso.ErrAnswerTooLong):
		d.say(authCentre, what, fmt.Errorf("its discovery document cannot be used (%w); docs/sign-in.md says what the check means", err))
	case err != nil:
		d.say(authCentre, what, fmt.Errorf("does not answer (%w); look at the name, the network and the certificate from this machine", err))
	default:
		d.say(authCentre, what, nil)
		if !clock.IsZero() {
			d.clock("against the auth centre "+what, time.Since(clock), cfg.Marketplace.ClockSkew)
		}
	}
}

// clock judges how far ours is ahead of another clock.
func (d *doctor) clock(against string, ahead, skew time.Duration) {
	text := fmt.Sprintf("ours is %s ahead; let this machine follow NTP", ahead.Round(time.Second))
	if ahead < 0 {
		text = fmt.Sprintf("ours is %s behind; let this machine follow NTP", -ahead.Round(time.Second))
	}
	switch {
	case ahead.Abs() >= skew:
		d.say("clock", against, errors.New(text+": signatures are refused from "+skew.String()+" on"))
	case ahead.Abs() > clockTolerance:
		d.warn("clock", against, text)
	default:
		d.say("clock", against, nil)
	}
}

// pushClock compares when the newest messages were signed with when they came. The middle
// one counts: one that was repeated or late says nothing about clocks.
func (d *doctor) pushClock(ctx context.Context, cfg Config, s *store.Store) {
	const newest, few = 50, 3
	l, err := s.ListJournal(ctx, store.Page{Limit: newest})
	if err != nil {
		d.say("clock", "against the marketplace's messages", err)
		return
	}
	var ahead []time.Duration
	for _, i := range l.Items {
		if !i.Signed.IsZero() && !i.Received.IsZero() {
			ahead = append(ahead, i.Received.Sub(i.Signed))
		}
	}
	if len(ahead) < few {
		return
	}
	slices.Sort(ahead)
	d.clock("against the marketplace's messages", ahead[len(ahead)/2], cfg.Marketplace.ClockSkew)
}
