package sso_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/sso"
)

func TestIdentify(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		user       sso.UserName
		role       sso.Role
		profile    sso.Profile
		err        error
	}{
		{
			name: "full table", user: "zs", role: "admin",
			body:    `{"id":1,"userName":"zs","name":"张三","email":"e","mobile":"m","role":"admin","organizationCode":"o","tenant":"t"}`,
			profile: sso.Profile{Name: "张三", OrgCode: "o", Email: "e", Mobile: "m"},
		},
		{name: "snake case", body: `{"user_name":"zs","employee_code":"E1"}`, user: "zs", profile: sso.Profile{EmployeeCode: "E1"}},
		{name: "first spelling wins", body: `{"username":"b","userName":"a"}`, user: "a"},
		{name: "spelling is exact", body: `{"USERNAME":"a"}`, err: sso.ErrIdentity},
		{name: "numeric name", body: `{"userName":1001}`, user: "1001"},
		{name: "null name", body: `{"userName":null}`, err: sso.ErrIdentity},
		{name: "list of names", body: `{"userName":["a"]}`, err: sso.ErrIdentity},
		{name: "empty", body: `{}`, err: sso.ErrIdentity},
		{name: "line break in the name", body: `{"userName":"a\nb"}`, err: sso.ErrIdentity},
		{name: "NUL in the name", body: `{"userName":"a\u0000"}`, err: sso.ErrIdentity},
		{name: "bytes that are no text in the name", body: "{\"userName\":\"a\xff\"}", err: sso.ErrIdentity},
		{name: "U+FFFD in the name", body: `{"userName":"a\ufffd"}`, err: sso.ErrIdentity},
		{name: "half a surrogate in the name", body: `{"userName":"a\ud800"}`, err: sso.ErrIdentity},
		{name: "name of 10 KB", body: `{"userName":"` + strings.Repeat("a", 10<<10) + `"}`, err: sso.ErrIdentity},
		{name: "foreign tenant", body: `{"userName":"a","tenant":"x"}`, err: sso.ErrTenantMismatch},
		{name: "foreign tenant, second spelling", body: `{"userName":"a","tenant":"t","domainId":"x"}`, err: sso.ErrTenantMismatch},
		{name: "tenant is an object", body: `{"userName":"a","tenant":{}}`, err: sso.ErrTenantMismatch},
		{name: "unknown role", body: `{"userName":"a","role":"root"}`, user: "a", role: "user"},
		{name: "role by case", body: `{"userName":"a","role":"Admin"}`, user: "a", role: "user"},
		{name: "roles as a list", body: `{"userName":"a","role":["admin"]}`, user: "a", role: "user"},
		{name: "untidy extras are left out", body: `{"userName":"a","email":"x\r\ny","mobile":{},"name":"ok"}`, user: "a", profile: sso.Profile{Name: "ok"}},
		{name: "key twice", body: `{"userName":"a","userName":"b"}`, err: sso.ErrProviderAnswer},
		{name: "list", body: `[]`, err: sso.ErrProviderAnswer},
		{name: "cut off", body: `{"userName":"a"`, err: sso.ErrProviderAnswer},
		{name: "two objects", body: `{"userName":"a"}{}`, err: sso.ErrProviderAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := sso.DecodeClaims([]byte(tt.body))
			var user sso.UserName
			var role sso.Role
			var profile sso.Profile
			if err == nil {
				user, role, profile, err = sso.Identify(c, "t")
			}
			if !errors.Is(err, tt.err) || user != tt.user || role != tt.role {
				t.Errorf("identify(%.80s) = %q, %q, %v, want %q, %q, %v", tt.body, user, role, err, tt.user, tt.role, tt.err)
			}
			if diff := cmp.Diff(tt.profile, profile); diff != "" {
				t.Errorf("profile (-want +got)\n%s", diff)
			}
		})
	}
}

func FuzzDecodeClaims(f *testing.F) {
	f.Add([]byte(`{"userName":"a","tenant":"t","role":"admin"}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := sso.DecodeClaims(body)
		if err != nil {
			return
		}
		if user, _, _, err := sso.Identify(c, "t"); err == nil && user == "" {
			t.Fatalf("identify(%q) accepted an empty user name", body)
		}
	})
}

// TestLowerRole: nothing but two admins, or one and silence, makes an admin.
func TestLowerRole(t *testing.T) {
	t.Parallel()
	roles := rapid.SampledFrom([]sso.Role{sso.RoleUnknown, sso.RoleUser, sso.RoleAdmin})
	rapid.Check(t, func(t *rapid.T) {
		a, b := roles.Draw(t, "a"), roles.Draw(t, "b")
		got := sso.LowerRole(a, b)
		want := sso.RoleUser
		if a != sso.RoleUser && b != sso.RoleUser && (a == sso.RoleAdmin || b == sso.RoleAdmin) {
			want = sso.RoleAdmin
		}
		if got != want || got != sso.LowerRole(b, a) {
			t.Fatalf("lowerRole(%q, %q) = %q, want %q", a, b, got, want)
		}
	})
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	live, bound := sso.Tenant{Live: true}, sso.Credential{Live: true}
	account := func(s sso.AccountStatus) sso.Account { return sso.Account{Status: s} }
	for _, tt := range []struct {
		tenant  sso.Tenant
		cred    sso.Credential
		account sso.Account
		policy  string
		test    bool
		want    string
	}{
		{live, bound, account(sso.AccountActive), "deny", false, "admitted"},
		{live, bound, account(sso.AccountUnknown), "pending", false, "pending"},
		{live, bound, account(sso.AccountUnknown), "jit", false, "admitted_provisionally"},
		{live, bound, account(sso.AccountUnknown), "deny", false, "user_unknown"},
		{live, bound, account(sso.AccountUnknown), "", false, "user_unknown"},
		{live, bound, account(sso.AccountDisabled), "jit", false, "user_disabled"},
		{live, bound, account(sso.AccountRevoked), "jit", false, "access_revoked"},
		{live, bound, account(sso.AccountRemoved), "jit", false, "user_removed"},
		{live, bound, account(99), "jit", false, "refused"},
		{live, sso.Credential{}, account(sso.AccountActive), "jit", false, "app_not_bound"},
		{sso.Tenant{}, bound, account(sso.AccountActive), "jit", false, "tenant_gone"},
		{sso.Tenant{Live: true, Test: true}, bound, account(sso.AccountActive), "jit", false, "test_tenant"},
		{sso.Tenant{Live: true, Test: true}, bound, account(sso.AccountActive), "jit", true, "admitted"},
		{sso.Tenant{Test: true}, bound, account(sso.AccountActive), "jit", true, "tenant_gone"},
	} {
		if got := sso.Admit(tt.tenant, tt.cred, tt.account, tt.policy, tt.test); got != tt.want {
			t.Errorf("admit(%+v, %+v, %v, %q, %v) = %s, want %s", tt.tenant, tt.cred.Live, tt.account.Status, tt.policy, tt.test, got, tt.want)
		}
	}
}
