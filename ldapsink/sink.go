package ldapsink

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Config is what a [Sink] needs. Fields without a default are required.
type Config struct {
	// Name identifies the sink; it never changes.
	Name string
	// URLs are ldap://, ldaps:// or ldapi:// addresses of servers that hold the same
	// directory; the first that lets us in is used, as long as it does. See [ParseAddress].
	URLs []string
	// BindDN and BindPassword are the service account. It needs to read and write below
	// BaseDN, without size and time limits. Without both, who we are follows from the client
	// certificate in TLS or from the account that opens the socket (SASL EXTERNAL).
	BindDN       string
	BindPassword orgsync.Secret
	// BaseDN is the existing entry below which each tenant gets its own.
	BaseDN string
	// StartTLS upgrades ldap:// connections before binding.
	StartTLS bool
	// TLS holds the authorities and the client certificate; nil: the system's, none.
	TLS *tls.Config
	// Tenants says which tenants the directory may hold. Of others nothing comes into it, and
	// what it holds already, as their code was another, is treated as if they had ended, and
	// deleted PurgeAfter later by those of their keys that are then owed.
	Tenants func(orgsync.Tenant) bool
	// Dialect is the family of the server. Default: found from what it says of itself.
	Dialect Dialect
	// Layout says where users stand.
	Layout Layout
	// RootBase: entries stand directly below BaseDN, without a level for the tenant. For one
	// tenant only.
	RootBase bool
	// NestedGroups: the group of a department also holds the users of those below it.
	// Views must then be an [orgsync.Inventory].
	NestedGroups bool
	// AppGroups: there is a group for each application that somebody may use.
	AppGroups bool
	// EnableAccounts: accounts of Active Directory are enabled when their user is, as soon
	// as somebody gave them a password. Default: they stay disabled.
	EnableAccounts bool
	// Mapping says how attributes of users differ from the usual.
	Mapping Mapping
	// Directory is the directory; nil: that at URLs.
	Directory Directory
	// Removed is what becomes of removed users. Default: they are disabled.
	Removed RemovedUsers
	// PurgeAfter is how long a removed user's disabled entry is kept, counted from the
	// removal, and what is held of a tenant for which the directory is not meant any more.
	// It goes when its key is next owed. Zero: not at all.
	PurgeAfter time.Duration
	// Connections is the size of the pool. Default 4.
	Connections int
	// Timeout limits each request. Default 30 s.
	Timeout time.Duration
	// Switched, if set, is called when another of the URLs is used than before. What the one
	// before had acknowledged may be missing there, if it was not passed on in time: all keys
	// should be looked at again.
	Switched func(context.Context)
	// Links remembers which entries are ours.
	Links Links
	// Register says whether the directory, which remembers whose it is in the entry
	// cn=kitbridge below BaseDN, may be written. nil: nobody is asked.
	Register orgsync.Registrar
	// Adopt, if it returns true, says that the directory was taken over: then entries of
	// which Links knows nothing are ours if our own account made them. nil: they are not.
	Adopt func() bool
	// Now is the clock.
	Now    func() time.Time
	Logger *slog.Logger
	// Observe, if set, is called after each write that was sent, with what came of it,
	// from several goroutines at once.
	Observe func(Operation, error)
}

// Sink keeps one directory equal to the state of many tenants. It is safe for concurrent
// use; what writes for the same tenant waits for each other.
type Sink struct {
	cfg       Config
	directory Directory

	mu       sync.Mutex
	profile  *Profile // under mu; nil: not asked for yet
	external string   // under mu: the DN that the server knows us by, if we name none
	// turns holds a token for each tenant that is being worked on; the map is under mu.
	turns map[orgsync.TenantID]chan struct{}

	owner ownership
}

