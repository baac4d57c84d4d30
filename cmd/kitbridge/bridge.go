package main

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/kitbridge/kitbridge/internal/console"
	"github.com/kitbridge/kitbridge/internal/keyring"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/push"
	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/templates"
)

// bridge is the whole program, put together from a configuration. Nothing runs before
// run is called; close gives back what open took.
type bridge struct {
	config     Config
	log        *slog.Logger
	store      *store.Store
	keepers    map[string]*keeper // by the sink's name
	sinks      map[string]orgsync.Sink
	closeSinks func() error
	purgers    []purger
	drifters   []drifter
	dispatcher *orgsync.Dispatcher
	acceptor   *orgsync.Acceptor
	relying    *sso.RelyingParty
	metrics    *metrics
	reload     func(ctx context.Context) // follows the configuration; nil: it stays as it is
	inForce    reading                   // what the parts were made of
	ring       *liveRing                 // seals what is in the database
	settings   atomic.Pointer[push.Settings]
	public     http.Handler
	admin      http.Handler
}

// purger is a sink that deletes what it kept long enough.
type purger interface {
	Name() string
	Purge(ctx context.Context) (int, error)
}

// openBridge opens the database and puts the parts together. product, if not nil, is
// what stands behind the sign-in at every path that is not ours.
func openBridge(ctx context.Context, cfg Config, log *slog.Logger, product http.Handler) (*bridge, error) {
	ring, err := openKeyRing(cfg)
	if err != nil {
		return nil, err
	}
	keys, err := readPrivateKeys(cfg.Marketplace.PrivateKeyFiles)
	if err != nil {
		return nil, &usageError{err}
	}
	b := &bridge{config: cfg, log: log, metrics: newMetrics(build()), inForce: reading{config: cfg, keys: keys, ring: ring}, ring: newLiveRing(ring)}
	b.store, err = store.Open(ctx, store.Config{
		URL: cfg.Database.Reveal(), Migrate: cfg.Migrate == "auto", Keys: b.ring,
		App: sso.AppID(cfg.SSO.AppID), Now: time.Now, Logger: log,
	})
	if err != nil {
		return nil, databaseFault(cfg, err)
	}
	if err := b.assemble(ctx, ring, keys, product); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bridge) assemble(ctx context.Context, ring *keyring.Ring, keys []*rsa.PrivateKey, product http.Handler) error {
	var err error
	var sinks []orgsync.Sink
	b.keepers = newKeepers(b.config, b.store, b.log)
	if sinks, b.closeSinks, err = openSinks(ctx, b.config, b.store, b.keepers, b.log); err != nil {
		return err
	}
	b.sinks = make(map[string]orgsync.Sink, len(sinks))
	for _, s := range sinks {
		b.sinks[s.Name()] = s
		if p, ok := s.(purger); ok {
			b.purgers = append(b.purgers, p)
		}
		b.drifters = append(b.drifters, driftersOf(b.config, s)...)
	}
	b.dispatcher, err = orgsync.NewDispatcher(orgsync.DispatcherConfig{
		Lanes: b.store, Sinks: sinks, Holds: holdings(b.config.Sinks), Logger: b.log, Now: time.Now,
		Observe: b.metrics.observeDelivery, Notice: b.noteSink,
	})
	if err != nil {
		return err
	}
	b.metrics.registry.MustRegister(newStateCollector(b))
	guard := b.config.Marketplace.DeletionGuard
	b.acceptor = orgsync.NewAcceptor(b.store, orgsync.Policy{
		Guard: orgsync.Guard{Count: guard.Count, Percent: guard.Percent, Max: guard.Max},
		Hosts: b.config.SSO.AuthCentres.Hosts,
	}, b.dispatcher.Wake)
	marketplace, err := b.newMarketplace(keys)
	if err != nil {
		return err
	}
	if b.relying, err = newRelyingParty(b.config, ring, b.store, b.log, b.noteSignIn, b.metrics.observeDecision); err != nil {
		return err
	}
	if err := b.endStranded(ctx); err != nil {
		return err
	}
	rest := http.Handler(http.HandlerFunc(welcome))
	if product != nil {
		rest = b.relying.Require(product)
	} else if b.config.Proxy.Upstream != "" {
		upstream, err := url.Parse(b.config.Proxy.Upstream)
		if err != nil {
			return fmt.Errorf("proxy.upstream: %w", err)
		}
		rest = b.relying.Proxy(upstream)
	}
	b.public = newPublic(b.config.Marketplace.Path, marketplace, b.relying.Handler(), rest)
	b.admin, err = console.New(console.Config{
		Token: b.config.Admin.Token.Reveal(), Listen: b.config.Admin.Listen,
		Status: b.status, Database: b.store.Ping, Degraded: b.degraded,
		API: b.api(), Metrics: b.metrics.handler(b.log), Logger: b.log,
	})
	return err
}

