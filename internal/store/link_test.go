package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/sso"
)

func TestLinks(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	s := open(t, cfg)
	w := newWorld(t, s)
	w.PutTenant(t, sso.Tenant{ID: "t1", Live: true})
	w.PutTenant(t, sso.Tenant{ID: "t2", Live: true})
	id := func(name string) ldapsink.EntryID { return ldapsink.EntryID{Kind: ldapsink.UserEntry, Name: name} }
	a := ldapsink.Link{ID: id("张三 'a'"), DN: "uid=a,dc=example"}
	b := ldapsink.Link{ID: ldapsink.EntryID{Kind: ldapsink.TenantEntry}, UUID: "u-b", DN: "ou=t1"}
	corp, other := s.Links("corp"), s.Links("other")
	put := func(l ldapsink.Links, links ...ldapsink.Link) {
		t.Helper()
		if err := l.Put(t.Context(), "t1", links); err != nil {
			t.Fatalf("Put() = %v", err)
		}
	}
	put(corp, a, b)
	a.UUID = "u-a"
	put(corp, a)
	ids := []ldapsink.EntryID{a.ID, b.ID, id("nobody")}
	check := func(name string, l ldapsink.Links, tenant string, want ...ldapsink.Link) {
		t.Helper()
		wantMap := map[ldapsink.EntryID]ldapsink.Link{}
		for _, link := range want {
			wantMap[link.ID] = link
		}
		got, err := l.Get(t.Context(), "t1", ids)
		if tenant != "t1" {
			got, err = l.Get(t.Context(), "t2", ids)
		}
		if diff := cmp.Diff(wantMap, got); err != nil || diff != "" {
			t.Errorf("%s: Get() (-want +got), %v\n%s", name, err, diff)
		}
	}
	check("replaced by id", corp, "t1", a, b)
	check("other sink", other, "t1")
	check("other tenant", corp, "t2")
	if err := corp.Delete(t.Context(), "t1", []ldapsink.EntryID{b.ID, id("nobody")}); err != nil {
		t.Errorf("Delete() = %v", err)
	}
	check("deleted", corp, "t1", a)
	// A sink that is taken out of the configuration and put back still owns its entries.
	for _, names := range [][]string{{"corp"}, {}, {"corp"}} {
		if err := s.OpenSinks(t.Context(), names); err != nil {
			t.Fatal(err)
		}
	}
	check("sink out and in", corp, "t1", a)
}

func TestBridgeIDStays(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	first, err := open(t, cfg).BridgeID(t.Context())
	if err != nil || len(first) != 32 {
		t.Fatalf("BridgeID() = %q, %v, want 32 characters", first, err)
	}
	again, err := open(t, cfg).BridgeID(t.Context())
	if err != nil || again != first {
		t.Errorf("BridgeID() = %q, %v after opening again, want %q", again, err, first)
	}
	other, err := open(t, config(t)).BridgeID(t.Context())
	if err != nil || other == first {
		t.Errorf("another database has the same id %q, %v", other, err)
	}
}
