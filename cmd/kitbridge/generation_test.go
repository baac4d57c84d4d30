package main

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/market"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/orgsynctest"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

// outcome is what a tenant looks like when all was said.
type outcome struct {
	Users       map[orgsync.UserName]orgsync.User
	Departments map[orgsync.OrgCode]orgsync.PlacedDepartment
}

// texts makes it comparable, unexported fields and all.
func (o outcome) texts() map[string]string {
	texts := map[string]string{}
	for name, u := range o.Users {
		texts["user "+string(name)] = fmt.Sprintf("%+v", u)
	}
	for code, d := range o.Departments {
		texts["department "+string(code)] = fmt.Sprintf("%+v", d)
	}
	return texts
}

func outcomeOf(t *testing.T, store *orgsynctest.Memory) outcome {
	t.Helper()
	users, err := store.View("t1").Users(t.Context(), []orgsync.UserName{"zhangsan", "lisi", "wangwu"})
	if err != nil {
		t.Fatal(err)
	}
	departments, err := store.View("t1").Departments(t.Context(), []orgsync.OrgCode{"1", "2", "3"})
	if err != nil {
		t.Fatal(err)
	}
	return outcome{users, departments}
}

// conversation has every message and flag that both generations know.
func conversation() []market.Message {
	n := 0
	header := func() market.Header {
		n++
		return market.Header{InstanceID: "i1", TenantID: "t1", TimeStamp: fmt.Sprintf("202311142213%02d000", n)}
	}
	return []market.Message{
		market.TenantSync{Header: header(), TenantCode: "acme", Name: "A & B = 公司", DomainName: "auth.example.com", Flag: market.Add},
		market.ApplicationSync{Header: header(), AppID: "a1", ClientID: "c1", ClientSecret: "s3cret", Flag: market.Add},
		market.AllOrgSync{Header: header(), Departments: []market.Department{{Code: "1", Name: "总部"}, {Code: "2", Name: "R&D", Parent: "1"}}},
		market.SingleOrgSync{Header: header(), Department: market.Department{Code: "3", Name: "销售", Parent: "2"}, Flag: market.Add},
		market.SingleOrgSync{Header: header(), Department: market.Department{Code: "2"}, Flag: market.Delete},
		market.AuthSync{Header: header(), AppID: "a1", Flag: market.Add, Users: []market.User{
			{UserName: "zhangsan", Name: "张三", OrgCode: "1", Role: "admin"},
			{UserName: "lisi", Name: "李 四", OrgCode: "3", Role: "user", EmployeeType: 4, EntryDate: "2022-11-9", WorkPlace: "上海 & 北京", Mobile: "13800000000"},
			{UserName: "wangwu", Name: "W", OrgCode: "1", Role: "user", Disabled: true},
		}},
		market.AuthSync{Header: header(), AppID: "a1", Flag: market.Delete, Users: []market.User{{UserName: "zhangsan", Name: "张三", OrgCode: "1", Role: "admin"}}},
	}
}

// TestGenerationsAgree says the same in both generations, by the simulated marketplace,
// which has signing and encoding of its own and checks Body-Sign to the letter.
func TestGenerationsAgree(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []outcome
	for _, generation := range []market.Generation{market.V2, market.V1} {
		store := orgsynctest.NewMemory()
		handler, err := push.New(push.Config{
			Path: "/marketplace", Settings: func() push.Settings {
				return pushSettings(Marketplace{Keys: MarketplaceKeys{Kit: []Secret{NewSecret("kit")}, V1: []Secret{NewSecret("newer"), NewSecret("one")}}}, []*rsa.PrivateKey{key})
			},
			Acceptor: orgsync.NewAcceptor(store, orgsync.Policy{Guard: orgsync.DefaultGuard()}, nil),
			Now:      time.Now, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		client, err := market.NewClient(market.Config{
			Target: server.URL + "/marketplace", Generation: generation, Now: time.Now, PublicKey: &key.PublicKey,
			Key: map[market.Generation]string{market.V2: "kit", market.V1: "one"}[generation],
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range conversation() {
			prepared, err := client.Prepare(m)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time from the journal
				if got, err := client.Deliver(t.Context(), prepared); err != nil || !got.OK() {
					t.Errorf("generation %d, message %d %T: %+v, %v", generation, i, m, got, err)
				}
			}
		}
		outcomes = append(outcomes, outcomeOf(t, store))
	}
	if diff := cmp.Diff(outcomes[0].texts(), outcomes[1].texts()); diff != "" {
		t.Errorf("what V2 and V1 say differs (-V2 +V1):\n%s", diff)
	}
	if u := outcomes[1].Users["lisi"]; u.Status != orgsync.StatusEnabled || u.Attributes.Value(orgsync.AttrWorkPlace) != "上海 & 北京" {
		t.Errorf("user is %+v", u)
	}
}
