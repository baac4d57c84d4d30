package push_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

const baseKey = "TestBaseAccessKey000000000000001"

// baseCall is a signed base call whose signature was computed by other programs in other languages.
type baseCall struct {
	name, timestamp, nonce, body, signature string
	at                                      time.Time
}

func baseCalls() []baseCall {
	first, third := time.UnixMilli(1680508066618), time.UnixMilli(1700000000000)
	const b2 = `{"testFlag":"1","orderLineId":"CS2211181819B4LVS-000001","activity":"queryInstance","instanceId":"a1,b2","orderId":null,"memo":""}`
	const b3 = `{"activity":"releaseInstance","instanceId":"i-1","testFlag":1}`
	return []baseCall{
		{
			"as received", "1680508066618", "50D83FDECAED6CCD8EF597F2A577950527928BA287D04E6036E92B2806FD17DA",
			`{"activity":"newInstance","businessId":"87b94795-0603-4e24-8ae5-69420d60e3c8","orderId":"CS2211181819B4LVS","orderLineId":"CS2211181819B4LVS-000001","testFlag":"1"}`,
			"d5e9c3fb7da34c924801b002038088e7f662cad3b279472aac802ce05d6d58c0", first,
		},
		{"sorted, without nulls", "1680508066618", "RLLUammMSInlrNWb", b2, "8cd99e08fb31deb5d8db2b3776d9b4660112446a8a4454e1a42a15b802202bdc", first},
		{"unsorted, as received", "1680508066618", "RLLUammMSInlrNWb", b2, "83134b76b485480a88bc7dba0c4f15f3be95f2ddd09607bc0d08287d3c434954", first},
		{"numbers as they are", "1700000000000", "nonce-b3", b3, "2eb2284f9ed7a00b53da3a330e37df9df92af31003ccf1a39febfd865d30bc0e", third},
		{"numbers as text", "1700000000000", "nonce-b3", b3, "d071a258eeef17b9040726967156b92cade92c4a3f1138de32d5e4d9718aa04f", third},
	}
}

func (c baseCall) query() url.Values {
	return url.Values{"signature": {c.signature}, "timestamp": {c.timestamp}, "nonce": {c.nonce}}
}

