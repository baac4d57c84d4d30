package orgsynctest

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

func transactionCases() []storeCase {
	return []storeCase{
		{"an update that fails leaves nothing", func(t *storeTest) {
			t.openSinks("ldap")
			t.announce(acme())
			before := everything(t, acme())
			err := t.store.Update(t.Context(), acme(), func(tx orgsync.Tx) error {
				writeSomething(t, tx)
				return errWanted
			})
			if err == nil {
				t.Fatal("Update returned nil, want the error of its function")
			}
			same(t.T, "rows after a failed update", before, everything(t, acme()))
			t.idle("ldap", midnight())
		}},
		{"a function that panics leaves nothing and blocks nobody", func(t *storeTest) {
			before := everything(t, acme())
			func() {
				defer func() { _ = recover() }()
				_ = t.store.Update(t.Context(), acme(), func(tx orgsync.Tx) error {
					writeSomething(t, tx)
					panic(errWanted)
				})
			}()
			same(t.T, "rows after a panic", before, everything(t, acme()))
		}},
		{"updates of one tenant stand in line", func(t *storeTest) {
			const workers, rounds = 4, 10
			var group sync.WaitGroup
			for range workers {
				group.Go(func() {
					for range rounds {
						if err := t.store.Update(t.Context(), acme(), appendToOrder); err != nil {
							t.Errorf("Update = %v", err)
						}
					}
				})
			}
			group.Wait()
			t.update(acme(), func(tx orgsync.Tx) error {
				instances, err := tx.Instances()
				if len(instances) != 1 || len(instances[0].OrderID) != workers*rounds {
					t.Errorf("after %d updates: %+v", workers*rounds, instances)
				}
				return err
			})
		}},
		{"tenants and realms share nothing", func(t *storeTest) {
			test := orgsync.Scope{Realm: orgsync.Test, Tenant: acme().Tenant}
			other := orgsync.Scope{Realm: orgsync.Production, Tenant: "acme2"}
			before, beforeOther := everything(t, test), everything(t, other)
			t.update(acme(), func(tx orgsync.Tx) error { writeSomething(t, tx); return nil })
			same(t.T, "the other realm", before, everything(t, test))
			same(t.T, "the other tenant", beforeOther, everything(t, other))
		}},
	}
}

// appendToOrder is a read and a write that depends on it.
func appendToOrder(tx orgsync.Tx) error {
	instances, err := tx.Instances()
	if err != nil {
		return err
	}
	i := orgsync.InstanceOf(instances, "i")
	i.OrderID += "x"
	return tx.PutInstance(i)
}

// writeSomething writes to every table.
func writeSomething(t *storeTest, tx orgsync.Tx) {
	t.Helper()
	rec, err := tx.Record(push("something"))
	for _, err := range []error{
		err,
		tx.Settle(rec.ID, orgsync.AnswerInvalid, orgsync.Tally{1, 2, 3, 4, 5}),
		tx.PutTenant(orgsync.Tenant{ID: "acme", Name: "Acme", Announced: true}),
		tx.PutInstance(orgsync.Instance{ID: "i", Bound: version(1)}),
		tx.PutCredential(orgsync.Credential{Instance: "i", App: "a", Version: version(1), ClientID: "client"}),
		tx.PutGrants([]orgsync.Grant{{Instance: "i", App: "a", User: "u", Granted: version(1)}}),
		tx.PutUsers([]orgsync.User{{Name: "u", Status: orgsync.StatusEnabled}}),
		tx.PutAssertions([]orgsync.Assertion{{Instance: "i", Code: "d", Version: version(1)}}),
		tx.PutDepartments([]orgsync.Department{{Code: "d", Live: true, Parent: "top"}}),
		tx.Park([]orgsync.ParkedChange{{ID: "p", Instance: "i", Reason: "because"}}),
		tx.MarkDirty([]orgsync.DirtyKey{{Key: userKey("u")}}),
	} {
		if err != nil {
			t.Fatalf("write: %v", err)
		}
	}
}

