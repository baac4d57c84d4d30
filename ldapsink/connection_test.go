package ldapsink_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// clientTLS is what a client of the directory has: its authority, and a certificate if it is
// to have one.
func clientTLS(t testing.TB, dir *peers.Directory, withCertificate bool) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(dir.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	cfg.RootCAs.AppendCertsFromPEM(pem)
	if withCertificate {
		pair, err := tls.LoadX509KeyPair(dir.ClientCertificate())
		if err != nil {
			t.Fatal(err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg
}

// TestWaysIn: every way to log in, on every server that has it, ends as the service account.
func TestWaysIn(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func() *peers.Directory{
		"OpenLDAP": func() *peers.Directory { return peers.Slapd(t, peers.SlapdOptions{TLS: true, NoSync: true}) },
		"389DS":    func() *peers.Directory { return peers.DS389(t, peers.DS389Options{TLS: true, NoSync: true}) },
		"Samba":    func() *peers.Directory { return peers.Samba(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := start()
			simple := func(c *ldapsink.Config) { c.BindDN, c.BindPassword = peers.ServiceDN, peers.ServicePassword }
			external := func(*ldapsink.Config) {}
			trusting, certified := clientTLS(t, dir, false), clientTLS(t, dir, true)
			unknown := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
			tests := []struct {
				name, url string
				tls       *tls.Config
				startTLS  bool
				login     func(*ldapsink.Config)
				not       string // servers that have no such way
				want      error
			}{
				{name: "ldaps", url: dir.TLSURL(), tls: trusting, login: simple},
				{name: "start tls", url: dir.URL(), startTLS: true, tls: trusting, login: simple},
				{name: "plain", url: dir.URL(), login: simple, not: "Samba"},
				{name: "certificate", url: dir.TLSURL(), tls: certified, login: external, not: "Samba"},
				{name: "certificate after start tls", url: dir.URL(), startTLS: true, tls: certified, login: external, not: "Samba"},
				{name: "socket", url: dir.SocketURL(), login: external, not: "Samba"},
				{name: "socket with password", url: dir.SocketURL(), login: simple, not: "Samba"},
				{name: "unknown authority", url: dir.TLSURL(), tls: unknown, login: simple, want: orgsync.ErrUnavailable},
				{name: "unknown authority, start tls", url: dir.URL(), startTLS: true, tls: unknown, login: simple, want: orgsync.ErrUnavailable},
			}
			for i, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					if tt.not == name {
						return // the server has no such way
					}
					cfg := ldapsink.Config{
						Name: "corp", URLs: []string{tt.url}, StartTLS: tt.startTLS, TLS: tt.tls, BaseDN: peers.BaseDN,
						Tenants: func(orgsync.Tenant) bool { return true }, Links: &ldapsink.MemoryLinks{},
						Now: time.Now, Logger: slog.New(slog.DiscardHandler), Timeout: 10 * time.Second,
					}
					tt.login(&cfg)
					checkWayIn(t, cfg, fmt.Sprintf("t%d", i), tt.want)
				})
			}
		})
	}
}

