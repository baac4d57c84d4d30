package ldapsink_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/ldapsink"
)

// TestReconcileResumes: a reconciliation that is cut off anywhere is not begun anew: the next
// one knows what was done for ours, and does the rest.
func TestReconcileResumes(t *testing.T) {
	t.Parallel()
	for _, layout := range []ldapsink.Layout{ldapsink.People, ldapsink.Tree} {
		for _, after := range []int64{1, 7, 20, 40, 70, 90} {
			t.Run(fmt.Sprintf("layout %d, after %d", layout, after), func(t *testing.T) {
				t.Parallel()
				f := emptyFixture(t, nil)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var n atomic.Int64
				f.sink = f.open(func(c *ldapsink.Config) {
					observe := c.Observe
					c.Layout = layout
					c.Observe = func(o ldapsink.Operation, err error) {
						observe(o, err)
						if n.Add(1) == after {
							cancel()
						}
					}
				})
				for i := range 5 {
					f.state.department(fmt.Sprint("d", i), "部", map[bool]string{true: "d0"}[i > 0])
				}
				for i := range 70 {
					f.state.user(fmt.Sprintf("u%02d", i), "某", fmt.Sprint("d", i%5))
				}
				planned := f.plan(ldapsink.WholeOptions{})
				f.writes = nil
				if _, err := f.sink.Reconcile(ctx, f.state, ldapsink.WholeOptions{}); !errors.Is(err, context.Canceled) {
					t.Fatalf("Reconcile that is cut off = %v", err)
				}
				first := f.adds()
				f.reconcile(ldapsink.WholeOptions{})
				want := map[ldapsink.EntryID]int{}
				for _, o := range planned.Operations {
					if o.Kind == ldapsink.Add {
						want[o.ID] = 1
					}
				}
				for id, count := range f.adds() {
					first[id] += count
				}
				if diff := cmp.Diff(want, first); diff != "" {
					t.Errorf("added in both (-want +got):\n%s", diff)
				}
				if again := f.plan(ldapsink.WholeOptions{}); len(again.Operations)+len(again.Adopted) > 0 {
					t.Errorf("left to do: %v, %v", shortly(again.Operations), again.Adopted)
				}
			})
		}
	}
}

// adds counts the entries that were added since the writes were forgotten.
func (f *fixture) adds() map[ldapsink.EntryID]int {
	n := map[ldapsink.EntryID]int{}
	for _, o := range f.writes {
		if o.Kind == ldapsink.Add {
			n[o.ID]++
		}
	}
	return n
}
