package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// openSinks makes the configured sinks. None is dialled: one that is down must not keep
// the bridge from starting. Each asks its keeper whether it may be written. closeAll gives
// their connections back.
func openSinks(ctx context.Context, cfg Config, s *store.Store, keepers map[string]*keeper, log *slog.Logger) (sinks []orgsync.Sink, closeAll func() error, err error) {
	var closers []func() error
	var faults []error
	for _, c := range cfg.Sinks {
		k := keepers[c.Name]
		opened, closeOne, err := openSink(c, ties{register: k.register, adopts: k.adopts, links: s.Links(c.Name), switched: lookAgain(c.Name, s, log)}, log)
		if err == nil && c.Type != sinkSQL {
			err = stillBelow(ctx, s, c)
		}
		faults = append(faults, err)
		if err == nil {
			sinks, closers = append(sinks, opened), append(closers, closeOne)
		}
	}
	closeAll = func() error {
		var faults []error
		for _, c := range closers {
			faults = append(faults, c())
		}
		return errors.Join(faults...)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, nil, errors.Join(err, closeAll())
	}
	return sinks, closeAll, nil
}

// ties are what a sink is given of the bridge.
type ties struct {
	register orgsync.Registrar     // says whether it may be written
	adopts   func() bool           // a directory: it was taken over; may be nil
	links    ldapsink.Links        // a directory: its entries that are ours
	switched func(context.Context) // a directory: another server answers; may be nil
}

// feedKept is how long the rows of kit_change are kept.
const feedKept = 90 * day

// openSink makes one sink.
func openSink(c Sink, t ties, log *slog.Logger) (orgsync.Sink, func() error, error) {
	if c.Type != sinkSQL {
		opened, err := openDirectory(c, t, log)
		if err != nil {
			return nil, nil, err
		}
		return opened, func() error { opened.Close(); return nil }, nil
	}
	opened, err := sqlsink.New(sqlsink.Config{
		Name: c.Name, URL: c.URL[0].Reveal(), Prefix: c.Prefix, Verify: c.Schema == "verify",
		Tenants: c.Tenants, PurgeAfter: c.PurgeAfter, FeedAfter: feedKept, Register: t.register, Now: time.Now, Logger: log,
	})
	if err != nil {
		return nil, nil, err
	}
	return opened, opened.Close, nil
}

// stillBelow refuses a base_dn that was changed: the entries below the old one would stay
// as they are, enabled, and nobody would look after them.
func stillBelow(ctx context.Context, s *store.Store, c Sink) error {
	name, err := s.LinkedDN(ctx, c.Name)
	if err != nil || name == "" {
		return err
	}
	base, err := ldapsink.ParseDN(c.BaseDN)
	if err != nil {
		return fmt.Errorf("sink %s: base_dn: %w", c.Name, err)
	}
	if dn, err := ldapsink.ParseDN(name); err != nil || dn.IsBelow(base) {
		return err
	}
	return &usageError{fmt.Errorf("sink %s: base_dn was changed: its entries do not stand below %s; put the old base_dn back, "+
		"or give the sink a new name and remove the old entries yourself", c.Name, c.BaseDN)}
}

// holdings says by name what each sink is to hold and where, without secrets. A sink of
// which that changes is owed everything again.
func holdings(sinks []Sink) map[string]string {
	out := make(map[string]string, len(sinks))
	for _, c := range sinks {
		tenants := slices.Sorted(slices.Values(c.Tenants))
		where := c.BaseDN
		if c.Type == sinkSQL {
			where = c.Prefix
			if u, err := url.Parse(c.URL[0].Reveal()); err == nil {
				where += " " + u.Scheme + ":" + u.Host + u.Path + u.Opaque
			}
		}
		out[c.Name] = fmt.Sprintf("%q %q %s", tenants, where, c.RemovedUsers)
		if c.Type != sinkSQL {
			out[c.Name] += shape(c)
		}
	}
	return out
}

// shape says how a directory is written, where that is not the default: so that a default
// that comes with a new version owes nobody anything.
func shape(c Sink) string {
	var b strings.Builder
	usual := defaultSink()
	if c.Dialect != usual.Dialect {
		b.WriteString(" dialect " + c.Dialect)
	}
	if c.Layout != usual.Layout {
		b.WriteString(" layout " + c.Layout)
	}
	if c.Root != usual.Root {
		b.WriteString(" root " + c.Root)
	}
	if c.Groups != usual.Groups || c.AD != usual.AD {
		fmt.Fprintf(&b, " groups %v ad %v", c.Groups, c.AD)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Attributes)) {
		fmt.Fprintf(&b, " %s=%q", name, c.Attributes[name])
	}
	return b.String()
}

func openDirectory(c Sink, t ties, log *slog.Logger) (*ldapsink.Sink, error) {
	secure, err := clientTLS(c)
	if err != nil {
		return nil, fmt.Errorf("sink %s: %w", c.Name, err)
	}
	removed := ldapsink.DisableRemoved
	if c.RemovedUsers == "delete" {
		removed = ldapsink.DeleteRemoved
	}
	dialect, err := ldapsink.ParseDialect(c.Dialect)
	if err != nil {
		return nil, fmt.Errorf("sink %s: %w", c.Name, err)
	}
	mapping, err := ldapsink.ParseMapping(c.Attributes)
	if err != nil {
		return nil, fmt.Errorf("sink %s: attributes: %w", c.Name, err)
	}
	layout, err := ldapsink.ParseLayout(c.Layout)
	if err != nil {
		return nil, fmt.Errorf("sink %s: %w", c.Name, err)
	}
	return ldapsink.New(ldapsink.Config{
		Dialect: dialect, Layout: layout, RootBase: c.Root == "base", NestedGroups: c.Groups.Nested, AppGroups: c.Groups.Apps,
		EnableAccounts: c.AD.EnableAccounts, Mapping: mapping,
		Name: c.Name, URLs: revealAll(c.URL), BindDN: c.BindDN, BindPassword: orgsync.Secret(c.BindPassword.Reveal()),
		BaseDN: c.BaseDN, StartTLS: c.StartTLS, TLS: secure, Tenants: allowTenants(c.Tenants),
		Removed: removed, PurgeAfter: c.PurgeAfter, Connections: c.Connections,
		Register: t.register, Adopt: t.adopts, Links: t.links, Now: time.Now, Logger: log, Switched: t.switched,
	})
}

// lookAgain makes a sink owe everything once more, because another server of its directory
// is used. What cannot be recorded is found by the next reconcile.
func lookAgain(sink string, s *store.Store, log *slog.Logger) func(context.Context) {
	return func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if err := s.OweEverything(ctx, sink); err != nil {
			log.ErrorContext(ctx, "changed directory server not recorded", "sink", sink, "error", err)
		}
	}
}

// allowTenants is the filter that a list of tenantIds, codes or "*" stands for.
func allowTenants(list []string) func(orgsync.Tenant) bool {
	return func(t orgsync.Tenant) bool {
		return slices.Contains(list, "*") || slices.Contains(list, string(t.ID)) || t.Code != "" && slices.Contains(list, t.Code)
	}
}

// clientTLS reads the certificates of a directory's connection; nil means the system's.
func clientTLS(c Sink) (*tls.Config, error) {
	if c.CAFile == "" && c.CertFile == "" {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		text, err := os.ReadFile(filepath.Clean(c.CAFile))
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM form", c.CAFile)
		}
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file, key_file: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}
