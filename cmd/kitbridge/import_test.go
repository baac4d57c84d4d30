package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/internal/console"
	"github.com/kitbridge/kitbridge/internal/market"
)

const legacyCSV = "\ufeffuser_name,name,org_code,role,status,mobile,parent_code\r\n" +
	"zhangsan,老张,legacy,user,enabled,,\r\n" + // pushed: the import loses
	"laowang,\"王, 老\",legacy,admin,,'+8619900000009,\r\n" +
	"laoli,李,20000,,disabled,,\r\n" +
	",原有部门,legacy,,,,20000\r\n" +
	",产品部（旧）,20000,,,,\r\n" // pushed: the import loses

// imports runs an import of text and returns what it says.
func (w *world) imports(t *testing.T, code int, text string, args ...string) (o importOutcome) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "legacy.csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := w.command(t, code, append([]string{"import", file, "--json"}, args...)...)
	if code == exitOK {
		if err := json.Unmarshal([]byte(out), &o); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// status is what there is once nothing is owed any more.
func (w *world) status(t *testing.T) (s console.Status) {
	t.Helper()
	if err := w.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(w.command(t, exitOK, "status", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	if j := s.Journal; j.Accepted != j.Applied+j.Stale+j.Parked+j.Held+j.Refused {
		t.Errorf("the counts do not add up: %+v", j)
	}
	return s
}

func (w *world) explained(t *testing.T, account string) (e explanation) {
	t.Helper()
	if err := json.Unmarshal([]byte(w.command(t, exitOK, "explain", account, "--json")), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestImport: what a product has already is taken in, and loses to every push.
func TestImport(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	b := market.DemoBuyers()[0]
	if err := w.send(t.Context(), b.Binding()...); err != nil {
		t.Fatal(err)
	}
	before := w.status(t)

	want := importOutcome{
		TenantID: "68cbc86abc2018ab880d92f36422fa0e", Instance: "instance-chenguang-01", App: "app-demo",
		Departments: 2, Users: 3, Applied: 2, Stale: 3,
	}
	got := w.imports(t, exitOK, legacyCSV, "--tenant", "chenguang")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("import without --apply (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, w.status(t)); diff != "" {
		t.Errorf("import without --apply changed something:\n%s", diff)
	}

	want.Done = true
	got = w.imports(t, exitOK, legacyCSV, "--tenant", "chenguang", "--apply")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("import --apply (-want +got):\n%s", diff)
	}
	after := w.status(t)
	if u := after.Tenants[0].Users; u != 12 {
		t.Errorf("after the import %d users are enabled, want 12", u)
	}
	if e := w.explained(t, "zhangsan@chenguang"); e.User.Name != "张三" || e.User.Role != "admin" {
		t.Errorf("the import changed somebody whom the marketplace knows: %+v", e.User)
	}
	if e := w.explained(t, "laowang@chenguang"); e.User.Name != "王, 老" || e.User.Role != "admin" || e.User.Mobile != "+86199****0009" ||
		len(e.Pushes) != 1 || e.Pushes[0].Candidate != "import" {
		t.Errorf("laowang is %+v", e)
	}
	if n := productUsers(t, w, "laowang"); n != 1 {
		t.Errorf("the product's table has laowang %d times, want once", n)
	}
	if e := w.explained(t, "laoli@chenguang"); e.User.Status != "disabled" {
		t.Errorf("laoli is %s, want disabled", e.User.Status)
	}

	// The same again.
	got = w.imports(t, exitOK, strings.ReplaceAll(legacyCSV, "\r\n", "\n"), "--tenant", "chenguang", "--apply")
	if got.Repeated != 5 || got.Applied+got.Stale+got.Parked != 0 {
		t.Errorf("the same import again = %+v, want all 5 repeated", got)
	}
	if diff := cmp.Diff(after, w.status(t)); diff != "" {
		t.Errorf("the same import again changed something:\n%s", diff)
	}

	// A later import wins over an earlier one, a push over both.
	for _, name := range []string{"王二", "王五", "王六", "王七", "王八"} {
		w.imports(t, exitOK, "user_name,name\nlaowang,"+name+"\n", "--tenant", "chenguang", "--apply")
		if e := w.explained(t, "laowang@chenguang"); e.User.Name != name {
			t.Errorf("after a later import the name is %q, want %q", e.User.Name, name)
		}
	}
	push := b.AddUser(market.User{UserName: "laowang", Name: "王三", OrgCode: "10000", Role: "user"})
	if err := w.send(t.Context(), push); err != nil {
		t.Fatal(err)
	}
	w.imports(t, exitOK, "user_name,name\nlaowang,王四\n", "--tenant", "chenguang", "--apply")
	if e := w.explained(t, "laowang@chenguang"); e.User.Name != "王三" || e.User.Role != "user" {
		t.Errorf("an import won over a push: %+v", e.User)
	}

	// The marketplace's full list removes the department that it lacks.
	if err := w.send(t.Context(), b.AllOrgSync()); err != nil {
		t.Fatal(err)
	}
	if d := w.status(t).Tenants[0].Departments; d != 13 {
		t.Errorf("after a full list there are %d departments, want 13", d)
	}
}

// productUsers counts the rows of a user in the product's own table.
func productUsers(t *testing.T, w *world, user string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(filepath.Dir(w.config), "product.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM kit_user WHERE user_name = ? AND enabled", user).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestImportBeforeTheMarketplace: it waits for the announcement and comes with it.
func TestImportBeforeTheMarketplace(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	b := market.DemoBuyers()[0]
	w.imports(t, exitFailed, legacyCSV, "--tenant", b.TenantID, "--apply")
	got := w.imports(t, exitOK, legacyCSV, "--tenant", b.TenantID, "--instance", b.InstanceID, "--app", b.AppID, "--apply")
	if got.Users != 3 || got.Parked < 3 {
		t.Errorf("import = %+v, want its users parked", got)
	}
	if s := w.status(t); s.Tenants[0].Users != 0 {
		t.Errorf("users of a tenant that was not announced: %+v", s)
	}
	if e := w.explained(t, "laowang@"+b.TenantID); !strings.Contains(e.Verdict, "no tenantSync has announced the tenant; parked: instance not bound") {
		t.Errorf("verdict = %q", e.Verdict)
	}
	if err := w.send(t.Context(), b.TenantSync(market.Add)); err != nil {
		t.Fatal(err)
	}
	if s := w.status(t); s.Tenants[0].Users != 2 || s.Tenants[0].Departments != 2 || s.Tenants[0].Parked != 0 {
		t.Errorf("after the announcement: %+v", s)
	}
}

func TestParseRecords(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       int
		wantErr    string
	}{
		{"empty", "", 0, "f:1: has no line of column names"},
		{"heading only", "user_name\n", 0, ""},
		{"unknown columns", "user_name,passwort,x\n", 0, "f:1: column \"passwort\" is not known; rename it or leave it out; kitbridge import --help has the names\nf:1: column \"x\" is not known; rename it or leave it out; kitbridge import --help has the names"},
		{"a slip in a column", "username,name\n", 0, "f:1: column \"username\" is not known; did you mean user_name?"},
		{"a slip in a field", "{\"user_name\": \"a\"}\n{\"username\": \"a\"}\n", 0, "f:2: field \"username\" is not known; did you mean user_name?"},
		{"every fault", "user_name,role,status,kind,org_code\n,,,user,\na,root,,,\nb,,gone,,\n,,,robot,\n" + strings.Repeat("x", 65) + ",,,,\nb,,,,\n,,,,\n", 0, `f:2: user_name is empty
f:3: role is neither user nor admin
f:4: status is neither enabled nor disabled
f:5: kind is neither user nor department
f:6: user_name is longer than 64 characters
f:7: is the same user as line 4
f:8: org_code is empty`},
		{"cells too many", "user_name\na,b\n", 0, "f:2: wrong number of fields"},
		{"over lines", "user_name,name\na,\"b\nc\"\n\"d\ne\",f\n", 0, "f:4: user_name holds a control character"},
		{"tenants and removed users are left out", "kind,user_name,status\ntenant,,active\nuser,a,removed\nuser,b,disabled\n", 1, ""},
		{"JSON lines", "{\"user_name\":\"a\"}\n\n{\"org_code\":\"1\"}\n", 2, ""},
		{"JSON list", "[{\"user_name\":\"a\"},\n{\"org_code\":\"1\"}]", 2, ""},
		{"JSON with faults", "[{\"user_name\":\"a\"},\n\n{\"org_code\":\"\"}]", 0, "f:3: org_code is empty"},
		{"JSON unknown", "{\"user_name\":\"a\"}\n{\"usr\":1}", 0, "f:2: field \"usr\" is not known; rename it or leave it out; kitbridge import --help has the names"},
		{"JSON cut off", "{\"user_name\":\"a\"}\n{\"user", 0, "f:2: unexpected EOF"},
		{"JSON list cut off", "[{\"user_name\":\"a\"},", 0, "f:1: EOF"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseRecords("f", []byte(test.text))
			if diff := cmp.Diff(test.wantErr, textOfError(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if err == nil && len(got) != test.want {
				t.Errorf("%d records, want %d: %+v", len(got), test.want, got)
			}
		})
	}
}

func textOfError(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestFormulas: no cell begins a formula, and every text is found again.
func TestFormulas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[=+@'-]{0,3}[a-z=+@'-]{0,3}`)).Draw(t, "text")
		cell := quoteFormula(text)
		if strings.ContainsAny(fmt.Sprintf("%.1s", cell), "=+-@") {
			t.Errorf("quoteFormula(%q) = %q begins a formula", text, cell)
		}
		if got := unquoteFormula(cell); got != text {
			t.Errorf("unquoteFormula(%q) = %q, want %q", cell, got, text)
		}
	})
}

// FuzzParseRecords: whatever is in a file, it is read or refused.
func FuzzParseRecords(f *testing.F) {
	f.Add([]byte(legacyCSV))
	f.Add([]byte(`[{"user_name":"a"},{}]`))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		records, err := parseRecords("f", text)
		if err != nil {
			return
		}
		i := importer{tenant: "t", instance: "i", app: "a"}
		if _, err := i.pushes(records, oldest()); err != nil {
			t.Errorf("records that can be read make no push: %v", err)
		}
	})
}
