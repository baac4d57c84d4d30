package market_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/internal/market"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

func TestBind(t *testing.T) {
	s := newSeller(t)
	b := market.Generate(market.Spec{Seed: 1, Departments: 12, Users: 1001})
	if err := newClient(t, s, nil).Bind(t.Context(), b); err != nil {
		t.Fatalf("Bind() = %v", err)
	}
	var paths []string
	var users []int
	for _, p := range s.all() {
		paths = append(paths, p.Path[strings.LastIndex(p.Path, "/")+1:])
		if p.member(t, "tenantId") != b.TenantID || p.member(t, "instanceId") != b.InstanceID {
			t.Errorf("%s is about tenant %v, instance %v", p.Path, p.member(t, "tenantId"), p.member(t, "instanceId"))
		}
		if list, ok := p.member(t, "userList").([]any); ok {
			users = append(users, len(list))
		}
	}
	want := []string{"tenantSync", "applicationSync", "allOrgSync", "authSync", "authSync", "authSync"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("order of pushes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{500, 500, 1}, users); diff != "" {
		t.Errorf("users in each push (-want +got):\n%s", diff)
	}
	for i := 1; i < len(s.all()); i++ {
		before, _ := s.all()[i-1].member(t, "timeStamp").(string)
		after, _ := s.all()[i].member(t, "timeStamp").(string)
		if before >= after {
			t.Errorf("push %d has time %s after %s", i, after, before)
		}
	}
}

func TestBindStopsAtARefusal(t *testing.T) {
	s := newSeller(t)
	s.answer = func(w http.ResponseWriter, r received) {
		code := "000000"
		if strings.HasSuffix(r.Path, "applicationSync") {
			code = "000101"
		}
		_, _ = io.WriteString(w, `{"resultCode":"`+code+`","resultMsg":"m"}`)
	}
	err := newClient(t, s, nil).Bind(t.Context(), market.Generate(market.Spec{Seed: 1}))
	refused, ok := errors.AsType[*market.RefusedError](err)
	if !ok || refused.Push != "applicationSync" || refused.Result.Code != "000101" {
		t.Errorf("Bind() = %v, want applicationSync refused with 000101", err)
	}
	if got := len(s.all()); got != 2 {
		t.Errorf("Bind() sent %d pushes, want 2", got)
	}
}

func TestGenerateIsRepeatable(t *testing.T) {
	spec := market.Spec{Seed: 7, Departments: 30, Users: 200, Awkward: true}
	if diff := cmp.Diff(market.Generate(spec), market.Generate(spec)); diff != "" {
		t.Errorf("Generate() twice (-first +second):\n%s", diff)
	}
	other := spec
	other.Seed = 8
	if a, b := market.Generate(spec), market.Generate(other); a.TenantID == b.TenantID || a.Users[0] == b.Users[0] {
		t.Error("two seeds give the same buyer")
	}
}

// wellFormed reports what the marketplace would never let happen.
func wellFormed(t interface{ Errorf(string, ...any) }, b *market.Buyer) {
	codes, siblings := map[string]int{"": 0}, map[[2]string]bool{}
	for _, d := range b.Departments {
		depth, ok := codes[d.Parent]
		if !ok {
			t.Errorf("department %s stands before its parent %q", d.Code, d.Parent)
		}
		if _, twice := codes[d.Code]; twice {
			t.Errorf("department code %q stands twice", d.Code)
		}
		if siblings[[2]string{d.Parent, d.Name}] {
			t.Errorf("department name %q stands twice below %q", d.Name, d.Parent)
		}
		siblings[[2]string{d.Parent, d.Name}] = true
		codes[d.Code] = depth + 1
		if depth > 2 {
			t.Errorf("department %s is on level %d", d.Code, depth+1)
		}
	}
	users := map[string]bool{}
	for _, u := range b.Users {
		if users[u.UserName] || u.UserName == "" || u.Name == "" || len(u.UserName) > 64 || len(u.Name) > 64 {
			t.Errorf("user name %q (%q) is empty, too long or stands twice", u.UserName, u.Name)
		}
		users[u.UserName] = true
		if _, ok := codes[u.OrgCode]; !ok {
			t.Errorf("user %s is in unknown department %q", u.UserName, u.OrgCode)
		}
		if u.Role != "user" && u.Role != "admin" || u.Password == "" {
			t.Errorf("user %s has role %q, password %q", u.UserName, u.Role, u.Password)
		}
	}
}

func TestGenerateIsWellFormed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := market.Spec{
			Seed:        rapid.Uint64().Draw(t, "seed"),
			Departments: rapid.IntRange(0, 60).Draw(t, "departments"),
			Users:       rapid.IntRange(0, 200).Draw(t, "users"),
			Awkward:     rapid.Bool().Draw(t, "awkward"),
		}
		b := market.Generate(spec)
		if len(b.Departments) != spec.Departments || len(b.Users) != spec.Users {
			t.Fatalf("%d departments, %d users", len(b.Departments), len(b.Users))
		}
		wellFormed(t, b)
	})
}