// everything reads what writeSomething writes.
func everything(t *storeTest, scope orgsync.Scope) []any {
	t.Helper()
	var all []any
	add := func(row any, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		all = append(all, row)
	}
	t.update(scope, func(tx orgsync.Tx) error {
		all = nil
		add(tx.Instances())
		add(tx.Credential("i", "a"))
		add(tx.Grants([]orgsync.UserName{"u"}))
		add(tx.UserNames("", 10))
		add(tx.Assertions([]orgsync.OrgCode{"d"}))
		add(tx.Departments([]orgsync.OrgCode{"d"}))
		add(tx.Children([]orgsync.OrgCode{"top"}))
		add(tx.Codes())
		add(tx.Parked([]string{"p"}))
		return nil
	})
	if scope.Realm == orgsync.Production {
		add(t.store.View(scope.Tenant).Users(t.Context(), []orgsync.UserName{"u"}))
	}
	return all
}

func push(nonce string) orgsync.Push {
	return orgsync.Push{
		Kind: orgsync.AuthSync, Nonce: nonce, Digest: sha256.Sum256([]byte(nonce)), Body: []byte(`{"user":"张三"}`),
		Signed: midnight(), Received: midnight().Add(time.Second), Candidate: "raw",
	}
}

func journalCases() []storeCase {
	return []storeCase{
		{"a push is recorded once", func(t *storeTest) {
			var first orgsync.Recorded
			t.update(acme(), func(tx orgsync.Tx) (err error) {
				if first, err = tx.Record(push("n")); err != nil {
					return err
				}
				return tx.Settle(first.ID, orgsync.AnswerSecret, orgsync.Tally{})
			})
			want := orgsync.Recorded{ID: first.ID, Digest: push("n").Digest}
			same(t.T, "the first time", want, first)
			want.Known, want.Answer = true, orgsync.AnswerSecret
			changed := push("n")
			changed.Digest = sha256.Sum256([]byte("another body"))
			for _, scope := range []orgsync.Scope{acme(), {Realm: orgsync.Test, Tenant: "acme"}, {Tenant: "other"}} {
				t.update(scope, func(tx orgsync.Tx) error {
					again, err := tx.Record(changed)
					same(t.T, "again, with another body", want, again)
					return err
				})
			}
		}},
		{"pushes are numbered in order, and kinds have nonces of their own", func(t *storeTest) {
			last := orgsync.JournalID(0)
			for _, kind := range []orgsync.Kind{orgsync.AuthSync, orgsync.TenantSync, orgsync.AllOrgSync} {
				for _, nonce := range []string{"n", "N", "", "n\x00", "\xff"} {
					p := push(nonce)
					p.Kind = kind
					t.update(acme(), func(tx orgsync.Tx) error {
						rec, err := tx.Record(p)
						if rec.Known || rec.ID <= last {
							t.Errorf("Record(%s, %q) = %+v after %d", kind, nonce, rec, last)
						}
						last = rec.ID
						return err
					})
				}
			}
		}},
		{"a push that nobody recorded cannot be settled", func(t *storeTest) {
			err := t.store.Update(t.Context(), acme(), func(tx orgsync.Tx) error {
				return tx.Settle(4711, orgsync.AnswerOK, orgsync.Tally{})
			})
			if err == nil {
				t.Error("Settle = nil, want an error")
			}
		}},
	}
}

