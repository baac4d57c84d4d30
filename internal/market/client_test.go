package market_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/market"
)

// seller records pushes and answers them.
type seller struct {
	*httptest.Server

	mu     sync.Mutex
	pushes []received // guarded by mu
	// answer replaces the usual one if it is not nil. Set before the first push.
	answer func(w http.ResponseWriter, r received)
}

type received struct {
	Path   string
	Header http.Header
	Body   string
}

func (r received) member(t *testing.T, name string) any {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(r.Body), &all); err != nil {
		t.Fatalf("body of %s is no JSON object: %v", r.Path, err)
	}
	return all[name]
}

func newSeller(t *testing.T) *seller {
	t.Helper()
	s := &seller{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read push: %v", err)
		}
		got := received{Path: r.URL.Path, Header: r.Header, Body: string(body)}
		s.mu.Lock()
		s.pushes = append(s.pushes, got)
		s.mu.Unlock()
		if s.answer != nil {
			s.answer(w, got)
			return
		}
		_, _ = io.WriteString(w, `{"resultCode":"000000","resultMsg":"success."}`)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *seller) all() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pushes
}

func newClient(t *testing.T, s *seller, change func(*market.Config)) *market.Client {
	t.Helper()
	at := time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC)
	cfg := market.Config{
		Target: s.URL + "/marketplace/", Key: kitKey, PublicKey: &sellerKey().PublicKey, Now: func() time.Time { return at },
	}
	if change != nil {
		change(&cfg)
	}
	c, err := market.NewClient(cfg)
	if err != nil {
		t.Fatalf("NewClient() = %v", err)
	}
	return c
}

