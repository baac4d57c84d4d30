package sqlsink_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// AllDepartments implements [orgsync.Inventory].
func (s *state) AllDepartments(_ context.Context, yield func(orgsync.Department) error) error {
	s.mu.Lock()
	all := maps.Clone(s.departments)
	s.mu.Unlock()
	for _, code := range slices.Sorted(maps.Keys(all)) {
		if err := yield(all[code]); err != nil {
			return err
		}
	}
	return nil
}

// AllUsers implements [orgsync.Inventory].
func (s *state) AllUsers(_ context.Context, yield func(orgsync.User) error) error {
	s.mu.Lock()
	all := maps.Clone(s.users)
	s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := yield(all[name]); err != nil {
			return err
		}
	}
	return nil
}

func shortly(w sqlsink.Whole) []string {
	var list []string
	for _, s := range w.Steps {
		line := s.Op + " " + strings.Join(append([]string{s.Table}, s.Row...), " ")
		if s.Op == "update" || s.Op == "disable" {
			for _, c := range s.Columns {
				line += fmt.Sprintf(" %s:%s>%s", c.Column, c.From, c.To)
			}
		}
		list = append(list, line)
	}
	return list
}

func wholePlan(t *testing.T, s *sqlsink.Sink, v *state) sqlsink.Whole {
	t.Helper()
	whole, err := s.Plan(t.Context(), v, sqlsink.WholeOptions{})
	if err != nil {
		t.Fatalf("Plan: %v", err)
	}
	return whole
}

