package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/console"
	"github.com/kitbridge/kitbridge/internal/market"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/sso"
)

// TestOperatorCommands: they work beside a running bridge, and say what is there.
func TestOperatorCommands(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := startWorld(t)
	b := market.DemoBuyers()[0]
	if err := w.send(ctx, b.Binding()...); err != nil {
		t.Fatal(err)
	}
	if err := w.settle(ctx); err != nil {
		t.Fatal(err)
	}
	t.Run("status", func(t *testing.T) { testStatus(t, w) })
	t.Run("explain", func(t *testing.T) { testExplain(t, w, b) })
	t.Run("export", func(t *testing.T) { testExport(t, w, b) })
	t.Run("held", func(t *testing.T) { testHeld(t, w, b) })
}

func testStatus(t *testing.T, w *world) {
	var got console.Status
	if err := json.Unmarshal([]byte(w.command(t, exitOK, "status", "--json")), &got); err != nil {
		t.Fatal(err)
	}
	want := console.Status{
		Sinks: []console.SinkStatus{{Name: "product"}},
		Tenants: []console.TenantStatus{{
			TenantID: "68cbc86abc2018ab880d92f36422fa0e", Name: "晨光制造", Users: 11, Departments: 13,
		}},
		Journal: console.JournalStatus{Accepted: 27, Applied: 27},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	wantText := `SINK     PENDING  DEAD  OLDEST
product  0        0     0s

TENANT                            NAME      USERS  DEPARTMENTS  PARKED  HELD
68cbc86abc2018ab880d92f36422fa0e  晨光制造  11     13           0       0

ACCEPTED  APPLIED  STALE  PARKED  HELD  REFUSED
27        27       0      0       0     0
`
	if diff := cmp.Diff(wantText, w.command(t, exitOK, "status")); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func testExplain(t *testing.T, w *world, b *market.Buyer) {
	ctx := context.Background()
	removed, err := b.RemoveUser("zhoumin")
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := b.RevokeUser("chenli")
	if err != nil {
		t.Fatal(err)
	}
	late := b.AuthSyncs(market.Modify, []market.User{{UserName: "zhoumin", Name: "周敏", OrgCode: "10000"}})[0]
	lost := b.AddUser(market.User{UserName: "dot@home", Name: "\u202eevil\x1b[2J", OrgCode: "nowhere", Role: "user"})
	if err := w.send(ctx, removed, revoked, late, lost); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]string{
		"zhangsan": "is enabled, with the role admin\n",
		"qianduo":  "is disabled: the account was switched off on 20",
		"zhoumin":  "was removed on 20",
		"chenli":   "is disabled: the authorisation was taken back on 20",
		"dot@home": "is enabled, with the role user; their department nowhere is not known\n",
		"nobody":   "is not known: no push that was accepted ever named them\n",
	} {
		got := w.command(t, exitOK, "explain", user+"@chenguang")
		if !strings.HasPrefix(got, user+" of 68cbc86abc2018ab880d92f36422fa0e "+want) {
			t.Errorf("explain %s = %s, want %q", user, got, want)
		}
		if strings.ContainsAny(got, "\u202e\x1b") {
			t.Errorf("explain %s lets a terminal do what a buyer says: %q", user, got)
		}
		if strings.Contains(got, "19900000001") {
			t.Errorf("explain %s shows a whole mobile number", user)
		}
	}
	if got := w.command(t, exitOK, "explain", "zhoumin@chenguang"); !strings.Contains(got, "changed after removal") {
		t.Errorf("explain does not say what is parked: %s", got)
	}
	var d statusDetails
	if err := json.Unmarshal([]byte(w.command(t, exitOK, "status", "--details", "--json")), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Waiting) != 1 || d.Waiting[0].Key != "zhoumin" || len(d.DeadKeys) != 0 || d.Journal.Parked != 1 {
		t.Errorf("status --details = %+v, want zhoumin parked", d)
	}
	if got := w.command(t, exitOK, "status", "--details"); !strings.Contains(got, "zhoumin  instance-chenguang-01  changed after removal") {
		t.Errorf("status --details does not list what is parked: %s", got)
	}
	var e explanation
	if err := json.Unmarshal([]byte(w.command(t, exitOK, "explain", "zhangsan@68cbc86abc2018ab880d92f36422fa0e", "--json")), &e); err != nil {
		t.Fatal(err)
	}
	if e.User.Name != "张三" || len(e.Grants) != 1 || len(e.Pushes) != 1 || e.Sinks[0].State != "done" {
		t.Errorf("explain --json = %+v", e)
	}
	w.command(t, exitFailed, "explain", "zhangsan@nobody")
	w.command(t, exitConfig, "explain", "zhangsan")
	w.command(t, exitConfig, "explain", "zhangsan@")
}

// emptied sends the list that says a buyer has no departments, and returns its number
// in the list of held messages.
func emptied(t *testing.T, w *world, b *market.Buyer) (id string, held bool) {
	t.Helper()
	none := b.AllOrgSync()
	none.Departments = nil
	if err := w.send(t.Context(), none); err != nil {
		t.Fatal(err)
	}
	var l heldList
	if err := json.Unmarshal([]byte(w.command(t, exitOK, "held", "list", "--json")), &l); err != nil {
		t.Fatal(err)
	}
	for _, h := range l.Held {
		if string(h.Tenant) == b.TenantID {
			return decimal(int64(h.ID)), true
		}
	}
	return "", false
}

func testHeld(t *testing.T, w *world, b *market.Buyer) {
	if got := w.command(t, exitOK, "held", "list"); got != "Nothing waits.\n" {
		t.Errorf("held list = %q", got)
	}
	id, held := emptied(t, w, b)
	if !held {
		t.Fatal("an empty list is not held")
	}
	if got := w.command(t, exitOK, "held", "list"); !strings.Contains(got, id) || !strings.Contains(got, "an empty list removes every department") {
		t.Errorf("held list = %s", got)
	}
	if got := w.command(t, exitOK, "held", "reject", id); !strings.Contains(got, "1 refused") {
		t.Errorf("held reject = %q", got)
	}
	w.command(t, exitFailed, "held", "reject", id)
	if id, held := emptied(t, w, b); held {
		t.Errorf("what was rejected is held again, as %s", id)
	}

	other := market.DemoBuyers()[1]
	if err := w.send(t.Context(), other.Binding()...); err != nil {
		t.Fatal(err)
	}
	if id, held = emptied(t, w, other); !held {
		t.Fatal("an empty list is not held")
	}
	var d decided
	if err := json.Unmarshal([]byte(w.command(t, exitOK, "held", "approve", id, "--json")), &d); err != nil {
		t.Fatal(err)
	}
	if string(d.TenantID) != other.TenantID || d.Decision != "approve" {
		t.Errorf("held approve = %+v", d)
	}
	if got := w.command(t, exitOK, "export", "--format", "csv", "--tenant", other.TenantID); strings.Contains(got, "\ndepartment,") {
		t.Errorf("after the approval there are departments: %s", got)
	}
	w.command(t, exitFailed, "held", "approve", id)
	w.command(t, exitConfig, "held", "approve", "x")
	w.command(t, exitConfig, "held", "approve")
	w.command(t, exitConfig, "held", "aprove")
}

// TestSessions lists and ends them.
func TestSessions(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := startWorld(t)
	b := market.DemoBuyers()[0]
	if err := w.send(ctx, b.Binding()...); err != nil {
		t.Fatal(err)
	}
	signIn := func(key byte, user string) {
		t.Helper()
		now := time.Now()
		if err := w.bridge.store.CreateSession(ctx, sso.NewSession{
			Key: sso.SessionKey{key}, Tenant: sso.TenantID(b.TenantID), App: sso.AppID(b.AppID), User: sso.UserName(user),
			Role: "user", Device: fmt.Sprintf("Firefox on Windows, 203.0.%d.0/24", key), Created: now, Expires: now.Add(time.Hour), Idle: time.Hour,
		}); err != nil {
			t.Fatal(err)
		}
	}
	for n, user := range []string{"zhangsan", "zhangsan", "lisi", "zhangsan"} {
		signIn(byte(n+1), user)
	}
	list := func() (users []string) {
		t.Helper()
		var l struct {
			Sessions []struct {
				User string `json:"user_name"`
				Live bool   `json:"live"`
			} `json:"sessions"`
		}
		if err := json.Unmarshal([]byte(w.command(t, exitOK, "sessions", "list", "--tenant", "chenguang", "--json")), &l); err != nil {
			t.Fatal(err)
		}
		for _, s := range l.Sessions {
			if !s.Live {
				t.Errorf("session of %s is not live", s.User)
			}
			users = append(users, s.User)
		}
		return users
	}
	if diff := cmp.Diff([]string{"lisi", "zhangsan", "zhangsan", "zhangsan"}, list()); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}
	id := strings.Repeat("0", 64)
	if got := w.command(t, exitOK, "sessions", "list", "--user", "zhangsan@chenguang", "--device", "Firefox on Windows, 203.0.2.0/24"); strings.Count(got, "zhangsan") != 1 ||
		!strings.Contains(got, "  Firefox on Windows, 203.0.2.0/24  02") {
		t.Errorf("sessions list of a device = %s", got)
	}
	w.command(t, exitConfig, "sessions", "list", "--user", "zhangsan@chenguang", "--tenant", "chenguang")
	w.command(t, exitConfig, "sessions", "end", id, "--device", "x")
	w.command(t, exitConfig, "sessions", "end", "--tenant", "chenguang", "--device", "")
	if got := w.command(t, exitOK, "sessions", "end", "--tenant", "chenguang", "--device", "Firefox on Windows, 203.0.9.0/24"); got != "ended 0\n" {
		t.Errorf("sessions end of an unknown device = %q", got)
	}
	w.command(t, exitConfig, "sessions", "end", "--user", "a@b", "--tenant", "chenguang")
	w.command(t, exitFailed, "sessions", "end", "--tenant", "nobody")
	if got := w.command(t, exitOK, "sessions", "end", "03"+id[2:], id, "--json"); got != "{\n  \"ended\": 1\n}\n" {
		t.Errorf("sessions end = %q", got)
	}
	if got := w.command(t, exitOK, "sessions", "end", "04"+id[2:]); got != "ended 1\n" {
		t.Errorf("sessions end = %q", got)
	}
	if got := w.command(t, exitOK, "sessions", "end", "--user", "zhangsan@chenguang", "--device", "Firefox on Windows, 203.0.1.0/24"); got != "ended 1\n" {
		t.Errorf("sessions end of a device = %q", got)
	}
	for n, want := range []string{
		`"level":"INFO","msg":"audit","event":"sessions_ended","outcome":"ended","sessions":1,"tenant_id":"` + string(demoTenant) + `","subject":"` + string(demoTenant) + `/zhangsan"}` + "\n", "",
	} {
		code, stdout, stderr := runHere(t, "sessions", "end", "--user", "zhangsan@chenguang", "--config", w.config)
		if code != exitOK || stdout != fmt.Sprintf("ended %d\n", 1-n) || !strings.HasSuffix(stderr, want) || (stderr == "") != (want == "") {
			t.Errorf("sessions end = %d %q, stderr %q, want %q", code, stdout, stderr, want)
		}
	}
	if got := list(); got != nil {
		t.Errorf("after the end %v are signed in", got)
	}
	for n, want := range []string{"ended 1\n", "ended 0\n"} {
		if n == 0 {
			signIn(5, "lisi")
		}
		if got := w.command(t, exitOK, "sessions", "end", "--tenant", "chenguang"); got != want {
			t.Errorf("sessions end --tenant = %q, want %q", got, want)
		}
	}
	w.command(t, exitConfig, "sessions", "end")
	w.command(t, exitConfig, "sessions", "end", id, "--user", "a@b")
	w.command(t, exitConfig, "sessions", "end", "xyz")
	if got := w.command(t, exitOK, "sessions", "list"); got != "Nobody is signed in.\n" {
		t.Errorf("sessions list of none = %q", got)
	}
	if got := w.command(t, exitOK, "sessions", "list", "--tenant", "chenguang"); got != "Nobody of those asked for is signed in.\n" {
		t.Errorf("sessions list of none of a tenant = %q", got)
	}
	w.command(t, exitFailed, "sessions", "list", "--tenant", "nobody")
}

