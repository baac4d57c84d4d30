package push_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/orgsynctest"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

// TestThroughTheRules sends pushes through the real acceptor and looks at the state.
func TestThroughTheRules(t *testing.T) {
	t.Parallel()
	store := orgsynctest.NewMemory()
	e := newEndpoint(t, func(c *push.Config) {
		c.Acceptor = orgsync.NewAcceptor(store, orgsync.Policy{Guard: orgsync.DefaultGuard()}, nil)
	})
	const stamp = `"tenantId":"t","instanceId":"i","timeStamp":"20231114221320000"`
	steps := []struct {
		kind, nonce, body string
		want              push.Result
	}{
		{"authSync", "1", `{` + stamp + `,"appId":"a","flag":1,"userList":[{"userName":"u","name":"张三","orgCode":"1","role":"admin"},{"userName":" bad"}]}`, ok()},
		{"allOrgSync", "2", `{` + stamp + `,"orgInfoList":"[{orgCode:\"1\", orgName:\"产品部\", parentCode:\"\"}]"}`, ok()},
		{"tenantSync", "3", `{` + stamp + `,"tenantCode":"c","name":"n","domainName":"d","flag":1}`, ok()},
		{"tenantSync", "3", `{` + stamp + `,"tenantCode":"c","name":"n","domainName":"d","flag":1}`, ok()},
		{"tenantSync", "3", `{` + stamp + `,"flag":0}`, push.Result{Code: "000002", Message: "param is invalid: x-nonce was used before"}},
		{"tenantSync", "4", `{"tenantId":" t\u0000","flag":0}`, ok()},
		{"tenantSync", "5", `{` + stamp + `,"flag":7}`, push.Result{Code: "000002", Message: "param is invalid: flag is unknown"}},
		{"tenantSync", "6", `hello`, push.Result{Code: "000002", Message: "param is invalid: body is not JSON"}},
	}
	for _, s := range steps {
		if _, got := e.call(t, request(s.kind, s.nonce, s.body)); got != s.want {
			t.Errorf("%s %s: answer %v, want %v", s.kind, s.body, got, s.want)
		}
	}
	view := store.View("t")
	users, err := view.Users(t.Context(), []orgsync.UserName{"u"})
	if err != nil {
		t.Fatal(err)
	}
	u := users["u"]
	if u.Status != orgsync.StatusEnabled || u.Role != orgsync.RoleAdmin || u.Attributes.Value(orgsync.AttrName) != "张三" {
		t.Errorf("user is %+v", u)
	}
	departments, err := view.Departments(t.Context(), []orgsync.OrgCode{"1"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("产品部", departments["1"].Name); diff != "" || !departments["1"].Placed {
		t.Errorf("department is %+v (-want +got):\n%s", departments["1"], diff)
	}
}
