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
		{"a tenant is forgotten, and nobody else", func(t *storeTest) {
			fill := func(tx orgsync.Tx) error {
				var tally orgsync.Tally
				tally[orgsync.Applied], tally[orgsync.Parked], tally[orgsync.Held], tally[orgsync.Stale] = 1, 2, 3, 4
				_, recorded := tx.Record(orgsync.Push{Kind: orgsync.AuthSync, Nonce: "n", Body: []byte("body")})
				return errors.Join(
					recorded, tx.Count(tally),
					tx.PutInstance(orgsync.Instance{ID: "i", Bound: version(1)}),
					tx.PutCredential(orgsync.Credential{Instance: "i", App: "a", Version: version(1), ClientSecret: "secret"}),
					tx.PutGrants([]orgsync.Grant{{Instance: "i", App: "a", User: "u", Granted: version(1)}}),
					tx.PutUsers([]orgsync.User{{Name: "u", Status: orgsync.StatusEnabled}}),
					tx.PutAssertions([]orgsync.Assertion{{Instance: "i", Code: "d", Version: version(1)}}),
					tx.PutDepartments([]orgsync.Department{{Code: "d", Live: true}}),
					tx.Park([]orgsync.ParkedChange{{ID: "p", Reason: orgsync.ReasonUnbound}}),
					tx.Defer(waiting(1)), tx.NoteDestroyed(midnight(), 3),
				)
			}
			other := orgsync.Scope{Realm: orgsync.Production, Tenant: "other"}
			t.update(other, fill)
			t.update(acme(), fill)
			t.update(acme(), func(tx orgsync.Tx) error { return tx.Forget() })
			for scope, left := range map[orgsync.Scope]int{acme(): 0, other: 1} {
				t.update(scope, func(tx orgsync.Tx) error {
					credentials, err1 := tx.Credentials()
					names, err2 := tx.UserNames("", 10)
					grants, err3 := tx.Grants([]orgsync.UserName{"u"})
					codes, err4 := tx.Codes()
					departments, err5 := tx.Departments([]orgsync.OrgCode{"d"})
					parked, err6 := tx.Parked([]string{"p"})
					deferred, err7 := tx.Deferred()
					destroyed, err8 := tx.Destroyed(midnight().Add(-time.Hour))
					instances, err9 := tx.Instances()
					same(t.T, "rows left of "+string(scope.Tenant), []int{left, left, left, left, left, left, left, 3 * left, 1}, []int{
						len(credentials), len(names), len(grants), len(codes), len(departments), len(parked), len(deferred), destroyed, len(instances),
					})
					return errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9)
				})
			}
			users, err := t.store.View("acme").Users(t.Context(), []orgsync.UserName{"u"})
			put(t, err)
			same(t.T, "users", map[orgsync.UserName]orgsync.User{}, users)
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