// checkWayIn makes a tenant, forgets having finished, and finds its own entries again: so
// the sink knows who it is.
func checkWayIn(t *testing.T, cfg ldapsink.Config, tenant string, want error) {
	t.Helper()
	links := &ldapsink.MemoryLinks{}
	s := newState()
	s.tenant.ID = orgsync.TenantID(tenant)
	key := s.user("zhang-"+tenant, "张三", "")
	for _, round := range []string{"first", "after a crash"} {
		cfg.Links = links
		sink, err := ldapsink.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		results, err := sink.Converge(t.Context(), s, s.keys())
		sink.Close()
		if !errors.Is(err, want) {
			t.Fatalf("%s: Converge = %v, want %v", round, err, want)
		}
		if want != nil {
			return
		}
		for _, r := range results {
			if r.Err != nil {
				t.Errorf("%s: %s: %v", round, r.Key, r.Err)
			}
		}
		// The entry was about to be added when the process died.
		id := ldapsink.EntryID{Kind: ldapsink.UserEntry, Name: key.ID}
		known, err := links.Get(t.Context(), s.tenant.ID, []ldapsink.EntryID{id})
		if err != nil || known[id].UUID == "" {
			t.Fatalf("%s: the link of the user is %+v, %v", round, known[id], err)
		}
		forgotten := known[id]
		forgotten.UUID = ""
		if err := links.Put(t.Context(), s.tenant.ID, []ldapsink.Link{forgotten}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFrozenServer: the time-out ends every call on a server that has stopped, also a write
// of more than the wire takes, which go-ldap alone would wait for without end.
func TestFrozenServer(t *testing.T) {
	t.Parallel()
	dir := peers.Slapd(t, peers.SlapdOptions{NoSync: true})
	d, err := ldapsink.NewDirectory(nil, peers.ServiceDN, peers.ServicePassword, 200*time.Millisecond, dir.URL())
	if err != nil {
		t.Fatal(err)
	}
	base := mustDN(t, peers.BaseDN)
	read := func(ctx context.Context) error {
		q := ldapsink.Search{Base: base, Filter: "(objectClass=*)", Attributes: []string{"dc"}}
		return d.Search(ctx, q, func(ldapsink.Found) error { return nil })
	}
	large := ldapsink.Operation{Kind: ldapsink.Modify, DN: base, Changes: []ldapsink.Change{
		{Kind: ldapsink.ReplaceValues, Name: "description", Values: []string{strings.Repeat("x", 16<<20)}},
	}}
	write := func(ctx context.Context) error { return d.Write(ctx, large) }
	for name, call := range map[string]func(context.Context) error{"read": read, "large write": write} {
		if err := read(t.Context()); err != nil { // a connection to freeze
			t.Fatal(err)
		}
		dir.Freeze()
		if err := call(t.Context()); !errors.Is(err, orgsync.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
		if err := call(t.Context()); !errors.Is(err, orgsync.ErrUnavailable) { // in connecting
			t.Errorf("%s on a new connection: %v, want ErrUnavailable", name, err)
		}
		dir.Thaw()
		if err := read(t.Context()); err != nil {
			t.Fatal(err)
		}
		dir.Freeze()
		ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, nil)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s with a context that ends: %v", name, err)
		}
		cancel()
		dir.Thaw()
	}
}

// TestBusy: a server that is too busy is asked again, one that is about to end is left.
func TestBusy(t *testing.T) {
	t.Parallel()
	const busy, unavailable, unwilling = ldap.LDAPResultBusy, ldap.LDAPResultUnavailable, ldap.LDAPResultUnwillingToPerform
	tests := []struct {
		name string
		at   map[int]byte
		want error
	}{
		{"in a search", map[int]byte{2: busy, 3: busy}, nil},
		{"in a write", map[int]byte{9: busy}, nil},
		{"unavailable", map[int]byte{5: unavailable}, orgsync.ErrUnavailable}, // on every connection
		{"at the bind", map[int]byte{1: unwilling}, orgsync.ErrUnavailable},
		{"for too long", map[int]byte{3: busy, 4: busy, 5: busy, 6: busy, 7: busy}, orgsync.ErrUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, peers.SlapdOptions{})
			p := busyAt(t, strings.TrimPrefix(f.dir.URL(), "ldap://"), tt.at)
			f.sink = f.open(func(c *ldapsink.Config) { c.URLs, c.Connections = []string{"ldap://" + p.addr}, 1 })
			f.state.user("zhang", "张三", "")
			_, err := f.sink.Converge(t.Context(), f.state, f.state.keys())
			if !errors.Is(err, tt.want) {
				t.Errorf("Converge = %v, want %v", err, tt.want)
			}
			if !p.wasCut() {
				t.Error("no request was refused: the test shows nothing")
			}
			if people := f.names("ou=people"); err == nil && len(people) != 1 {
				t.Errorf("people are %v, want one", people)
			}
		})
	}
	t.Run("another server takes over", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, peers.SlapdOptions{})
		p := busyAt(t, strings.TrimPrefix(f.dir.URL(), "ldap://"), map[int]byte{5: unavailable})
		f.sink = f.open(func(c *ldapsink.Config) { c.URLs = []string{"ldap://" + p.addr, f.dir.URL()} })
		f.must(f.state.user("zhang", "张三", ""))
	})
}

