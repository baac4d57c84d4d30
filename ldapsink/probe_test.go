package ldapsink_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/ldapsink/ldaptest"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestProbe: what the probe finds by trying is what the profile of the family says, it
// leaves nothing behind, and the server can do what was found.
func TestProbe(t *testing.T) {
	t.Parallel()
	for _, kind := range targets() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			f := newTargetFixture(t, kind)
			said, err := f.sink.Profile(t.Context())
			if err != nil || said.Dialect != kind.dialect || len(f.writes) > 0 {
				t.Fatalf("Profile = %+v, %v, wrote %v; want %s and nothing written", said, err, f.writes, kind.dialect)
			}
			before := f.read(peers.BaseDN, "1.1")
			tried, err := f.sink.Probe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !said.Recognised || said.Tried || !tried.Tried {
				t.Errorf("said %+v, tried %+v", said, tried)
			}
			said.Tried = true
			if diff := cmp.Diff(said, tried, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("profile (-said +tried):\n%s", diff)
			}
			if diff := cmp.Diff(before, f.read(peers.BaseDN, "1.1")); diff != "" {
				t.Errorf("left behind (-before +after):\n%s", diff)
			}
			if after, err := f.sink.Profile(t.Context()); err != nil || cmp.Diff(tried, after) != "" {
				t.Errorf("Profile after the probe = %+v, %v", after, err)
			}
		})
	}
}

// TestProbeOverlay: that groups follow is found where a plug-in does it.
func TestProbeOverlay(t *testing.T) {
	t.Parallel()
	f := emptyFixture(t, peers.DS389(t, peers.DS389Options{NoSync: true, RefInt: true}))
	f.sink = f.open()
	if p, err := f.sink.Probe(t.Context()); err != nil || !p.MembersFollow {
		t.Errorf("Probe = %+v, %v; want MembersFollow", p, err)
	}
}

// TestProbeCrash: what a probe that broke off left behind goes with the next one, but not
// what another one is using now.
func TestProbeCrash(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{})
	f.now = time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	f.sink = f.open(func(c *ldapsink.Config) {
		c.Observe = func(o ldapsink.Operation, _ error) {
			if n++; n == 3 {
				f.dir.Kill()
				cancel()
			}
		}
	})
	if _, err := f.sink.Probe(ctx); err == nil {
		t.Fatal("Probe of a server that was killed succeeds")
	}
	f.dir.Start()
	left := func() int {
		return len(slices.DeleteFunc(keysOf(f.read(peers.BaseDN, "1.1")), func(dn string) bool { return !strings.Contains(dn, "kitbridge-probe-") }))
	}
	if left() == 0 {
		t.Fatal("the crash left nothing behind: the test tests nothing")
	}
	f.sink = f.open()
	if _, err := f.sink.Probe(t.Context()); err != nil || left() == 0 {
		t.Errorf("Probe = %v, %d entries left; want those of just now", err, left())
	}
	f.now = f.now.Add(time.Hour)
	if _, err := f.sink.Probe(t.Context()); err != nil || left() != 0 {
		t.Errorf("Probe an hour later = %v, %d entries left; want none", err, left())
	}
}

// TestProbeRights: an account that may not write is told so, in place of a wrong profile.
func TestProbeRights(t *testing.T) {
	t.Parallel()
	f := newFixture(t, peers.SlapdOptions{Access: []string{`to * by dn.exact="` + peers.ServiceDN + `" read by users read by anonymous auth`}})
	_, err := f.sink.Probe(t.Context())
	if e, ok := errors.AsType[*ldapsink.OperationError](err); !ok || e.Code != 50 {
		t.Errorf("Probe without rights = %v, want insufficientAccessRights", err)
	}
}

func keysOf(tree map[string]map[string][]string) []string {
	var keys []string
	for k := range tree {
		keys = append(keys, k)
	}
	return keys
}

// TestUnknownServer: a server of no known family is tried before anything is written.
func TestUnknownServer(t *testing.T) {
	t.Parallel()
	dir := ldaptest.New(peers.BaseDN, peers.ServiceDN)
	f := &fixture{t: t, links: &ldapsink.MemoryLinks{}, state: newState(), now: time.Now()}
	sink, err := ldapsink.New(ldapsink.Config{
		Name: "corp", Directory: stranger{dir}, BindDN: peers.ServiceDN, BindPassword: "x", BaseDN: peers.BaseDN,
		Tenants: func(orgsync.Tenant) bool { return true }, Links: f.links, Now: func() time.Time { return f.now },
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	f.sink = sink
	before, err := sink.Profile(t.Context())
	if err != nil || before.Recognised || before.Tried || before.Dialect != ldapsink.OpenLDAP {
		t.Errorf("Profile = %+v, %v; want an unknown server, taken for OpenLDAP", before, err)
	}
	f.state.user("zhang", "张三", "")
	f.all()
	if after, err := sink.Profile(t.Context()); err != nil || !after.Tried {
		t.Errorf("Profile = %+v, %v; want it tried", after, err)
	}
}

// stranger is a directory that does not say what it is.
type stranger struct{ ldapsink.Directory }

func (s stranger) Search(ctx context.Context, q ldapsink.Search, yield func(ldapsink.Found) error) error {
	if q.Base.Depth() == 0 {
		return yield(ldapsink.Found{Attributes: ldapsink.Attributes{"vendorName": {"Acme"}}})
	}
	return s.Directory.Search(ctx, q, yield)
}

func TestFacts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		root ldapsink.Attributes
		want []string
	}{
		{"389DS", ldapsink.Attributes{"vendorVersion": {"389-Directory/2.3.1 B2022"}, "supportedControl": {"1.2.840.113556.1.4.319"}}, []string{
			"server: 389-Directory/2.3.1 B2022, dialect 389ds (by what it says of itself)", "entries are known again by nsUniqueId",
			"names are the same that differ in nothing but case and blanks", "disabled users stay where they are: nsAccountLock",
			"groups may be empty", "kitbridge makes groups follow entries that move", "large answers come in pages",
		}},
		{"unknown", ldapsink.Attributes{}, []string{
			"server: openldap, dialect openldap (unknown, taken for the strictest)", "entries are known again by entryUUID",
			"names are the same that differ in nothing but case, blanks, width and composition", "an id with its type has at most 245 bytes",
			"disabled users stand below ou=disabled", "an empty group holds a placeholder", "kitbridge makes groups follow entries that move",
			"large answers come as a whole: the account must be free of size limits",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, ldapsink.ProfileOf(tt.root, ldapsink.AutoDialect).Facts()); diff != "" {
				t.Errorf("Facts (-want +got):\n%s", diff)
			}
		})
	}
}
