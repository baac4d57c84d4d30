package ldapsink_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestTwinsEverywhere: names that a server takes for the same are told apart where it does,
// and otherwise one of them keeps the entry and nobody loses anything.
func TestTwinsEverywhere(t *testing.T) {
	t.Parallel()
	pairs := []struct {
		name, a, b string
		compatible bool // only OpenLDAP takes them for the same
	}{
		{"case", "TeamA", "teama", false},
		{"blanks", "a b", "a  b", false},
		{"width", "研发A", "研发Ａ", true},
		{"composition", "caf\u00e9", "cafe\u0301", true},
	}
	for _, kind := range targets() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			dir := kind.start(t)
			for n, pair := range pairs {
				t.Run(pair.name, func(t *testing.T) {
					f := emptyFixture(t, dir)
					f.sink = f.open(func(c *ldapsink.Config) { c.Layout = ldapsink.Tree })
					f.state.tenant.ID = orgsync.TenantID(fmt.Sprintf("twin%d", n))
					a, b := f.state.department(pair.a, "甲", ""), f.state.department(pair.b, "乙", "")
					zhang, li := f.state.user("zhang", "张", pair.a), f.state.user("li", "李", pair.b)
					results, _ := f.converge(a, b, zhang, li)
					failed := 0
					for _, k := range []orgsync.Key{a, b} {
						if results[k].Err != nil {
							failed++
						}
					}
					same := !pair.compatible || kind.folding == ldapsink.FoldCompatible
					if want := map[bool]int{true: 1, false: 0}[same]; failed != want {
						t.Errorf("%d departments failed, want %d: %v", failed, want, results)
					}
					for _, k := range []orgsync.Key{zhang, li} {
						if results[k].Err != nil {
							t.Errorf("%s: %v, want them there whatever becomes of the department", k, results[k].Err)
						}
					}
					// The one that lost gets the name when the other goes.
					f.state.remove(pair.a)
					f.must(a)
					f.must(b, zhang, li)
					if whole := f.plan(ldapsink.WholeOptions{}); len(whole.Operations)+len(whole.Reports) > 0 {
						t.Errorf("left to do: %v %v", whole.Operations, whole.Reports)
					}
				})
			}
		})
	}
}

// TestNameOfOneThatMoved: where a department moves away and another one, whose code folds to the
// same, takes its name, the groups hold the users of both by the names that they have.
func TestNameOfOneThatMoved(t *testing.T) {
	t.Parallel()
	f := emptyFixture(t, nil)
	f.sink = f.open(func(c *ldapsink.Config) { c.Layout = ldapsink.Tree })
	f.state.department("team", "甲", "")
	f.state.user("old", "旧", "team")
	fresh := f.state.user("new", "新", "Team")
	f.all()
	results, _ := f.converge(f.state.department("team", "甲", "nobody knows"), f.state.department("Team", "乙", ""), fresh)
	if err := results[fresh].Err; err != nil {
		t.Errorf("the user of the department that came: %v", err)
	}
	want := []string{"uid=new,ou=Team,ou=departments", "uid=old,ou=team,ou=pending"}
	if got := f.members("cn=user,ou=roles"); !slices.Equal(got, want) {
		t.Errorf("the members are %q, want %q", got, want)
	}
}
