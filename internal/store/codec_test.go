package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestNumbers freezes the numbers that stand in databases. One that changes would make
// an old database say something else: add at the end, or migrate.
func TestNumbers(t *testing.T) {
	t.Parallel()
	var attributes []string
	for a := range len(orgsync.Grant{}.Attributes) {
		attributes = append(attributes, orgsync.Attribute(a).String())
	}
	want := []string{
		"name", "orgCode", "role", "enable", "position", "employeeCode", "employeeType", "mobile", "email", "workPlace", "entryDate",
	}
	if diff := cmp.Diff(want, attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	numbers := []int{
		int(orgsync.Production), int(orgsync.Test),
		int(orgsync.TenantSync), int(orgsync.ApplicationSync), int(orgsync.AuthSync), int(orgsync.SingleOrgSync), int(orgsync.AllOrgSync),
		int(orgsync.TenantKey), int(orgsync.DepartmentKey), int(orgsync.UserKey),
		int(orgsync.Reduce), int(orgsync.Announce), int(orgsync.Build), int(orgsync.Fill), int(orgsync.Demolish),
		int(orgsync.StatusAbsent), int(orgsync.StatusEnabled), int(orgsync.StatusDisabled), int(orgsync.StatusRemoved),
		int(orgsync.AnswerOK), int(orgsync.AnswerInvalid), int(orgsync.AnswerSecret),
	}
	if diff := cmp.Diff([]int{0, 1, 1, 2, 3, 4, 5, 1, 2, 3, 0, 1, 2, 3, 4, 0, 1, 2, 3, 0, 1, 2}, numbers); diff != "" {
		t.Errorf("numbers (-want +got):\n%s", diff)
	}
}

func text[T ~string](r *rapid.T, name string) T { return T(rapid.String().Draw(r, name)) }

func version(r *rapid.T, name string) orgsync.Version {
	return rapid.SampledFrom([]orgsync.Version{"", "v1", "v2", "v\x003", "\xff"}).Draw(r, name)
}

func register(r *rapid.T, name string) orgsync.Register {
	return orgsync.Register{Value: text[string](r, name), Version: version(r, name+" version")}
}

func TestGrantRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		want := orgsync.Grant{
			Granted: version(r, "granted"), Changed: version(r, "changed"), Revoked: version(r, "revoked"), Removed: version(r, "removed"),
			Mark: text[orgsync.Moment](r, "mark"),
		}
		for a := range want.Attributes {
			want.Attributes[a] = register(r, "attribute")
		}
		b := store.EncodeGrant(want)
		var got orgsync.Grant
		if err := store.DecodeGrant(b, &got); err != nil || got != want {
			t.Fatalf("decode(encode(%+v)) = %+v, %v", want, got, err)
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(r, "cut")
		if err := store.DecodeGrant(b[:cut], new(orgsync.Grant)); err == nil {
			t.Fatalf("a grant of %d bytes cut to %d is accepted", len(b), cut)
		}
		if err := store.DecodeGrant(append(b, 0), new(orgsync.Grant)); err == nil {
			t.Fatal("a byte too many is accepted")
		}
	})
}

func TestInstanceRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		want := orgsync.Instance{
			OrderID: text[string](r, "order"), Bound: version(r, "bound"), Modified: version(r, "modified"), Ended: version(r, "ended"),
			Listed: version(r, "listed"), Purged: version(r, "purged"), Code: register(r, "code"), Name: register(r, "name"), Domain: register(r, "domain"),
			Mark: text[orgsync.Moment](r, "mark"),
		}
		var got orgsync.Instance
		if err := store.DecodeInstance(store.EncodeInstance(want), &got); err != nil || got != want {
			t.Fatalf("decode(encode(%+v)) = %+v, %v", want, got, err)
		}
	})
}

// FuzzDecode: whatever stands in a damaged database, reading it is an error at worst.
func FuzzDecode(f *testing.F) {
	f.Add(store.EncodeGrant(orgsync.Grant{Granted: "v"}))
	f.Add(store.EncodeUser(orgsync.User{Grants: []orgsync.UserGrant{{App: "a"}}}))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = store.DecodeGrant(b, new(orgsync.Grant))
		_ = store.DecodeUser(b, new(orgsync.User))
		_ = store.DecodeInstance(b, new(orgsync.Instance))
	})
}