func TestBaseVerifier(t *testing.T) {
	t.Parallel()
	v := push.BaseVerifier{Keys: []string{"another", "", baseKey}}
	for _, c := range baseCalls() {
		if err := v.Verify(c.query().Encode(), []byte(c.body), c.at.Add(time.Minute)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		upper := c.query()
		upper.Set("signature", strings.ToUpper(c.signature))
		if err := v.Verify(upper.Encode(), []byte(c.body), c.at); err != nil {
			t.Errorf("%s, in capitals: %v", c.name, err)
		}
		null := strings.Index(c.body, `orderId":null`) // its name is not in what was signed
		for i := range c.body {
			if null >= 0 && i >= null && i < null+len("orderId") {
				continue
			}
			if bent := c.body[:i] + string(c.body[i]^1) + c.body[i+1:]; v.Verify(c.query().Encode(), []byte(bent), c.at) == nil {
				t.Errorf("%s: the body with byte %d changed verifies: %s", c.name, i, bent)
			}
		}
		if err := (push.BaseVerifier{Keys: []string{"another"}}).Verify(c.query().Encode(), []byte(c.body), c.at); !errors.Is(err, push.ErrSignature) {
			t.Errorf("%s under another key: %v", c.name, err)
		}
		if err := (push.BaseVerifier{}).Verify("", []byte(c.body), c.at); err != nil {
			t.Errorf("without keys nothing is checked, but: %v", err)
		}
	}
	c := baseCalls()[0]
	for name, tt := range map[string]struct {
		change func(url.Values)
		at     time.Time
		want   error
		field  string
	}{
		"no signature":     {func(q url.Values) { q.Del("signature") }, c.at, push.ErrSignature, ""},
		"two signatures":   {func(q url.Values) { q.Add("signature", c.signature) }, c.at, push.ErrSignature, ""},
		"short signature":  {func(q url.Values) { q.Set("signature", c.signature[:62]) }, c.at, push.ErrSignature, ""},
		"no hex":           {func(q url.Values) { q.Set("signature", strings.Repeat("z", 64)) }, c.at, push.ErrSignature, ""},
		"another nonce":    {func(q url.Values) { q.Set("nonce", "x") }, c.at, push.ErrSignature, ""},
		"no nonce":         {func(q url.Values) { q.Del("nonce") }, c.at, orgsync.ErrInvalid, "nonce"},
		"long nonce":       {func(q url.Values) { q.Set("nonce", strings.Repeat("n", 129)) }, c.at, orgsync.ErrInvalid, "nonce"},
		"no timestamp":     {func(q url.Values) { q.Del("timestamp") }, c.at, orgsync.ErrInvalid, "timestamp"},
		"two timestamps":   {func(q url.Values) { q.Add("timestamp", c.timestamp) }, c.at, orgsync.ErrInvalid, "timestamp"},
		"too late":         {func(url.Values) {}, c.at.Add(61 * time.Second), orgsync.ErrInvalid, "timestamp"},
		"from the future":  {func(url.Values) {}, c.at.Add(-61 * time.Second), orgsync.ErrInvalid, "timestamp"},
		"another time":     {func(q url.Values) { q.Set("timestamp", "1680508066619") }, c.at, push.ErrSignature, ""},
		"time in a letter": {func(q url.Values) { q.Set("timestamp", "now") }, c.at, orgsync.ErrInvalid, "timestamp"},
	} {
		q := c.query()
		tt.change(q)
		err := v.Verify(q.Encode(), []byte(c.body), tt.at)
		f, _ := errors.AsType[*orgsync.FieldError](err)
		if !errors.Is(err, tt.want) || tt.field != "" && (f == nil || f.Field != tt.field) {
			t.Errorf("%s: %v, want %v about %q", name, err, tt.want, tt.field)
		}
	}
	if err := v.Verify("%zz", []byte(c.body), c.at); !errors.Is(err, orgsync.ErrInvalid) {
		t.Errorf("malformed query: %v", err)
	}
}

// TestBaseCallsAreVerifiedFirst: with keys the product gets what the marketplace signed, and nothing else; the first generation's
// calls are signed by another key, which the product has.
func TestBaseCallsAreVerifiedFirst(t *testing.T) {
	t.Parallel()
	c := baseCalls()[0]
	var got []string
	e := newEndpointV1(t, func(cfg *push.Config) {
		settings := cfg.Settings
		cfg.Settings = func() push.Settings {
			s := settings()
			s.Base = push.BaseVerifier{Keys: []string{baseKey}}
			return s
		}
		cfg.Now = func() time.Time { return c.at }
		cfg.Base = func(w http.ResponseWriter, r *http.Request, body []byte) error {
			got = append(got, r.Method+" "+string(body))
			_, err := io.WriteString(w, "the product's")
			return err
		}
	})
	send := func(method, query, body string) string {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(method, "/marketplace?"+query, strings.NewReader(body)))
		return w.Body.String()
	}
	old := c.query()
	old.Set("timestamp", "1680508000000")
	for _, tt := range []struct{ method, query, body, want string }{
		{http.MethodPost, c.query().Encode(), c.body, "the product's"},
		{http.MethodPost, c.query().Encode(), strings.Replace(c.body, "new", "old", 1), `"resultCode":"000001"`},
		{http.MethodPost, "", c.body, `"resultCode":"000002"`},
		{http.MethodPost, old.Encode(), c.body, `"resultCode":"000002"`},
		{http.MethodGet, "activity=newInstance", "", "the product's"},
	} {
		if answer := send(tt.method, tt.query, tt.body); !strings.Contains(answer, tt.want) {
			t.Errorf("%s %s: %s, want %s", tt.method, tt.query, answer, tt.want)
		}
	}
	if strings.Join(got, "|") != "POST "+c.body+"|GET " {
		t.Errorf("the product got %q", got)
	}
}