func testExport(t *testing.T, w *world, b *market.Buyer) {
	// Below another, although its code comes first.
	if err := w.send(t.Context(), b.AddDepartment(market.Department{Code: "00001", Name: "出纳组", Parent: "50000"})); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(w.command(t, exitOK, "export", "--format", "json")), "\n") {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Kind == "" || r.TenantID == "" {
			t.Errorf("export --format json: %q is no record: %v", line, err)
		}
	}
	text := w.command(t, exitOK, "export", "--format", "csv", "--tenant", "chenguang")
	records, err := parseRecords("export.csv", []byte(text))
	if err != nil || len(records) != 14+11+1 { // everybody but the one who was removed, and the newcomer
		t.Errorf("export --format csv has %d records that can be imported, want 26: %v", len(records), err)
	}
	ldif := w.command(t, exitOK, "export", "--format", "ldif", "--base-dn", "dc=example,dc=org")
	ldif = strings.ReplaceAll(ldif, "\n ", "") // unfolded
	for _, want := range []string{
		"version: 1\ndn: ou=68cbc86abc2018ab880d92f36422fa0e,dc=example,dc=org\n",
		"dn: ou=20110,ou=20100,ou=20000,ou=departments,ou=68cbc86abc2018ab880d92f36422fa0e,dc=example,dc=org\n",
		"dn: uid=zhangsan,ou=people,ou=",
		"dn: uid=qianduo,ou=disabled,ou=",
		"cn:: 5byg5LiJ\n",
	} {
		if !strings.Contains(ldif, want) {
			t.Errorf("export --format ldif lacks %q", want)
		}
	}
	seen := map[string]bool{"dc=example,dc=org": true}
	for line := range strings.Lines(ldif) {
		if dn, ok := strings.CutPrefix(strings.TrimSpace(line), "dn: "); ok {
			if _, above, _ := strings.Cut(dn, ","); !seen[above] {
				t.Errorf("export --format ldif adds %s before what it stands below", dn)
			}
			seen[dn] = true
		}
	}
	if strings.Count(ldif, "version: 1") != 1 {
		t.Error("export --format ldif has more than one version")
	}
	w.command(t, exitConfig, "export", "--format", "xml")
	w.command(t, exitConfig, "export", "--format", "ldif")
	w.command(t, exitConfig, "export", "--format", "csv", "--base-dn", "dc=example")
	w.command(t, exitFailed, "export", "--format", "csv", "--tenant", "nobody")
}