// New checks the configuration, all of it, and connects to nothing.
func New(cfg Config) (*Sink, error) {
	var faults []error
	missing := func(field string, isMissing bool) {
		if isMissing {
			faults = append(faults, fmt.Errorf("ldap sink %s: %s is required", cfg.Name, field))
		}
	}
	missing("Name", cfg.Name == "")
	missing("URLs", len(cfg.URLs) == 0 && cfg.Directory == nil)
	external := cfg.BindDN == "" && cfg.BindPassword == "" && canBeExternal(cfg)
	missing("BindDN", cfg.BindDN == "" && !external)
	missing("BindPassword", cfg.BindPassword == "" && !external)
	missing("BaseDN", cfg.BaseDN == "")
	missing("Tenants", cfg.Tenants == nil)
	missing("Links", cfg.Links == nil)
	missing("Now", cfg.Now == nil)
	missing("Logger", cfg.Logger == nil)
	for _, address := range cfg.URLs {
		if _, err := ParseAddress(address); err != nil {
			faults = append(faults, fmt.Errorf("ldap sink %s: URLs: %w", cfg.Name, err))
		}
	}
	if _, err := ParseDN(cfg.BaseDN); err != nil {
		faults = append(faults, fmt.Errorf("ldap sink %s: BaseDN: %w", cfg.Name, err))
	}
	if _, err := ParseDN(cfg.BindDN); err != nil {
		faults = append(faults, fmt.Errorf("ldap sink %s: BindDN: %w", cfg.Name, err))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if cfg.Connections <= 0 {
		cfg.Connections = 4
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Directory == nil {
		p, err := newPool(cfg)
		if err != nil {
			return nil, fmt.Errorf("ldap sink %s: URLs: %w", cfg.Name, err)
		}
		cfg.Directory = p
	}
	return &Sink{cfg: cfg, directory: cfg.Directory}, nil
}

// at is the directory as a server of that profile.
func (s *Sink) at(p Profile) (server, error) {
	base, err := p.Folding.ParseDN(s.cfg.BaseDN)
	if err != nil {
		return server{}, err
	}
	bindDN, err := p.Folding.ParseDN(s.account())
	if err != nil {
		return server{}, err
	}
	return server{
		directory: s.directory, profile: p, base: base, bindDN: bindDN,
		width: s.cfg.Connections, observe: s.cfg.Observe,
	}, nil
}

// account is the DN of our own account, empty if even the server does not say.
func (s *Sink) account() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.cfg.BindDN, s.external)
}

// canBeExternal says whether a name and a password are not needed: a client certificate or
// the socket tells who we are.
func canBeExternal(cfg Config) bool {
	if cfg.TLS != nil && (len(cfg.TLS.Certificates) > 0 || cfg.TLS.GetClientCertificate != nil) {
		return true
	}
	return !slices.ContainsFunc(cfg.URLs, func(u string) bool { return !strings.HasPrefix(u, "ldapi:") })
}

// organisation is how the tenant is written on that server.
func (s *Sink) organisation(at server, tenant orgsync.Tenant) organisation {
	root := at.base
	if !s.cfg.RootBase {
		root = root.Child("ou", string(tenant.ID))
	}
	l := layout{
		tenant: root, users: s.cfg.Layout, apart: at.profile.DisableBy == "",
		perApp: s.cfg.AppGroups, userRDN: at.profile.userRDN(),
	}
	made := map[string]DN{}
	for _, name := range l.containers() {
		made[name] = l.container(name)
	}
	l.made = made
	return organisation{
		layout: l, profile: at.profile, mapping: s.cfg.Mapping, state: tenant, nested: s.cfg.NestedGroups, enable: s.cfg.EnableAccounts,
		removed: s.cfg.Removed, purgeAfter: s.cfg.PurgeAfter, now: s.cfg.Now(),
	}
}

// Name implements [orgsync.Sink].
func (s *Sink) Name() string { return s.cfg.Name }

// Close closes the idle connections. The sink stays usable.
func (s *Sink) Close() { s.directory.Reset() }

// attempts is how often a key is tried in one call: again after the connection broke or
// the directory turned out to be other than read.
const attempts = 2

// Converge implements [orgsync.Sink]. It may be cut off anywhere and called again. Its
// error is an [orgsync.ErrUnavailable] – the directory does not answer, does not let us in or
// has no base – or that of view, of [Links] or of ctx; what is wrong with one tenant is the
// result of its keys.
func (s *Sink) Converge(ctx context.Context, view orgsync.View, keys []orgsync.Key) ([]orgsync.Result, error) {
	tenant, leave, err := s.enter(ctx, view)
	if err != nil {
		return nil, err
	}
	defer leave()
	owed := unique(keys)
	if !tenant.Announced {
		return resultsOf(owed), nil
	}
	var others []orgsync.Key
	switch {
	case !s.cfg.Tenants(tenant): // as if it had ended
		if owed, others, err = s.leftBehind(ctx, tenant.ID, owed); err != nil || len(owed) == 0 {
			return resultsOf(others), err
		}
		left, err := s.noteLeft(ctx, tenant.ID)
		if err != nil {
			return resultsOf(others), err
		}
		tenant, view = s.asEnded(tenant, view, left)
	case slices.Contains(owed, orgsync.Key{Kind: orgsync.TenantKey}): // it may be back
		if err := s.forgetLeft(ctx, tenant.ID); err != nil {
			return nil, err
		}
	}
	if err := s.own(ctx, false); err != nil {
		return resultsOf(others), err
	}
	settled, err := s.converge(ctx, view, tenant, owed)
	if err == nil && tenant.Purged {
		s.dismantle(ctx, view, tenant, settled)
	}
	return append(settled, resultsOf(others)...), err
}