// TestRangedValues: what the server holds back of an attribute is fetched. Samba sends parts
// only when asked for one; Active Directory does so by itself.
func TestRangedValues(t *testing.T) {
	t.Parallel()
	dir := peers.Samba(t)
	conn, err := ldap.DialURL(dir.TLSURL(), ldap.DialWithTLSConfig(clientTLS(t, dir, false)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // end of test
	if err := conn.Bind(peers.ServiceDN, peers.ServicePassword); err != nil {
		t.Fatal(err)
	}
	add := func(dn string, attributes map[string][]string) {
		t.Helper()
		request := ldap.NewAddRequest(dn, nil)
		for name, values := range attributes {
			request.Attribute(name, values)
		}
		if err := conn.Add(request); err != nil {
			t.Fatal(err)
		}
	}
	const n = 40
	var members []string
	for i := range n {
		dn := fmt.Sprintf("CN=c%02d,%s", i, peers.BaseDN)
		add(dn, map[string][]string{"objectClass": {"contact"}})
		members = append(members, dn)
	}
	group := "CN=g,ou=services," + peers.BaseDN
	add(group, map[string][]string{"objectClass": {"group"}, "member": members})

	d, err := ldapsink.NewDirectory(clientTLS(t, dir, false), peers.ServiceDN, peers.ServicePassword, 10*time.Second, dir.TLSURL())
	if err != nil {
		t.Fatal(err)
	}
	for _, asked := range []string{"member", "member;range=0-9", "member;range=0-38", "member;range=0-39"} {
		var got []string
		q := ldapsink.Search{Base: mustDN(t, group), Filter: "(objectClass=*)", Attributes: []string{asked}}
		err := d.Search(t.Context(), q, func(e ldapsink.Found) error {
			got = append(got, e.Attributes["member"]...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != n || len(unique(got)) != n {
			t.Errorf("%s: %d members, %d different, want %d", asked, len(got), len(unique(got)), n)
		}
	}
}

func unique(values []string) map[string]bool {
	set := map[string]bool{}
	for _, v := range values {
		set[v] = true
	}
	return set
}

func mustDN(t *testing.T, text string) ldapsink.DN {
	t.Helper()
	dn, err := ldapsink.ParseDN(text)
	if err != nil {
		t.Fatal(err)
	}
	return dn
}

// TestFailOver kills the server in the middle of a load. The other one has what was passed on
// to it in time; when all keys are looked at again, as Switched asks, it has everything. The
// first one comes back, gets what it missed, and is used again after its rest.
func TestFailOver(t *testing.T) {
	t.Parallel()
	first, second := peers.SlapdMirror(t, peers.SlapdOptions{NoSync: true})
	f := &fixture{t: t, dir: first, links: &ldapsink.MemoryLinks{}, state: newState(), now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}
	var log bytes.Buffer
	writes, midLoad, switched := 0, make(chan struct{}), 0
	f.sink = f.open(func(c *ldapsink.Config) {
		c.URLs = []string{first.URL(), second.URL()}
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Switched = func(context.Context) { switched++ }
		c.Observe = func(ldapsink.Operation, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if writes++; writes == 400 {
				close(midLoad)
			}
		}
	})
	for i := range 20 {
		f.state.department(fmt.Sprintf("d%02d", i), "部门", "")
	}
	for i := range 600 {
		f.state.user(fmt.Sprintf("u%03d", i), "张三", fmt.Sprintf("d%02d", i%20))
	}
	done := make(chan error, 1)
	go func() {
		_, err := f.sink.Converge(t.Context(), f.state, f.state.keys())
		done <- err
	}()
	<-midLoad
	first.Kill()
	if err := <-done; err != nil {
		t.Errorf("Converge over the death of the server: %v", err)
	}
	if switched != 1 || !strings.Contains(log.String(), second.URL()) {
		t.Errorf("Switched was called %d times, want once; the log is %q", switched, log.String())
	}
	f.dir = second
	f.all() // as after Switched
	if got := len(f.names("ou=people")); got != 600 {
		t.Errorf("the second server has %d users, want 600", got)
	}

	first.Start()
	if !eventually(t, func() bool { f.dir = first; return len(f.names("ou=people")) == 600 }) {
		t.Fatalf("the first server has %d users again, want 600", len(f.names("ou=people")))
	}
	f.now = f.now.Add(20 * time.Second)
	f.must(f.state.user("u000", "李四", "d00"))
	if switched != 1 {
		t.Errorf("Switched was called %d times before the first server's rest was over", switched)
	}
	f.now = f.now.Add(20 * time.Second)
	f.must(f.state.user("u001", "李四", "d01"))
	if switched != 2 {
		t.Errorf("Switched was called %d times after the first server's rest, want twice", switched)
	}
	want := f.read(root)
	f.dir = second
	if !eventually(t, func() bool { return cmp.Diff(want, f.read(root)) == "" }) {
		t.Errorf("the servers differ (-first +second):\n%s", cmp.Diff(want, f.read(root)))
	}
}

// TestDeadServerRests: a server that takes connections and says nothing is not asked first
// again, whenever the others need a connection.
func TestDeadServerRests(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	var lc net.ListenConfig
	silent, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() //nolint:errcheck // end of test
	var asked atomic.Int32
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			defer conn.Close() //nolint:errcheck // with the listener
			asked.Add(1)
		}
	}()
	f.sink = f.open(func(c *ldapsink.Config) {
		c.URLs, c.Timeout, c.Connections = []string{"ldap://" + silent.Addr().String(), f.dir.URL()}, 200*time.Millisecond, 1
	})
	f.must(f.state.user("zhang", "张三", ""))
	f.dir.Kill()
	f.dir.Start()
	f.must(f.state.user("li", "李四", ""))
	if asked.Load() != 1 {
		t.Errorf("the dead server was asked %d times, want once", asked.Load())
	}
	f.now = f.now.Add(time.Minute)
	f.must(f.state.user("wang", "王五", ""))
	if asked.Load() != 2 {
		t.Errorf("the dead server was asked %d times after its rest, want twice", asked.Load())
	}
}

// eventually asks until it is so, for at most ten seconds.
func eventually(t *testing.T, so func() bool) bool {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		if so() {
			return true
		}
		<-tick.C
	}
	return false
}