// The encoding of each message is the guide's example, byte for byte.
func TestEncoding(t *testing.T) {
	h := func(stamp string) market.Header {
		return market.Header{InstanceID: "huaiweitest123456", TenantID: "68cbc86abc2018ab880d92f36422fa0e", TimeStamp: stamp}
	}
	v := vectors()
	for _, tt := range []struct {
		name, path string
		message    market.Message
		want       string
	}{
		{"K1", "tenantSync", market.TenantSync{
			Header: h("20220413093539534"), OrderID: "CS1906666666ABCDE", TenantCode: "huawei", Name: "huaweitenantname",
			DomainName: "https://example.tenantaccount.com", Flag: market.Add,
		}, v[0].body},
		{"K2", "applicationSync", market.ApplicationSync{
			Header: market.Header{TenantID: "68cbc86abc2018ab880d92f36422fa0e", Test: true, TimeStamp: "20231114221320000"},
			AppID:  "app0001", ClientID: "client0001", Flag: market.Add,
		}, strings.ReplaceAll(v[1].body, "<base64 ciphertext>", "")},
		{"K3", "authSync", market.AuthSync{
			Header: h("20231114221320000"), AppID: "app0001", Flag: market.Add,
			Users: []market.User{{UserName: "zhangsan", Name: "张三", OrgCode: "00000001", Role: "user", EmployeeType: 1, EntryDate: "2022-11-9", Password: "never sent"}},
		}, strings.ReplaceAll(v[2].body, `,"mobile":null`, "")},
		{"K4", "singleOrgSync", market.SingleOrgSync{
			Header: h("20231114221320000"), Department: market.Department{Code: "00000001", Name: "产品部"}, Flag: market.Modify,
		}, v[3].body},
		{"K5", "allOrgSync", market.AllOrgSync{
			Header:      h("20231114221320000"),
			Departments: []market.Department{{Code: "00000001", Name: "产品部"}, {Code: "00000002", Name: "A/B <测试>", Parent: "00000001"}},
		}, v[4].body},
		{"everything a user can have", "authSync", market.AuthSync{
			Header: h("1"), Flag: market.Revoke,
			Users: []market.User{{
				UserName: "u", Name: "n", OrgCode: "o", Role: "admin", Disabled: true, Position: "p", EmployeeCode: "e", EmployeeType: 4,
				EntryDate: "d", WorkPlace: "w", Mobile: "m", Email: "@",
			}},
		}, `{"instanceId":"huaiweitest123456","tenantId":"68cbc86abc2018ab880d92f36422fa0e","appId":"","userList":[{"userName":"u","name":"n","orgCode":"o","role":"admin","enable":"false","position":"p","employeeCode":"e","employeeType":4,"entryDate":"d","workPlace":"w","mobile":"m","email":"@"}],"currentSyncTime":"1","flag":3,"testFlag":0,"timeStamp":"1"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, newSeller(t), nil)
			p, err := c.Prepare(tt.message)
			if err != nil {
				t.Fatalf("Prepare() = %v", err)
			}
			if diff := cmp.Diff(tt.want, string(p.Body)); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if !strings.HasSuffix(p.URL, "/marketplace/produceAPI/v2/"+tt.path) {
				t.Errorf("URL = %s, want …/marketplace/produceAPI/v2/%s", p.URL, tt.path)
			}
		})
	}
}

func TestV1Encoding(t *testing.T) {
	h := market.Header{InstanceID: "i", TenantID: "t", TimeStamp: "20231114221320000"}
	c := newClient(t, newSeller(t), func(cfg *market.Config) { cfg.Generation, cfg.Key = market.V1, v1Key })
	for _, tt := range []struct {
		name, want string
		message    market.Message
	}{
		{
			"users are a text", `{"instanceId":"i","tenantId":"t","appId":"a","userList":"[{\"userName\":\"u\",\"name\":\"张<三>\",\"orgCode\":\"o\",\"role\":\"user\",\"enable\":\"true\",\"extension\":{\"employeeType\":\"4\",\"entryDate\":\"d\"}}]","currentSyncTime":"20231114221320000","flag":1,"testFlag":0,"timeStamp":"20231114221320000"}`,
			market.AuthSync{Header: h, AppID: "a", Flag: market.Add, Users: []market.User{{UserName: "u", Name: "张<三>", OrgCode: "o", Role: "user", EmployeeType: 4, EntryDate: "d"}}},
		},
		{
			"departments are a text", `{"instanceId":"i","tenantId":"t","orgInfo":"[{\"orgCode\":\"1\",\"name\":\"产品部\",\"parentCode\":\"\"}]","testFlag":0,"timeStamp":"20231114221320000"}`,
			market.AllOrgSync{Header: h, Departments: []market.Department{{Code: "1", Name: "产品部"}}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := c.Prepare(tt.message)
			if err != nil {
				t.Fatalf("Prepare() = %v", err)
			}
			if diff := cmp.Diff(tt.want, string(p.Body)); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			var members map[string]any
			if err := json.Unmarshal(p.Body, &members); err != nil {
				t.Fatal(err)
			}
			fields := map[string]string{}
			for name, value := range members {
				text, ok := value.(string)
				if !ok {
					raw, err := json.Marshal(value)
					if err != nil {
						t.Fatal(err)
					}
					text = string(raw)
				}
				fields[name] = text
			}
			if got, want := p.Header.Get("authToken"), market.AuthToken(v1Key, h.TimeStamp, fields); got != want {
				t.Errorf("authToken = %s, want %s", got, want)
			}
			if strings.Contains(p.URL, "/v2/") {
				t.Errorf("URL = %s, want no /v2/", p.URL)
			}
		})
	}
}

func TestSignedForms(t *testing.T) {
	for _, form := range []market.SignedForm{market.RawBody, market.SortedBody} {
		s := newSeller(t)
		c := newClient(t, s, func(cfg *market.Config) { cfg.Form = form })
		if _, err := c.Send(t.Context(), market.SingleOrgSync{Department: market.Department{Code: "1", Name: "A&B"}}); err != nil {
			t.Fatalf("Send() = %v", err)
		}
		got := s.all()[0]
		payload := []byte(got.Body)
		if form == market.SortedBody {
			var err error
			if payload, err = market.Sorted(payload); err != nil {
				t.Fatal(err)
			}
			if string(payload) == got.Body {
				t.Fatal("body was sent sorted: the forms do not differ")
			}
		}
		want := market.Sign(kitKey, got.Header.Get("x-nonce"), got.Header.Get("x-timestamp"), payload)
		if got.Header.Get("x-sign") != want {
			t.Errorf("form %d: x-sign = %s, want %s", form, got.Header.Get("x-sign"), want)
		}
		if got.Header.Get("x-timestamp") != "1700000000000" || len(got.Header.Get("x-nonce")) != 32 {
			t.Errorf("form %d: headers are %v", form, got.Header)
		}
	}
}

func TestSecretIsEncrypted(t *testing.T) {
	s := newSeller(t)
	m := market.ApplicationSync{ClientSecret: "plain-secret", Flag: market.Add}
	if _, err := newClient(t, s, nil).Send(t.Context(), m); err != nil {
		t.Fatalf("Send() = %v", err)
	}
	text, _ := s.all()[0].member(t, "clientSecret").(string)
	if plain, err := decrypt(t, text, &rsa.OAEPOptions{Hash: crypto.SHA256}); err != nil || plain != "plain-secret" {
		t.Errorf("clientSecret decrypts to %q, %v", plain, err)
	}
	if strings.Contains(s.all()[0].Body, "plain-secret") {
		t.Error("the plain secret was sent")
	}
	c := newClient(t, s, func(cfg *market.Config) { cfg.PublicKey = nil })
	if _, err := c.Send(t.Context(), m); err == nil || len(s.all()) != 1 {
		t.Errorf("Send without a public key = %v after %d pushes, want an error and nothing sent", err, len(s.all()))
	}
}

func TestTimeStamps(t *testing.T) {
	s := newSeller(t)
	c := newClient(t, s, nil) // its clock stands still
	for range 3 {
		if _, err := c.Send(t.Context(), market.AllOrgSync{}); err != nil {
			t.Fatalf("Send() = %v", err)
		}
	}
	var got []any
	for _, p := range s.all() {
		got = append(got, p.member(t, "timeStamp"))
	}
	// 22:13:20 UTC is the next morning in UTC+8.
	want := []any{"20231115061320000", "20231115061320001", "20231115061320002"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("time stamps (-want +got):\n%s", diff)
	}
}

func TestReplayIsTheSamePush(t *testing.T) {
	s := newSeller(t)
	c := newClient(t, s, nil)
	p, err := c.Prepare(market.AllOrgSync{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Deliver(t.Context(), p); err != nil {
			t.Fatalf("Deliver() = %v", err)
		}
	}
	all := s.all()
	if diff := cmp.Diff(all[0], all[1]); diff != "" {
		t.Errorf("second delivery differs (-first +second):\n%s", diff)
	}
	next, err := c.Prepare(market.AllOrgSync{})
	if err != nil {
		t.Fatal(err)
	}
	if next.Header.Get("x-nonce") == p.Header.Get("x-nonce") {
		t.Error("two pushes have one nonce")
	}
}

func TestAnswers(t *testing.T) {
	bodySign := func(body string) string {
		return `sign_type="HMAC-SHA256", signature= "` + market.BodySign(v1Key, []byte(body)) + `"`
	}
	const success = `{"resultCode":"000000","resultMsg":"success."}`
	for _, tt := range []struct {
		name    string
		v1      bool
		answer  func(http.ResponseWriter, received)
		want    market.Result
		wantErr bool
		is      error
	}{
		{"success", false, write(200, success), market.Result{Code: "000000", Msg: "success."}, false, nil},
		{"refusal", false, write(200, `{"resultCode":"000001","resultMsg":"token is invalid"}`), market.Result{Code: "000001", Msg: "token is invalid"}, false, nil},
		{"status 500", false, write(500, success), market.Result{}, true, nil},
		{"redirect", false, write(302, success), market.Result{}, true, nil},
		{"no JSON", false, write(200, "<html>"), market.Result{}, true, nil},
		{"no code", false, write(200, `{"resultMsg":"success."}`), market.Result{}, true, nil},
		{"V1 signed", true, func(w http.ResponseWriter, r received) {
			w.Header().Set("Body-Sign", bodySign(success))
			write(200, success)(w, r)
		}, market.Result{Code: "000000", Msg: "success."}, false, nil},
		{"V1 unsigned", true, write(200, success), market.Result{}, true, market.ErrBodySign},
		{"V1 signed without the newline", true, func(w http.ResponseWriter, r received) {
			w.Header().Set("Body-Sign", bodySign(success))
			write(200, success+"\n")(w, r)
		}, market.Result{}, true, market.ErrBodySign},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSeller(t)
			s.answer = tt.answer
			c := newClient(t, s, func(cfg *market.Config) {
				if tt.v1 {
					cfg.Generation, cfg.Key = market.V1, v1Key
				}
			})
			got, err := c.Send(t.Context(), market.AllOrgSync{})
			if (err != nil) != tt.wantErr || (tt.is != nil && !errors.Is(err, tt.is)) {
				t.Fatalf("Send() = %v, want an error = %v (%v)", err, tt.wantErr, tt.is)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Send() (-want +got):\n%s", diff)
			}
			if got.OK() != (tt.want.Code == "000000") {
				t.Errorf("OK() = %v", got.OK())
			}
		})
	}
}

func write(status int, body string) func(http.ResponseWriter, received) {
	return func(w http.ResponseWriter, _ received) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestSendGivesUp(t *testing.T) {
	s := newSeller(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.answer = func(http.ResponseWriter, received) { cancel() }
	if _, err := newClient(t, s, nil).Send(ctx, market.AllOrgSync{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Send() = %v, want %v", err, context.Canceled)
	}
}

func TestNewClientRefuses(t *testing.T) {
	now := time.Now
	for _, tt := range []struct {
		name string
		cfg  market.Config
	}{
		{"no target", market.Config{Key: "k", Now: now}},
		{"path only", market.Config{Target: "/marketplace", Key: "k", Now: now}},
		{"query", market.Config{Target: "http://a/?b", Key: "k", Now: now}},
		{"no key", market.Config{Target: "http://a", Now: now}},
		{"no clock", market.Config{Target: "http://a", Key: "k"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := market.NewClient(tt.cfg); err == nil {
				t.Error("NewClient() accepts it")
			}
		})
	}
}
