package store_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

// numbers are users with the numbers that they want or got.
type numbers = map[orgsync.UserName]int

// TestClaim: a number is one user's until the user's link is forgotten.
func TestClaim(t *testing.T) {
	t.Parallel()
	s := open(t, config(t))
	w := newWorld(t, s)
	w.PutTenant(t, sso.Tenant{ID: "t1", Live: true})
	w.PutTenant(t, sso.Tenant{ID: "t2", Live: true})
	claim := func(sink, tenant, attribute string, keep bool, want numbers) map[orgsync.UserName]bool {
		t.Helper()
		got, err := s.Links(sink).Claim(t.Context(), orgsync.TenantID(tenant), attribute, want, keep)
		if err != nil {
			t.Fatalf("Claim() = %v", err)
		}
		return got
	}
	type granted = map[orgsync.UserName]bool // whether it was theirs before
	forget := func(name string, kind ldapsink.EntryKind) {
		t.Helper()
		if err := s.Links("corp").Delete(t.Context(), "t1", []ldapsink.EntryID{{Kind: kind, Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		what                    string
		sink, tenant, attribute string
		keep                    bool
		before                  func()
		want                    numbers
		got                     granted
	}{
		{"free", "corp", "t1", "uidNumber", true, nil, numbers{"a": 1, "张三 'b'": 2}, granted{"a": false, "张三 'b'": false}},
		{"again", "corp", "t1", "uidNumber", true, nil, numbers{"a": 1}, granted{"a": true}},
		{"of another tenant's user", "corp", "t2", "uidNumber", true, nil, numbers{"a": 1, "c": 3}, granted{"c": false}},
		{"of the same tenant's user", "corp", "t1", "uidNumber", true, nil, numbers{"d": 2}, granted{}},
		{"of two who want one", "corp", "t1", "uidNumber", true, nil, numbers{"y": 9, "x": 9}, granted{"x": false}},
		{"asked only", "corp", "t2", "uidNumber", false, nil, numbers{"a": 1, "c": 3, "e": 5}, granted{"c": true, "e": false}},
		{"what was asked only is free", "corp", "t1", "uidNumber", true, nil, numbers{"f": 5}, granted{"f": false}},
		{"another attribute", "corp", "t2", "gidNumber", true, nil, numbers{"a": 1}, granted{"a": false}},
		{"another sink", "other", "t2", "uidNumber", true, nil, numbers{"a": 1}, granted{"a": false}},
		{"another number", "corp", "t1", "uidNumber", true, nil, numbers{"a": 10}, granted{"a": false}},
		{"which the last one is free for", "corp", "t2", "uidNumber", true, nil, numbers{"g": 1}, granted{"g": false}},
		{"a group is forgotten", "corp", "t2", "uidNumber", true, func() { forget("a", ldapsink.DepartmentGroup) }, numbers{"h": 10}, granted{}},
		{"the user is forgotten", "corp", "t2", "uidNumber", true, func() { forget("a", ldapsink.UserEntry) }, numbers{"h": 10}, granted{"h": false}},
		{"nobody", "corp", "t2", "uidNumber", true, nil, nil, granted{}},
	} {
		if step.before != nil {
			step.before()
		}
		if diff := cmp.Diff(step.got, claim(step.sink, step.tenant, step.attribute, step.keep, step.want)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.what, diff)
		}
	}
}

// TestClaimAtOnce: of many who want the same numbers at the same time, for two tenants and in
// two processes where the database knows two, each number is one user's.
func TestClaimAtOnce(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	one := newWorld(t, open(t, cfg))
	two := newWorld(t, one.Store)
	if cfg.URL[0] == 'p' {
		two = newWorld(t, open(t, cfg))
	}
	for _, tenant := range []sso.TenantID{"t1", "t2"} {
		one.PutTenant(t, sso.Tenant{ID: tenant, Live: true})
	}
	const users = 200
	owner := map[int]string{}
	var mu sync.Mutex // guards owner
	var group sync.WaitGroup
	for i, w := range []*world{one, two, one, two} {
		tenant := orgsync.TenantID(fmt.Sprint("t", i%2+1))
		group.Go(func() {
			for round := range 10 {
				want := numbers{}
				for n := range users / 10 {
					want[orgsync.UserName(fmt.Sprintf("u%d-%d-%d", i, round, n))] = round*users/10 + n
				}
				got, err := w.Links("corp").Claim(t.Context(), tenant, "uidNumber", want, true)
				if err != nil {
					t.Errorf("Claim() = %v", err)
				}
				mu.Lock()
				for name := range got {
					number := want[name]
					if by, taken := owner[number]; taken {
						t.Errorf("%d is %s's and %s's", number, by, name)
					}
					owner[number] = string(name)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if len(owner) != users {
		t.Errorf("%d numbers are somebody's, want %d", len(owner), users)
	}
}
