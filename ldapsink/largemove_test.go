package ldapsink_test

import (
	"fmt"
	"testing"

	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestMoveOfALargeDepartment: to move a department with a great many users takes one write where
// users stand in one place, and one ModifyDN, with what that makes of the groups, where they
// stand below their departments.
func TestMoveOfALargeDepartment(t *testing.T) {
	t.Parallel()
	for name, layout := range map[string]ldapsink.Layout{"people": ldapsink.People, "tree": ldapsink.Tree} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := emptyFixture(t, nil)
			f.sink = f.open(func(c *ldapsink.Config) { c.Layout = layout })
			f.state.department("east", "东", "")
			f.state.department("west", "西", "")
			f.state.department("moving", "动", "east")
			f.state.department("below", "下", "moving")
			for i := range 2000 {
				f.state.user(fmt.Sprintf("user%05d", i), "某", map[bool]string{true: "moving", false: "below"}[i%2 == 0])
			}
			f.all()
			_, writes := f.converge(f.state.department("moving", "动", "west"))
			var renames, groups, others int
			for _, o := range writes {
				switch {
				case o.Kind == ldapsink.Rename:
					renames++
				case o.ID.Kind == ldapsink.DepartmentGroup || o.ID.Kind == ldapsink.RoleGroup:
					groups++
				default:
					others++
				}
			}
			wantGroups := map[ldapsink.Layout]int{ldapsink.People: 0, ldapsink.Tree: 4}[layout] // moving, below, user in two parts
			if renames != 1 || groups != wantGroups || others != 0 {
				t.Errorf("%d renames, %d writes of groups, %d others; want 1, %d, 0", renames, groups, others, wantGroups)
			}
			if writes := f.must(orgsync.Key{Kind: orgsync.DepartmentKey, ID: "moving"}, userKey("user00001")); len(writes) > 0 {
				t.Errorf("wrote %v again", writes)
			}
			if planned := f.plan(ldapsink.WholeOptions{}); len(planned.Operations) > 0 {
				t.Errorf("left to do: %v", shortly(planned.Operations))
			}
		})
	}
}