// useTenants brings the tenants of the configuration into force; all else about sign-in
// stays as it is.
func (b *bridge) useTenants(ctx context.Context, tenants []StaticTenant) error {
	c := b.config.SSO
	c.Tenants = tenants
	if err := b.relying.SetStatic(staticTenants(c)); err != nil {
		return &usageError{fmt.Errorf("sso.tenants: %w", err)}
	}
	return b.endStranded(ctx)
}

// endStranded ends the sessions of tenants that the configuration has no more, or has at
// another provider. They are dead already; from here on they stay so.
func (b *bridge) endStranded(ctx context.Context) error {
	n, err := b.store.EndStrandedSessions(ctx, b.relying.Authorities())
	if err != nil {
		return err
	}
	if n > 0 {
		b.log.InfoContext(ctx, "sessions of tenants that the configuration no longer has were ended", "sessions", n)
	}
	return nil
}

// newMarketplace returns the endpoint that takes pushes in.
func (b *bridge) newMarketplace(keys []*rsa.PrivateKey) (http.Handler, error) {
	market := b.config.Marketplace
	b.settings.Store(new(pushSettings(market, keys)))
	base, err := baseOf(market, b.log)
	if err != nil {
		return nil, err
	}
	return push.New(push.Config{
		Path: market.Path, Settings: func() push.Settings { return *b.settings.Load() }, Base: base,
		Acceptor: b.metrics.acceptor(b.acceptor), Observe: b.metrics.observePush,
		MaxBody: int64(market.MaxBody), Now: time.Now, Logger: b.log,
	})
}

func newRelyingParty(
	cfg Config, ring *keyring.Ring, s *store.Store, log *slog.Logger, observe func(sso.Event), decided func(sso.Decided),
) (*sso.RelyingParty, error) {
	keys, err := ring.Derive("sso cookies and assertions")
	if err != nil {
		return nil, err
	}
	pages, err := templates.New(frameAncestors(cfg.SSO)...)
	if err != nil {
		return nil, err
	}
	return sso.New(sso.Config{
		PublicURL: cfg.PublicURL, TrustedProxies: cfg.TrustedProxies, Settings: ssoSettings(cfg.SSO), Static: staticTenants(cfg.SSO),
		Keys: keys, Tenants: s, Credentials: s, Accounts: s, Sessions: s,
		Pages: pages, Logger: log, Now: time.Now, Observe: observe, ObserveDecision: decided,
	})
}

// ssoSettings translates the configuration into the relying party's settings.
func ssoSettings(c SSO) sso.Settings {
	s := sso.DefaultSettings(sso.ProfileName(c.Profile))
	s.App = sso.AppID(c.AppID)
	s.UnifiedLoginURL = c.UnifiedLoginURL
	s.AuthorizeURL, s.TokenURL, s.UserinfoURL, s.LogoutURL = c.AuthorizeURL, c.TokenURL, c.UserinfoURL, c.LogoutURL
	s.ServiceTemplate, s.JWKSURL = c.ServiceTemplate, c.JWKSURL
	s.Issuer, s.Scope, s.ClientAuth, s.TokenRedirectURI = c.Issuer, c.Scope, c.ClientAuth, c.TokenRedirectURI
	s.TokenBody, s.UserinfoHeaders = c.TokenBody, c.UserinfoHeaders
	s.UserClaim, s.RoleClaim, s.TenantClaim = c.UserClaim, c.RoleClaim, c.TenantClaim
	s.TenantParams, s.Nonce, s.PKCE, s.SigningAlgs = c.TenantParams, c.Nonce, c.PKCE, c.SigningAlgs
	s.Unsolicited, s.UnknownUser, s.Chooser = c.Unsolicited, c.UnknownUser, c.Chooser
	s.AllowTestTenants = c.TestTenants == "allow"
	s.ProductCookies = c.ProductCookies
	s.Embedded = c.Embedded == "partitioned"
	for _, h := range c.Hosts {
		s.Hosts = append(s.Hosts, sso.Host{Name: h.Host, Tenant: h.Tenant})
	}
	s.SessionIdle, s.SessionAbsolute = c.Session.Idle, c.Session.Absolute
	s.Refresh, s.ProbeEvery = c.Refresh.Mode, c.Refresh.Every
	s.AllowInsecureAuthCentres = c.AllowInsecureAuthCentres
	s.PrivateNetworks, s.EndpointHosts = c.AuthCentres.PrivateNetworks, c.AuthCentres.Hosts
	s.AssertionAudience, s.AssertionAlg = c.Assertion.Audience, c.Assertion.Alg
	for _, r := range c.Rules {
		s.Rules = append(s.Rules, ssoRule(r))
	}
	s.Timeout, s.MaxBody = c.HTTP.Timeout, int64(c.HTTP.MaxBody)
	s.FollowRedirects, s.AllowPrivateAddresses = c.HTTP.FollowRedirects, c.HTTP.AllowPrivateAddresses
	return s
}

