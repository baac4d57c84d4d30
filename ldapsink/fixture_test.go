package ldapsink_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/ldapsink/ldaptest"
	"github.com/kitbridge/kitbridge/orgsync"
)

// root is the tenant's entry.
const root = "ou=t1," + peers.BaseDN

// fixture is a sink on a directory, and an administrator who looks on.
type fixture struct {
	t      testing.TB
	dir    *peers.Directory    // a real server; nil:
	memory *ldaptest.Directory // in memory, as the service account
	sink   *ldapsink.Sink
	links  *ldapsink.MemoryLinks
	state  *state
	now    time.Time

	mu     sync.Mutex
	writes []ldapsink.Operation // under mu; those that succeeded
}

func newFixture(t testing.TB, options peers.SlapdOptions, change ...func(*ldapsink.Config)) *fixture {
	t.Helper()
	if _, measures := t.(*testing.B); !measures {
		options.NoSync = true
	}
	f := emptyFixture(t, peers.Slapd(t, options))
	f.sink = f.open(change...)
	return f
}

// emptyFixture has no sink yet. Without a server the directory is one in memory.
func emptyFixture(t testing.TB, dir *peers.Directory) *fixture {
	f := &fixture{
		t: t, dir: dir, links: &ldapsink.MemoryLinks{}, state: newState(),
		now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC),
	}
	if dir == nil {
		f.memory = ldaptest.New(peers.BaseDN, peers.AdminDN).As(peers.ServiceDN)
	}
	return f
}

// open makes another sink on the same directory and links, as after a restart.
func (f *fixture) open(change ...func(*ldapsink.Config)) *ldapsink.Sink {
	f.t.Helper()
	address, config := secure(f.t, f.dir)
	cfg := ldapsink.Config{
		Name: "corp", URLs: []string{address}, TLS: config,
		BindDN: peers.ServiceDN, BindPassword: peers.ServicePassword, BaseDN: peers.BaseDN,
		Tenants:    func(orgsync.Tenant) bool { return true },
		PurgeAfter: 30 * 24 * time.Hour, Timeout: 10 * time.Second,
		Links: f.links, Now: func() time.Time { return f.now }, Logger: slog.New(slog.DiscardHandler),
		Observe: func(o ldapsink.Operation, err error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if err == nil {
				f.writes = append(f.writes, o)
			}
		},
	}
	if f.memory != nil {
		cfg.Directory, cfg.URLs = f.memory, nil
	}
	for _, c := range change {
		c(&cfg)
	}
	sink, err := ldapsink.New(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(sink.Close)
	return sink
}

// converge makes the keys equal and returns the results and the writes it took.
func (f *fixture) converge(keys ...orgsync.Key) (map[orgsync.Key]orgsync.Result, []ldapsink.Operation) {
	f.t.Helper()
	f.writes = nil
	results, err := f.sink.Converge(f.t.Context(), f.state, keys)
	if err != nil {
		f.t.Fatalf("Converge: %v", err)
	}
	byKey := map[orgsync.Key]orgsync.Result{}
	for _, r := range results {
		byKey[r.Key] = r
	}
	for _, k := range keys {
		if _, ok := byKey[k]; !ok {
			f.t.Errorf("no result for %s", k)
		}
	}
	return byKey, f.writes
}

// must is converge where every key must come to be equal; it returns the writes as LDIF.
func (f *fixture) must(keys ...orgsync.Key) []string {
	f.t.Helper()
	results, writes := f.converge(keys...)
	for k, r := range results {
		if r.Err != nil {
			f.t.Errorf("%s: %v", k, r.Err)
		}
	}
	texts := make([]string, len(writes))
	for i, w := range writes {
		texts[i] = w.String()
	}
	return texts
}

// all converges everything.
func (f *fixture) all() []string { f.t.Helper(); return f.must(f.state.keys()...) }

// admin connects as the administrator.
func (f *fixture) admin() *ldap.Conn {
	f.t.Helper()
	return dial(f.t, f.dir)
}

// read returns what stands below dn: attribute values by DN, sorted. The DNs are as the
// server prints them.
func (f *fixture) read(dn string, attributes ...string) map[string]map[string][]string {
	f.t.Helper()
	if f.memory != nil {
		return f.readMemory(dn, attributes...)
	}
	conn := f.admin()
	request := ldap.NewSearchRequest(dn, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", attributes, nil)
	result, err := conn.Search(request)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil
	}
	if err != nil {
		f.t.Fatal(err)
	}
	tree := map[string]map[string][]string{}
	for _, e := range result.Entries {
		values := map[string][]string{}
		for _, a := range e.Attributes {
			values[a.Name] = slices.Sorted(slices.Values(a.Values))
		}
		tree[e.DN] = values
	}
	return tree
}

func (f *fixture) readMemory(text string, attributes ...string) map[string]map[string][]string {
	f.t.Helper()
	dn, err := ldapsink.ParseDN(text)
	if err != nil {
		f.t.Fatal(err)
	}
	tree := map[string]map[string][]string{}
	q := ldapsink.Search{Base: dn, Scope: ldapsink.Subtree, Filter: "(objectClass=*)", Attributes: attributes}
	err = f.memory.Search(f.t.Context(), q, func(e ldapsink.Found) error {
		tree[e.DN] = map[string][]string{}
		for name, values := range e.Attributes {
			tree[e.DN][name] = slices.Sorted(slices.Values(values))
		}
		return nil
	})
	if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		f.t.Fatal(err)
	}
	return tree
}