func registerCases() []storeCase {
	return []storeCase{
		{"what is unknown is empty", func(t *storeTest) {
			t.update(acme(), func(tx orgsync.Tx) error {
				c, err := tx.Credential("i", "a")
				same(t.T, "credential", orgsync.Credential{Instance: "i", App: "a"}, c)
				return err
			})
		}},
		{"instances and credentials come back", func(t *storeTest) {
			i := orgsync.Instance{
				ID: "i", OrderID: "CS1", Bound: version(1), Modified: version(2), Ended: version(3), Listed: version(4),
				Code: orgsync.Register{Value: "acme", Version: version(5)}, Name: orgsync.Register{Value: "示例", Version: version(6)},
				Domain: orgsync.Register{Value: "https://a.example", Version: version(7)}, Mark: version(8).Moment(),
			}
			empty := orgsync.Instance{ID: ""}
			c := orgsync.Credential{
				Instance: "i", App: "a", Version: version(1), Unbound: true, ClientID: "client", ClientSecret: "s3cret", Mark: version(2).Moment(),
			}
			t.update(acme(), func(tx orgsync.Tx) error {
				put(t, tx.PutInstance(orgsync.Instance{ID: "i", OrderID: "older"}), tx.PutInstance(i), tx.PutInstance(empty))
				put(t, tx.PutCredential(orgsync.Credential{Instance: "i", App: "a", ClientSecret: "older"}), tx.PutCredential(c))
				return nil
			})
			t.update(acme(), func(tx orgsync.Tx) error {
				instances, err := tx.Instances()
				put(t, err)
				same(t.T, "instances", []orgsync.Instance{empty, i}, instances)
				credential, err := tx.Credential("i", "a")
				same(t.T, "credential", c, credential)
				if credential.ClientSecret != "s3cret" {
					t.Error("the client secret is another")
				}
				return err
			})
		}},
		{"grants come back with each register", func(t *storeTest) {
			full := orgsync.Grant{
				Instance: "i", App: "a", User: "u", Granted: version(1), Changed: version(2), Revoked: version(3), Removed: version(4),
				Mark: version(5).Moment(),
			}
			for a := range full.Attributes {
				full.Attributes[a] = orgsync.Register{Value: fmt.Sprintf("%d, 张 '\"\\", a), Version: version(10 + a%3)}
			}
			cleared := orgsync.Grant{Instance: "i", App: "b", User: "u"}
			cleared.Attributes[orgsync.AttrEmail] = orgsync.Register{Version: version(1)}
			t.update(acme(), func(tx orgsync.Tx) error {
				return tx.PutGrants([]orgsync.Grant{{Instance: "i", App: "a", User: "u"}, full, cleared, {User: "other"}})
			})
			t.update(acme(), func(tx orgsync.Tx) error {
				grants, err := tx.Grants([]orgsync.UserName{"u", "nobody", `"quoted"`})
				same(t.T, "grants", map[orgsync.UserName][]orgsync.Grant{"u": {full, cleared}}, grants)
				return err
			})
		}},
		{"a push of 500 users comes back", func(t *storeTest) {
			names := make([]orgsync.UserName, 0, 500)
			grants := make([]orgsync.Grant, 0, 500)
			for n := range 500 {
				name := orgsync.UserName(fmt.Sprintf("user%03d", n))
				names = append(names, name)
				grants = append(grants, orgsync.Grant{User: name, Instance: "i", App: "a", Granted: version(n)})
			}
			t.update(acme(), func(tx orgsync.Tx) error { return tx.PutGrants(grants) })
			t.update(acme(), func(tx orgsync.Tx) error {
				found, err := tx.Grants(names)
				for n, name := range names {
					if len(found[name]) != 1 || found[name][0] != grants[n] {
						t.Fatalf("grants of %s = %+v", name, found[name])
					}
				}
				listed, _ := tx.UserNames("", 1000)
				same(t.T, "names", names, listed)
				return err
			})
		}},
		{"names are listed in byte order, page by page", func(t *storeTest) {
			want := []orgsync.UserName{"A", "Z", "a", "a%", "a_", "z", "é", "张三", "🙂"}
			t.update(acme(), func(tx orgsync.Tx) error {
				for _, name := range want {
					put(t, tx.PutGrants([]orgsync.Grant{{User: name, App: "a"}, {User: name, App: "b"}}))
				}
				return nil
			})
			t.update(acme(), func(tx orgsync.Tx) error {
				var got []orgsync.UserName
				for after := orgsync.UserName(""); ; {
					page, err := tx.UserNames(after, 2)
					if err != nil || len(page) == 0 {
						same(t.T, "names", want, got)
						return err
					}
					got = append(got, page...)
					after = page[len(page)-1]
				}
			})
		}},
	}
}

func put(t *storeTest, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatalf("store: %v", err)
		}
	}
}
