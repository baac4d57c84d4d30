//go:build integration

package integration_test

import (
	"database/sql"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// command runs kitbridge beside a bridge, with its configuration, and returns what it
// prints.
func (b *bridge) command(t testing.TB, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), binary, append(args, "--config", filepath.Join(b.dir, "kitbridge.yaml"))...)
	c.Dir = b.dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("kitbridge %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// standing is what kitbridge status --json says about whose the sinks are.
type sinkStanding struct {
	Sinks []struct {
		Name   string `json:"name"`
		Closed bool   `json:"closed"`
		Fault  string `json:"fault"`
	} `json:"sinks"`
	Restored *struct {
		FoundBy    string    `json:"found_by"`
		LastPushAt time.Time `json:"last_push_at"`
		Tenants    []struct {
			TenantID    string `json:"tenant_id"`
			PushedSince bool   `json:"pushed_since"`
		} `json:"tenants"`
	} `json:"restored"`
}

func (b *bridge) sinkStanding(t testing.TB) (s sinkStanding) {
	t.Helper()
	if err := json.Unmarshal([]byte(b.command(t, "status", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// closes waits until both sinks are closed to the bridge, for that reason.
func (b *bridge) closes(t testing.TB, why string) {
	t.Helper()
	await(t, 30*time.Second, func() string {
		for _, s := range b.sinkStanding(t).Sinks {
			if !s.Closed || !strings.Contains(s.Fault, why) {
				return s.Name + ": " + s.Fault
			}
		}
		return ""
	})
}

// smallBuyer is one with three users in two departments.
func smallBuyer(id string) *buyer {
	b := newBuyer(id)
	b.departments["hq"] = department{name: "总部"}
	b.departments["rd"] = department{name: "研发部", parent: "hq"}
	for _, name := range []string{"zhang", "li", "wang"} {
		b.users[name] = user{name: name, orgCode: "rd", role: "user", standing: userEnabled}
	}
	return b
}

// TestTwoBridges: a bridge on PostgreSQL that is set up with the directory and the tables
// of one on SQLite writes nothing there until it is told to take them over, deletes nothing
// when it does, and then the first one writes nothing.
func TestTwoBridges(t *testing.T) {
	t.Parallel()
	directory, database := peers.Slapd(t, peers.SlapdOptions{MemberOf: true, RefInt: true}).URL(), peers.MariaDB(t).Product()
	first := startScene(t, directory, database)
	ours, theirs := smallBuyer("11111111111111111111111111111111"), smallBuyer("22222222222222222222222222222222")
	at := anHourAgo()
	first.deliver(t, ours.binding(t, at)...)
	first.settles(t, 20*time.Second, ours)

	second := &scene{bridge: startReplicas(t, 1, ldapSink(directory)+sqlSink(database))[0], directory: directory, tables: first.tables}
	second.deliver(t, theirs.binding(t, at)...)
	second.closes(t, "belongs to bridge")
	first.settles(t, 5*time.Second, ours)
	if got := readTenant(t, directory, theirs); len(got) > 0 {
		t.Errorf("the second bridge wrote to the directory: %v", sortedKeys(got))
	}
	if rows := readRows(t, first.tables, "SELECT tenant_id FROM kit_tenant"); len(rows) != 1 {
		t.Errorf("the second bridge wrote to the tables: %v", rows)
	}
	for _, sink := range []string{"corp", "product"} {
		if got := second.command(t, "take-over", sink); !strings.Contains(got, "is this bridge's now") {
			t.Errorf("take-over %s says %q", sink, got)
		}
	}
	second.settles(t, 30*time.Second, theirs, ours) // what it does not know is still there
	first.closes(t, "belongs to bridge")
	after := ours.clone()
	after.users["sun"] = user{name: "sun", orgCode: "rd", role: "user", standing: userEnabled}
	first.deliver(t, after.authorise(flagAdd, at.Add(time.Minute), "sun"))
	theirs.users["sun"] = user{name: "sun", orgCode: "rd", role: "user", standing: userEnabled}
	second.deliver(t, theirs.authorise(flagAdd, at.Add(time.Minute), "sun"))
	second.settles(t, 20*time.Second, theirs, ours)

	// The other way, at start.
	second.Stop()
	first.Stop()
	first.Process = peers.Run(t, peers.Program{
		Name: "kitbridge", Dir: first.dir, Ready: first.healthy,
		Args: []string{binary, "serve", "--config", filepath.Join(first.dir, "kitbridge.yaml"), "--take-over", "corp", "--take-over", "product"},
	})
	first.settles(t, 20*time.Second, after, theirs)
}

// TestRestore: after a restore nothing that was written since the backup is undone, the gap
// is told, what was pushed in it is accepted again, and then the sinks hold all of it.
func TestRestore(t *testing.T) {
	t.Parallel()
	directory, database := peers.Slapd(t, peers.SlapdOptions{MemberOf: true, RefInt: true}).URL(), peers.MariaDB(t).Product()
	s := startScene(t, directory, database)
	b := smallBuyer("33333333333333333333333333333333")
	at := anHourAgo()
	s.deliver(t, b.binding(t, at)...)
	s.settles(t, 20*time.Second, b)
	file := filepath.Join(t.TempDir(), "backup.db")
	if got := s.command(t, "backup", file); !strings.Contains(got, "kitbridge.key") {
		t.Errorf("backup says %q, and not that the key file is needed", got)
	}

	// In the gap: one comes, one goes.
	b.users["sun"] = user{name: "sun", orgCode: "rd", role: "admin", standing: userEnabled}
	come := b.authorise(flagAdd, at.Add(time.Minute), "sun")
	gone := b.withdraw(flagRemove, at.Add(2*time.Minute), "li")
	pushes := []signed{signedPush(t, come.name, come.body), signedPush(t, gone.name, gone.body)}
	for _, p := range pushes {
		if got := s.mustSend(t, p); got.Code != accepted {
			t.Fatalf("%s answered %+v", p.name, got)
		}
	}
	s.settles(t, 20*time.Second, b)
	await(t, 30*time.Second, func() string { // the entry says so within ten seconds
		mark := readRows(t, s.tables, "SELECT mark FROM kit_meta")[0][0]
		if e := readDirectory(t, directory, "cn=kitbridge,"+peers.BaseDN)["cn=kitbridge,"+peers.BaseDN]; !strings.HasSuffix(strings.Join(e["description"], ""), mark) {
			return strings.Join(e["description"], "") + ", want " + mark
		}
		return ""
	})
	uuids := s.uuids(t, b)

	s.Stop()
	if got := s.command(t, "restore", file); !strings.Contains(got, "RESTORED: ") {
		t.Errorf("restore says %q", got)
	}
	s.Start()
	s.closes(t, "restored from an older copy")
	s.settles(t, 5*time.Second, b) // as it was
	standing := s.sinkStanding(t)
	if r := standing.Restored; r == nil || r.LastPushAt.IsZero() || len(r.Tenants) != 1 || r.Tenants[0].TenantID != b.id || r.Tenants[0].PushedSince {
		t.Errorf("status says %+v of the gap", r)
	}
	for _, p := range pushes { // the same, byte for byte
		if got := s.mustSend(t, p); got.Code != accepted {
			t.Errorf("%s again answered %+v", p.name, got)
		}
	}
	if r := s.sinkStanding(t).Restored; r == nil || !r.Tenants[0].PushedSince {
		t.Errorf("after the pushes status says %+v", r)
	}
	for _, sink := range []string{"corp", "product"} {
		s.command(t, "take-over", sink)
	}
	s.command(t, "restore", "--settled")
	b.users["sun"] = user{name: "sun", orgCode: "hq", role: "user", standing: userEnabled}
	s.deliver(t, b.authorise(flagAdd, at.Add(3*time.Minute), "sun"))
	s.settles(t, 30*time.Second, b)
	mustEqual(t, "entries are the same ones", uuids, s.uuids(t, b))
	if standing := s.sinkStanding(t); standing.Restored != nil || standing.Sinks[0].Closed || standing.Sinks[1].Closed {
		t.Errorf("in the end status says %+v", standing)
	}
}

// TestRestoredSinks: a directory and tables that went back to an older state get everything
// again without anybody asking.
func TestRestoredSinks(t *testing.T) {
	t.Parallel()
	directory, database := peers.Slapd(t, peers.SlapdOptions{MemberOf: true, RefInt: true}).URL(), peers.MariaDB(t).Product()
	s := startScene(t, directory, database)
	b := smallBuyer("44444444444444444444444444444444")
	at := anHourAgo()
	s.deliver(t, b.binding(t, at)[:3]...)
	const owner = "cn=kitbridge," + peers.BaseDN
	description := func() string { return strings.Join(readDirectory(t, directory, owner)[owner]["description"], "") }
	mark := func() string { return readRows(t, s.tables, "SELECT mark FROM kit_meta")[0][0] }
	known := func() { // what the sinks say is remembered within ten seconds
		t.Helper()
		await(t, 40*time.Second, func() string {
			if e := description(); mark() == "" || !strings.HasSuffix(e, mark()) {
				return e + ", want " + mark()
			}
			return ""
		})
	}
	await(t, 20*time.Second, func() string {
		made := readRows(t, s.tables, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
		if len(made) == 6 && len(readRows(t, s.tables, "SELECT org_code FROM kit_department")) == 2 && len(readTenant(t, directory, b)) > 5 {
			return ""
		}
		return "no departments"
	})
	known()
	oldDescription, oldMark := description(), mark()
	s.deliver(t, b.binding(t, at)[3])
	s.settles(t, 20*time.Second, b)
	known()
	// The bridge reads what it wrote once more, and remembers it.
	await(t, 40*time.Second, func() string {
		var remembered string
		db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "kitbridge.db")+"?mode=ro")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close() //nolint:errcheck // only read
		for _, row := range readRows(t, db, "SELECT name, seen FROM sink") {
			if row[1] != mark() {
				remembered += row[0] + " at " + row[1] + "\n"
			}
		}
		return remembered
	})
	if _, err := s.tables.ExecContext(t.Context(), "DELETE FROM kit_grant"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.tables.ExecContext(t.Context(), "DELETE FROM kit_user"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.tables.ExecContext(t.Context(), "UPDATE kit_meta SET mark = ?", oldMark); err != nil {
		t.Fatal(err)
	}
	conn := openDirectory(t, directory)
	if err := conn.Del(ldap.NewDelRequest("uid=li,ou=people,"+b.dn(), nil)); err != nil {
		t.Fatal(err)
	}
	back := ldap.NewModifyRequest(owner, nil)
	back.Replace("description", []string{oldDescription})
	if err := conn.Modify(back); err != nil {
		t.Fatal(err)
	}
	s.settles(t, 40*time.Second, b)
	if standing := s.sinkStanding(t); standing.Restored != nil || standing.Sinks[0].Closed || standing.Sinks[1].Closed {
		t.Errorf("status says %+v", standing)
	}
}
