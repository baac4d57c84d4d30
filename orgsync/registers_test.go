package orgsync_test

import (
	"context"
	"fmt"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/orgsync"
)

// inEveryOrder says the messages to a tenant that is bound, in every order.
func inEveryOrder(t *testing.T, messages []orgsync.Message, check func(order string, d *desk)) {
	t.Helper()
	list := make([]said, 0, len(messages))
	for _, m := range messages {
		list = append(list, said{m})
	}
	permute(list, func(order []said) {
		d := newDesk(t)
		d.say(tenant(add, 0))
		for _, m := range order {
			d.say(m.Message)
		}
		check(fmt.Sprint(order), d)
	})
}

// u1 is the user as the sinks see them, and the only grant.
func (d *desk) u1() (orgsync.User, orgsync.Grant) {
	d.t.Helper()
	users, err := d.store.View(tenantID).Users(d.t.Context(), []orgsync.UserName{"u1"})
	if err != nil {
		d.t.Fatal(err)
	}
	var grants []orgsync.Grant
	if err := d.store.Update(context.Background(), scope(), func(tx orgsync.Tx) error {
		all, err := tx.Grants([]orgsync.UserName{"u1"})
		grants = all["u1"]
		return err
	}); err != nil {
		d.t.Fatal(err)
	}
	if len(grants) != 1 {
		d.t.Fatalf("there are %d grants of u1, want one", len(grants))
	}
	return users["u1"], grants[0]
}

// TestRemovalIsAFloor: who was removed and is added again is nobody's heir. An admin who
// left is not an admin when the name comes back without a word about the role.
func TestRemovalIsAFloor(t *testing.T) {
	t.Parallel()
	inEveryOrder(t, []orgsync.Message{
		user(add, 1, "name=one", "role=admin", "mobile=1", "position=boss"), user(remove, 2), user(add, 3, "name=two"),
	}, func(order string, d *desk) {
		if diff := gocmp.Diff(map[string]string{"u1": "enabled role=user name=two"}, seen(t, d.store).Users); diff != "" {
			t.Errorf("%s (-want +got)\n%s", order, diff)
		}
		u, _ := d.u1()
		if diff := gocmp.Diff([]orgsync.UserGrant{{App: "a", Role: orgsync.RoleUser, Enabled: true}}, u.Grants); diff != "" {
			t.Errorf("%s: grants (-want +got)\n%s", order, diff)
		}
	})
}

// TestRevocationKeepsAttributes: taking the authorisation back forgets nothing.
func TestRevocationKeepsAttributes(t *testing.T) {
	t.Parallel()
	inEveryOrder(t, []orgsync.Message{
		user(add, 1, "name=one", "role=admin", "mobile=1"), user(revoke, 2), user(add, 3),
	}, func(order string, d *desk) {
		if diff := gocmp.Diff(map[string]string{"u1": "enabled role=admin name=one mobile=1"}, seen(t, d.store).Users); diff != "" {
			t.Errorf("%s (-want +got)\n%s", order, diff)
		}
	})
}

// TestGeneration: it is the time of the newest removal, and nothing else changes it.
func TestGeneration(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		messages []orgsync.Message
		second   int // 0: never removed
	}{
		"never removed":   {[]orgsync.Message{user(add, 1), user(revoke, 2), user(add, 3)}, 0},
		"removed once":    {[]orgsync.Message{user(add, 1), user(remove, 2), user(add, 3), user(revoke, 4)}, 2},
		"removed twice":   {[]orgsync.Message{user(add, 1), user(remove, 2), user(add, 3), user(remove, 4)}, 4},
		"the tenant ends": {[]orgsync.Message{user(add, 1), user(remove, 2), tenant(remove, 5), tenant(add, 6), user(add, 7)}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := int64(0)
			if c.second != 0 {
				want = at(c.second).UnixMilli()
			}
			inEveryOrder(t, c.messages, func(order string, d *desk) {
				if u, _ := d.u1(); u.Generation != want {
					t.Errorf("%s: generation %d, want %d", order, u.Generation, want)
				}
			})
		})
	}
}

// TestMarksRevokeSessions: whatever takes access away from a grant leaves a mark that a
// later grant does not take back, so that no session from before lives again.
func TestMarksRevokeSessions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		message orgsync.Message
		second  int // 0: no mark
	}{
		"removed":              {user(remove, 2), 2},
		"revoked":              {user(revoke, 2), 2},
		"switched off":         {user(modify, 2, "enable=false"), 2},
		"added, switched off":  {user(add, 2, "enable=false"), 2},
		"switched on":          {user(modify, 2, "enable=true"), 0},
		"made less than admin": {user(modify, 2, "role=user"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := orgsync.Moment("")
			if c.second != 0 {
				want = orgsync.NewVersion(at(c.second), at(c.second), orgsync.RankAdd, nil, 0).Moment()
			}
			inEveryOrder(t, []orgsync.Message{user(add, 1, "role=admin"), c.message, user(add, 3)}, func(order string, d *desk) {
				u, g := d.u1()
				if u.Status != orgsync.StatusEnabled || g.Mark != want {
					t.Errorf("%s: %v with the mark %x, want enabled with %x", order, u.Status, g.Mark, want)
				}
			})
		})
	}
}

// TestAccessIsReducedFirst: of what a sink is owed, whoever loses access comes first,
// whatever was said before.
func TestAccessIsReducedFirst(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]orgsync.Message{
		"removed": user(remove, 9), "revoked": user(revoke, 9), "switched off": user(modify, 9, "enable=false"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			if err := d.store.OpenSinks(t.Context(), []string{"s"}); err != nil {
				t.Fatal(err)
			}
			d.say(tenant(add, 1), user(add, 2), list(3, "A"))
			d.settle("s")
			other := user(add, 4)
			other.Users[0].Name = "a0"
			d.say(other, department(add, 5, "A", ""), department(add, 6, "B", ""), message)
			lane, err := d.store.Claim(t.Context(), "s", at(100), at(200), 10)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, k := range lane.Keys {
				got = append(got, k.String())
			}
			if len(got) == 0 || got[0] != `user "u1"` {
				t.Errorf("owed %v, want the user who lost access first", got)
			}
		})
	}
}