// frameAncestors are the origins whose frames may show our own pages, if any may: the marketplace's portal, and the hosts that
// the operator trusts as auth centres.
func frameAncestors(c SSO) []string {
	if c.Embedded != "partitioned" {
		return nil
	}
	var ancestors []string
	if u, err := url.Parse(c.UnifiedLoginURL); err == nil && u.Scheme == "https" && u.Host != "" {
		ancestors = append(ancestors, "https://"+u.Host)
	}
	for _, host := range c.AuthCentres.Hosts {
		ancestors = append(ancestors, "https://"+host, "https://*."+host)
	}
	return ancestors
}

func ssoRule(r Rule) sso.Rule {
	a := r.Allow
	return sso.Rule{Path: r.Path, Methods: r.Methods, Allow: sso.Allow{
		Public: a.Public, SignedIn: a.SignedIn, Role: sso.Role(a.Role), Tenants: a.Tenants, Orgs: a.Orgs,
	}}
}

// openKeyRing reads the key file, or creates it beside a new SQLite database: with
// another key an old database could not be read. Its errors name key_file or database.
func openKeyRing(cfg Config) (*keyring.Ring, error) {
	ring, err := keyring.Load(cfg.KeyFile)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		return ring, keyFault(cfg.KeyFile, err)
	}
	fresh, newErr := store.IsNew(cfg.Database.Reveal())
	if newErr != nil {
		return nil, databaseFault(cfg, newErr)
	}
	if !fresh {
		return nil, keyFault(cfg.KeyFile, err)
	}
	if ring, err = keyring.Generate(); err != nil {
		return nil, err
	}
	err = ring.WriteNew(cfg.KeyFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &usageError{fmt.Errorf("key_file: %s; make its folder, for the account that runs kitbridge, or correct the path", ofKeyFile(err))}
	}
	return ring, keyFault(cfg.KeyFile, err)
}

// readPrivateKeys reads the RSA keys of the application credential, PEM with PKCS #8
// (RFC 5208) or PKCS #1 (RFC 8017) inside.
func readPrivateKeys(files []string) ([]*rsa.PrivateKey, error) {
	keys := make([]*rsa.PrivateKey, 0, len(files))
	var faults []error
	for _, file := range files {
		key, err := readPrivateKey(file)
		if err != nil {
			faults = append(faults, fmt.Errorf("marketplace.private_key_files: %s: %w", file, err))
			continue
		}
		keys = append(keys, key)
	}
	return keys, errors.Join(faults...)
}

func readPrivateKey(file string) (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("is not PEM; want a file that begins with -----BEGIN PRIVATE KEY-----")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("holds no private key that can be read; an encrypted one must be decrypted first (openssl pkey)")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("holds a %T; the marketplace encrypts for RSA", parsed)
	}
	return key, nil
}

func revealAll(secrets []Secret) []string {
	out := make([]string, 0, len(secrets))
	for _, s := range secrets {
		out = append(out, s.Reveal())
	}
	return out
}

// status reads the counts for the API.
func (b *bridge) status(ctx context.Context) (console.Status, error) {
	return readStatus(ctx, b.store)
}

// close gives back what openBridge took, the database last.
func (b *bridge) close() error {
	var err error
	if b.closeSinks != nil {
		err = b.closeSinks()
	}
	return errors.Join(err, b.store.Close())
}

// newLogger returns the logger that the configuration asks for.
func newLogger(w io.Writer, c Log) *slog.Logger { return newLoggerAt(w, c.Format, levelOf(c)) }

// newLoggerAt is newLogger with a level that may change.
func newLoggerAt(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// levelOf is the least level that is logged.
func levelOf(c Log) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return slog.LevelInfo
	}
	return level
}
