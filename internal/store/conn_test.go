package store_test

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/store"
)

// TestAnswersGoFirst: a transaction that the marketplace waits for stands behind the one
// under way, however many that nobody waits for came before it.
func TestAnswersGoFirst(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.Context(), cfg)
		put(t, err)
		var group sync.WaitGroup
		var order []string // under the store's only writer
		begin := func(durable bool, name string, wait <-chan struct{}) {
			group.Go(func() {
				put(t, s.InTx(t.Context(), durable, func() {
					order = append(order, name)
					if wait != nil {
						<-wait
					}
				}))
			})
			synctest.Wait()
		}
		lane := make(chan struct{})
		begin(false, "first lane", lane)
		for range 3 {
			begin(false, "lane", nil)
		}
		begin(true, "push", nil)
		begin(true, "push", nil)
		close(lane)
		group.Wait()
		want := []string{"first lane", "push", "push", "lane", "lane", "lane"}
		if diff := cmp.Diff(want, order); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		closeStore(t, s)
	})
}