// TestWithoutDatabase: a command that needs one says so and makes none.
func TestWithoutDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code, _, stderr := runHere(t, "init", "--dir", dir)
	if code != exitOK {
		t.Fatal(stderr)
	}
	for _, args := range [][]string{
		{"status"}, {"held", "list"}, {"held", "approve", "1"}, {"explain", "a@b"}, {"export", "--format", "csv"}, {"sessions", "list"},
	} {
		code, _, stderr := runHere(t, append(args, "--config", filepath.Join(dir, configName))...)
		if code != exitConfig || !strings.Contains(stderr, "there is no database yet; kitbridge serve makes it") {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "kitbridge.db")); !os.IsNotExist(err) {
		t.Errorf("a database was made: %v", err)
	}
}

func TestEveryItem(t *testing.T) {
	t.Parallel()
	pages := map[string]store.List[int]{"": {Items: []int{1, 2}, Next: "a"}, "a": {Items: []int{3}, Next: "b"}, "b": {Items: []int{4}}}
	list := func(_ context.Context, p store.Page) (store.List[int], error) {
		if p.Tenant != "t" {
			t.Errorf("a page of tenant %q is read, want t", p.Tenant)
		}
		return pages[p.After], nil
	}
	var got []int
	enough := 9
	do := func(n int) error {
		if n == enough {
			return errEnough
		}
		got = append(got, n)
		return nil
	}
	if err := everyItem(t.Context(), list, "t", do); err != nil {
		t.Fatal(err)
	}
	enough = 3
	if err := everyItem(t.Context(), list, "t", do); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1, 2, 3, 4, 1, 2}, got); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}

// TestExplainExcluded: a sink that is not to hold the tenant does not hold the user.
func TestExplainExcluded(t *testing.T) {
	t.Parallel()
	e := store.Explanation{
		Tenant: store.TenantItem{ID: "t", Code: "c"},
		Sinks:  []store.ExplainedSink{{Sink: "all", State: "done"}, {Sink: "code", State: "done"}, {Sink: "other", State: "done"}},
	}
	markExcluded(Config{Sinks: []Sink{
		{Name: "all", Tenants: []string{"*"}}, {Name: "code", Tenants: []string{"c"}}, {Name: "other", Tenants: []string{"x"}},
	}}, &e)
	want := []string{"done", "done", "excluded"}
	for n, s := range e.Sinks {
		if s.State != want[n] {
			t.Errorf("sink %s is %s, want %s", s.Sink, s.State, want[n])
		}
	}
}
