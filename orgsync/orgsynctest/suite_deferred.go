package orgsynctest

import (
	"errors"
	"strings"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// waiting is a message that waits, long enough to be worth not reading.
func waiting(id orgsync.JournalID) orgsync.Deferred {
	m := orgsync.Message{
		Kind: orgsync.SingleOrgSync, Flag: orgsync.FlagRemove, Tenant: acme().Tenant, Instance: "i\x00\xff", At: midnight(), Stamp: midnight(),
		Departments: []orgsync.DepartmentChange{{Code: "d\x01", Name: strings.Repeat("name", 1000)}},
	}
	return orgsync.Deferred{
		Journal: id, Header: m.Header(), Message: m, Wait: orgsync.WaitGuard, Reason: "removes 60 departments", Content: [32]byte{1, 2, 3},
	}
}

func deferredCases() []storeCase {
	return []storeCase{
		{"waiting messages are listed without what they say", func(t *storeTest) {
			held, future := waiting(2), waiting(1)
			future.Wait, future.Due = orgsync.WaitFuture, midnight().Add(time.Hour)
			t.update(acme(), func(tx orgsync.Tx) error { return errors.Join(tx.Defer(held), tx.Defer(future)) })
			t.update(acme(), func(tx orgsync.Tx) error {
				got, err := tx.Deferred()
				want := []orgsync.Deferred{future, held}
				for n := range want {
					want[n].Message = orgsync.Message{}
				}
				same(t.T, "waiting messages", want, got)
				return err
			})
			t.update(acme(), func(tx orgsync.Tx) error {
				got, err := tx.DeferredMessage(2)
				// Keys of strangers are any bytes; what is kept of them is valid text.
				want := held.Message
				got.Instance, want.Instance = "", ""
				same(t.T, "waiting message", want, got)
				return err
			})
		}},
		{"a waiting message is replaced and given up by its number", func(t *storeTest) {
			rejected := waiting(1)
			rejected.Rejected, rejected.Message = true, orgsync.Message{}
			t.update(acme(), func(tx orgsync.Tx) error { return errors.Join(tx.Defer(waiting(1)), tx.Defer(waiting(2))) })
			t.update(acme(), func(tx orgsync.Tx) error { return errors.Join(tx.Defer(rejected), tx.Undefer(2), tx.Undefer(3)) })
			t.update(acme(), func(tx orgsync.Tx) error {
				got, err := tx.Deferred()
				same(t.T, "waiting messages", []orgsync.Deferred{rejected}, got)
				return err
			})
			for _, id := range []orgsync.JournalID{2, 3} {
				t.update(acme(), func(tx orgsync.Tx) error {
					if _, err := tx.DeferredMessage(id); !errors.Is(err, orgsync.ErrNotFound) {
						t.Errorf("DeferredMessage(%d) = %v, want ErrNotFound", id, err)
					}
					return nil
				})
			}
		}},
	}
}