// names lists the DNs below dn, relative to the tenant's entry, sorted.
func (f *fixture) names(below string) []string {
	f.t.Helper()
	var names []string
	for dn := range f.read(below+","+root, "1.1") {
		if dn != below+","+root {
			names = append(names, strings.TrimSuffix(dn, ","+root))
		}
	}
	slices.Sort(names)
	return names
}

// members lists the members of a group, relative to the tenant's entry, sorted.
func (f *fixture) members(group string) []string {
	f.t.Helper()
	var members []string
	for _, m := range f.read(group+","+root, "member")[group+","+root]["member"] {
		members = append(members, strings.TrimSuffix(m, ","+root))
	}
	return members
}

// uuid returns the entryUUID of an entry, empty if there is none.
func (f *fixture) uuid(dn string) string {
	f.t.Helper()
	if v := f.read(dn, "entryUUID")[dn]["entryUUID"]; len(v) == 1 {
		return v[0]
	}
	return ""
}

// modify changes an entry by hand.
func (f *fixture) modify(dn, attribute string, values ...string) {
	f.t.Helper()
	request := ldap.NewModifyRequest(dn, nil)
	request.Replace(attribute, values)
	if err := f.hands().Modify(request); err != nil {
		f.t.Fatal(err)
	}
}

// add adds an entry by hand, with pairs of attribute and value.
func (f *fixture) add(dn string, pairs ...string) {
	f.t.Helper()
	request := ldap.NewAddRequest(dn, nil)
	for i := 0; i < len(pairs); i += 2 {
		same := slices.IndexFunc(request.Attributes, func(a ldap.Attribute) bool { return a.Type == pairs[i] })
		if same >= 0 {
			request.Attributes[same].Vals = append(request.Attributes[same].Vals, pairs[i+1])
			continue
		}
		request.Attribute(pairs[i], []string{pairs[i+1]})
	}
	if err := f.hands().Add(request); err != nil {
		f.t.Fatal(err)
	}
}

// deleteEntry deletes an entry by hand.
func (f *fixture) deleteEntry(dn string) {
	f.t.Helper()
	if err := f.hands().Del(ldap.NewDelRequest(dn, nil)); err != nil {
		f.t.Fatal(err)
	}
}

// rename renames or moves an entry by hand.
func (f *fixture) rename(dn, rdn, above string) {
	f.t.Helper()
	if err := f.hands().ModifyDN(ldap.NewModifyDNRequest(dn, rdn, true, above)); err != nil {
		f.t.Fatal(err)
	}
}

// limit changes how many entries the server returns to the service account at most.
func (f *fixture) limit(size int) {
	f.t.Helper()
	conn := f.admin()
	if err := conn.Bind("cn=admin,cn=config", "config"); err != nil {
		f.t.Fatal(err)
	}
	request := ldap.NewModifyRequest("olcDatabase={1}mdb,cn=config", nil)
	request.Replace("olcLimits", []string{fmt.Sprintf("dn.exact=%q size=%d", peers.ServiceDN, size)})
	if err := conn.Modify(request); err != nil {
		f.t.Fatal(err)
	}
}