// TestPlanMakesNothing: a plan for a database that is not there makes neither file nor
// table.
func TestPlanMakesNothing(t *testing.T) {
	t.Parallel()
	p := sqliteProduct(t)
	file := strings.TrimPrefix(p.url, "sqlite:")
	s, v := newSink(t, p), newState()
	v.department("d1", "研发部", "")
	want := []string{"insert kit_tenant", "insert kit_department d1"}
	if diff := cmp.Diff(want, shortly(wholePlan(t, s, v))); diff != "" {
		t.Errorf("planned (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
	p.exec(t, "CREATE TABLE product (id INTEGER)")
	if diff := cmp.Diff(want, shortly(wholePlan(t, s, v))); diff != "" {
		t.Errorf("planned (-want +got):\n%s", diff)
	}
	if got := p.rows(t, "SELECT name FROM sqlite_master WHERE name LIKE 'kit%'"); len(got) > 0 {
		t.Errorf("there are tables: %v", got)
	}
}

// TestReconcileRows: what somebody did to our rows by hand is named and healed; rows of the
// product's own columns stay; and then there is nothing to do and nothing is written.
func TestReconcileRows(t *testing.T) {
	t.Parallel()
	p := sqliteProduct(t)
	s, v := newSink(t, p), newState()
	keys := []orgsync.Key{{Kind: orgsync.TenantKey}, v.department("d1", "研发部", ""), v.department("d2", "市场部", "d1")}
	for _, name := range []orgsync.UserName{"li", "zhang"} {
		v.users[name] = orgsync.User{
			Name: name, Status: orgsync.StatusEnabled, Role: orgsync.RoleUser,
			Grants: []orgsync.UserGrant{{Instance: "i1", App: "a1", Role: orgsync.RoleUser, Enabled: true}},
		}
		keys = append(keys, orgsync.Key{Kind: orgsync.UserKey, ID: string(name)})
	}
	converge(t, s, v, keys...)
	p.exec(t, "ALTER TABLE kit_user ADD COLUMN theirs TEXT DEFAULT 'x'")
	const rows = "SELECT * FROM kit_user ORDER BY user_name"
	tests := []struct {
		name, do string
		want     []string
	}{
		{"nothing", "SELECT 1", nil},
		{"user deleted", "DELETE FROM kit_user WHERE user_name = 'li'", []string{"insert kit_user li"}},
		{"grant deleted", "DELETE FROM kit_grant WHERE user_name = 'li'", []string{"insert kit_grant li i1 a1"}},
		{"grant invented", "INSERT INTO kit_grant SELECT tenant_id, 'li', 'i9', 'a9', 'admin', TRUE, updated_at FROM kit_tenant", []string{"delete kit_grant li i9 a9"}},
		{"made an admin", "UPDATE kit_user SET role = 'admin' WHERE user_name = 'li'", []string{"update kit_user li role:admin>user"}},
		{"renamed", "UPDATE kit_user SET user_name = 'lo' WHERE user_name = 'li'", []string{"disable kit_user lo enabled:true>false", "insert kit_user li"}},
		{"department moved", "UPDATE kit_department SET parent_code = '' WHERE org_code = 'd2'", []string{"update kit_department d2 parent_code:>d1"}},
		{"department invented", "INSERT INTO kit_department SELECT tenant_id, 'd9', 'd9', '', '/d9/', 1, FALSE, updated_at FROM kit_tenant", []string{"delete kit_department d9"}},
		{"tenant ended", "UPDATE kit_tenant SET active = FALSE", []string{"update kit_tenant active:false>true"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { // one after the other: they share the database
			p.exec(t, tt.do)
			planned := wholePlan(t, s, v)
			if diff := cmp.Diff(tt.want, shortly(planned)); diff != "" {
				t.Errorf("planned (-want +got):\n%s", diff)
			}
			if planned.Digest != wholePlan(t, s, v).Digest {
				t.Error("the same plan has two digests")
			}
			if _, err := s.Reconcile(t.Context(), v, sqlsink.WholeOptions{Only: "another"}); !errors.Is(err, sqlsink.ErrPlanChanged) {
				t.Errorf("another plan: %v, want %v", err, sqlsink.ErrPlanChanged)
			}
			last := 0
			if _, err := s.Reconcile(t.Context(), v, sqlsink.WholeOptions{Only: planned.Digest, Progress: func(done, _ int) { last = done }}); err != nil {
				t.Fatalf("Reconcile: %v", err)
			}
			if last != len(tt.want) {
				t.Errorf("progress ended at %d of %d", last, len(tt.want))
			}
			feed := p.rows(t, "SELECT COUNT(*) FROM kit_change")
			if again := shortly(wholePlan(t, s, v)); len(again) > 0 {
				t.Errorf("planned again: %v", again)
			}
			if _, err := s.Reconcile(t.Context(), v, sqlsink.WholeOptions{}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(feed, p.rows(t, "SELECT COUNT(*) FROM kit_change")); diff != "" {
				t.Errorf("the feed grew (-before +after):\n%s", diff)
			}
			for _, row := range p.rows(t, rows) {
				if !strings.HasSuffix(row, "|x") {
					t.Errorf("the product's column changed: %s", row)
				}
			}
		})
	}
}

// TestReconcileGuard: rows of departments that nobody knows are not deleted by hundreds
// without a yes.
func TestReconcileGuard(t *testing.T) {
	t.Parallel()
	p := sqliteProduct(t)
	s, v := newSink(t, p), newState()
	keys := []orgsync.Key{{Kind: orgsync.TenantKey}}
	for n := range 20 {
		keys = append(keys, v.department(orgsync.OrgCode(fmt.Sprintf("d%02d", n)), "x", ""))
	}
	converge(t, s, v, keys...)
	v.departments = map[orgsync.OrgCode]orgsync.Department{}
	guard := &orgsync.Guard{Count: 5, Percent: 30, Max: 100}
	whole, err := s.Reconcile(t.Context(), v, sqlsink.WholeOptions{Guard: guard})
	if want := "deletes 20 of 20 departments"; !errors.Is(err, sqlsink.ErrHeld) || whole.Held != want {
		t.Errorf("Reconcile = %q, %v; want %q, %v", whole.Held, err, want, sqlsink.ErrHeld)
	}
	if got := p.rows(t, "SELECT COUNT(*) FROM kit_department"); got[0] != "20" {
		t.Errorf("%v departments are left, want 20", got)
	}
	if _, err := s.Reconcile(t.Context(), v, sqlsink.WholeOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := p.rows(t, "SELECT COUNT(*) FROM kit_department"); got[0] != "0" {
		t.Errorf("%v departments are left, want 0", got)
	}
}