func TestGenerateHasThreeLevelsAndAwkwardNames(t *testing.T) {
	b := market.Generate(market.Spec{Seed: 1, Departments: 20, Users: 60, Awkward: true})
	depth := map[string]int{}
	deepest := 0
	var all strings.Builder
	for _, d := range b.Departments {
		depth[d.Code] = depth[d.Parent] + 1
		deepest = max(deepest, depth[d.Code])
		all.WriteString(d.Name + "|")
	}
	if deepest != 3 {
		t.Errorf("departments reach level %d, want 3", deepest)
	}
	for _, u := range b.Users {
		all.WriteString(u.Name + "|" + u.UserName + "|")
	}
	for _, part := range []string{",", `"`, "#", "+", "| ", " |", `\`, "🙂", "Ｆ", "<", "=", "'"} {
		if !strings.Contains(all.String(), part) {
			t.Errorf("no name contains %q", part)
		}
	}
	if b.Users[0].Role != "admin" || b.Users[1].Role != "user" {
		t.Errorf("roles are %s, %s, want admin, user", b.Users[0].Role, b.Users[1].Role)
	}
}

func TestEdits(t *testing.T) {
	b := market.DemoBuyers()[0]
	h := market.Header{InstanceID: b.InstanceID, TenantID: b.TenantID}
	single := func(d market.Department, f market.Flag) market.Message {
		return market.SingleOrgSync{Header: h, Department: d, Flag: f}
	}
	user := func(u market.User, f market.Flag) market.Message {
		return market.AuthSync{Header: h, AppID: b.AppID, Users: []market.User{u}, Flag: f}
	}
	find := func(name string) market.User {
		return b.Users[slices.IndexFunc(b.Users, func(u market.User) bool { return u.UserName == name })]
	}
	lisi, wangfang := find("lisi"), find("wangfang")
	disabled := find("zhaolei")
	disabled.Disabled = true
	newcomer := market.User{UserName: "new", Name: "新人", OrgCode: "60000", Role: "user", Password: "p"}
	promoted := newcomer
	promoted.Role = "admin"
	message := func(m market.Message, err error) market.Message {
		t.Helper()
		if err != nil {
			t.Fatalf("edit = %v", err)
		}
		return m
	}
	for _, tt := range []struct {
		name      string
		got, want market.Message
	}{
		{"add department", b.AddDepartment(market.Department{Code: "60000", Name: "新部门"}), single(market.Department{Code: "60000", Name: "新部门"}, market.Add)},
		{"rename", message(asMessage(b.RenameDepartment("20000", "产品中心"))), single(market.Department{Code: "20000", Name: "产品中心"}, market.Modify)},
		{"move", message(asMessage(b.MoveDepartment("20000", "60000"))), single(market.Department{Code: "20000", Name: "产品中心", Parent: "60000"}, market.Modify)},
		{"to the top", message(asMessage(b.MoveDepartment("30110", ""))), single(market.Department{Code: "30110", Name: "装配甲班"}, market.Modify)},
		{"delete department", message(asMessage(b.DeleteDepartment("50000"))), single(market.Department{Code: "50000", Name: "财务部"}, market.Delete)},
		{"add user", b.AddUser(newcomer), user(newcomer, market.Add)},
		{"change user", message(asMessage(b.ChangeUser(promoted))), user(promoted, market.Modify)},
		{"disable user", message(asMessage(b.DisableUser("zhaolei"))), user(disabled, market.Modify)},
		{"remove user", message(asMessage(b.RemoveUser("lisi"))), user(lisi, market.Delete)},
		{"revoke user", message(asMessage(b.RevokeUser("wangfang"))), user(wangfang, market.Revoke)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
	// The model has changed with the messages, and parents stand first.
	at := func(code string) int {
		return slices.IndexFunc(b.Departments, func(d market.Department) bool { return d.Code == code })
	}
	if at("60000") > at("20000") || at("20000") > at("20100") || at("20100") > at("20110") || at("50000") >= 0 {
		t.Errorf("departments are %v", b.Departments)
	}
	for _, gone := range []string{"lisi", "wangfang"} {
		if slices.ContainsFunc(b.Users, func(u market.User) bool { return u.UserName == gone }) {
			t.Errorf("%s is still there", gone)
		}
	}
}

// asMessage lets one table hold edits of different kinds.
func asMessage[M market.Message](m M, err error) (market.Message, error) { return m, err }

func TestEditsRefuse(t *testing.T) {
	b := market.DemoBuyers()[0]
	before := market.DemoBuyers()[0]
	for _, tt := range []struct {
		name string
		err  error
		want error
	}{
		{"rename nothing", second(b.RenameDepartment("nope", "x")), market.ErrUnknown},
		{"move nothing", second(b.MoveDepartment("nope", "")), market.ErrUnknown},
		{"move to nowhere", second(b.MoveDepartment("20000", "nope")), market.ErrUnknown},
		{"move below itself", second(b.MoveDepartment("20000", "20000")), market.ErrCycle},
		{"move below its child", second(b.MoveDepartment("20000", "20110")), market.ErrCycle},
		{"delete nothing", second(b.DeleteDepartment("nope")), market.ErrUnknown},
		{"change nobody", second(b.ChangeUser(market.User{UserName: "nobody"})), market.ErrUnknown},
		{"disable nobody", second(b.DisableUser("nobody")), market.ErrUnknown},
		{"remove nobody", second(b.RemoveUser("nobody")), market.ErrUnknown},
		{"revoke nobody", second(b.RevokeUser("nobody")), market.ErrUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !errors.Is(tt.err, tt.want) {
				t.Errorf("edit = %v, want %v", tt.err, tt.want)
			}
		})
	}
	if diff := cmp.Diff(before, b); diff != "" {
		t.Errorf("refused edits changed the buyer (-want +got):\n%s", diff)
	}
}

func second[M any](_ M, err error) error { return err }

func TestDemoBuyers(t *testing.T) {
	buyers := market.DemoBuyers()
	if len(buyers) != 2 || buyers[0].TenantID == buyers[1].TenantID || buyers[0].Code == buyers[1].Code {
		t.Fatalf("DemoBuyers() = %d buyers", len(buyers))
	}
	for _, b := range buyers {
		t.Run(b.Code, func(t *testing.T) { wellFormed(t, b) })
	}
	zhangsan := buyers[0].Users[0]
	if zhangsan.Name != "张三" || zhangsan.Role != "admin" {
		t.Errorf("first user of %s is %s, %s", buyers[0].Name, zhangsan.Name, zhangsan.Role)
	}
	if got := buyers[0].AuthCentreUser(zhangsan).OrgName; got != "产品部" {
		t.Errorf("their department is %q, want 产品部", got)
	}
}

func TestNewAuthCentre(t *testing.T) {
	buyers := market.DemoBuyers()
	const callback = "http://127.0.0.1:8080/sso/callback"
	c, err := market.NewAuthCentre("http://auth.example", callback, time.Now, buyers...)
	if err != nil {
		t.Fatalf("NewAuthCentre() = %v", err)
	}
	browser := ssotest.Browser(t)
	browser.Transport = inProcess{c}
	for _, b := range buyers {
		for _, u := range b.Users {
			browser.Jar = ssotest.Browser(t).Jar
			address := b.Domain + "/api/v1/oauth2/authorize?response_type=code&client_id=" + b.ClientID + "&redirect_uri=" + callback
			back, err := c.SignIn(t.Context(), browser, address, u.UserName, u.Password)
			if err != nil || !strings.HasPrefix(back, callback+"?code=") {
				t.Errorf("%s at %s: sent to %q, %v", u.UserName, b.Name, back, err)
			}
		}
		if got := b.TenantSync(market.Add).DomainName; got != "http://auth.example/"+b.TenantID {
			t.Errorf("%s announces %q", b.Name, got)
		}
	}
	if _, err := market.NewAuthCentre("", callback, time.Now, buyers...); err == nil {
		t.Error("NewAuthCentre() accepts an empty address")
	}
}