// converge makes keys equal that may be looked at together. If something about one of them
// cannot be read (a limit, a referral), it finds out which by looking at fewer: one
// department must not keep a user from being disabled.
func (s *Sink) converge(ctx context.Context, view orgsync.View, tenant orgsync.Tenant, keys []orgsync.Key) ([]orgsync.Result, error) {
	settled, err := s.try(ctx, view, tenant, keys)
	_, answered := errors.AsType[*OperationError](err)
	if !answered || ctx.Err() != nil || errors.Is(err, orgsync.ErrUnavailable) {
		return settled, err
	}
	left := without(keys, settled)
	if _, common := errors.AsType[*commonError](err); common || len(left) == 1 {
		for _, k := range left {
			settled = append(settled, orgsync.Result{Key: k, Err: err})
		}
		return settled, nil
	}
	for _, part := range split(left) {
		results, err := s.converge(ctx, view, tenant, part)
		settled = append(settled, results...)
		if err != nil {
			return settled, err
		}
	}
	return settled, nil
}

// split halves the keys, users and departments apart if there are both. Users come first:
// they may lose access.
func split(keys []orgsync.Key) [][]orgsync.Key {
	isDepartment := func(k orgsync.Key) bool { return k.Kind == orgsync.DepartmentKey }
	others := slices.DeleteFunc(slices.Clone(keys), isDepartment)
	if len(others) > 0 && len(others) < len(keys) {
		departments := slices.DeleteFunc(slices.Clone(keys), func(k orgsync.Key) bool { return !isDepartment(k) })
		return [][]orgsync.Key{others, departments}
	}
	half := len(keys) / 2
	return [][]orgsync.Key{keys[:half], keys[half:]}
}

// without returns the keys that have no result yet.
func without(keys []orgsync.Key, results []orgsync.Result) []orgsync.Key {
	has := make(map[orgsync.Key]bool, len(results))
	for _, r := range results {
		has[r.Key] = true
	}
	return slices.DeleteFunc(slices.Clone(keys), func(k orgsync.Key) bool { return has[k] })
}

// try makes the keys equal, in up to so many attempts. An error leaves those without a
// result owed.
func (s *Sink) try(ctx context.Context, view orgsync.View, tenant orgsync.Tenant, owed []orgsync.Key) ([]orgsync.Result, error) {
	var settled []orgsync.Result
	var along []orgsync.Key // users who were taken along, for whom it did not work
	for attempt := 1; ; attempt++ {
		var r *round
		var results []orgsync.Result
		err := s.probeUnknown(ctx)
		if err == nil {
			r, err = s.newRound(ctx, view, tenant)
		}
		if err == nil {
			results, err = r.run(ctx, owed, along)
		}
		last := attempt == attempts
		if err != nil {
			if last || !isLost(err) {
				return settled, err
			}
			s.directory.Reset()
			s.owner.forget()
			if err := s.own(ctx, false); err != nil { // perhaps it is another server now
				return settled, err
			}
			continue
		}
		asked := keySet(owed)
		owed = nil
		for _, r := range results {
			switch {
			case !asked[r.Key]:
			case !last && isSurprise(r.Err):
				owed = append(owed, r.Key)
			default:
				settled = append(settled, r)
			}
		}
		along = r.surprised()
		if len(owed) == 0 {
			return settled, nil
		}
	}
}

func keySet(keys []orgsync.Key) map[orgsync.Key]bool {
	set := make(map[orgsync.Key]bool, len(keys))
	for _, k := range keys {
		set[k] = true
	}
	return set
}

func unique(keys []orgsync.Key) []orgsync.Key {
	seen := make(map[orgsync.Key]bool, len(keys))
	var out []orgsync.Key
	for _, k := range keys {
		if !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}

func resultsOf(keys []orgsync.Key) []orgsync.Result {
	results := make([]orgsync.Result, len(keys))
	for i, k := range keys {
		results[i].Key = k
	}
	return results
}
