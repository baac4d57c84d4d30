package push_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

// signedV1 signs a body of texts, numbers and booleans as V1 wants it, with its own code.
func signedV1(t *testing.T, kind, body string) *http.Request {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for name, value := range fields {
		text := string(value)
		if strings.HasPrefix(text, `"`) {
			if err := json.Unmarshal(value, &text); err != nil {
				t.Fatal(err)
			}
		}
		texts[name] = text
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if strings.TrimSpace(texts[name]) != "" && texts[name] != "null" {
			parts = append(parts, name+"="+texts[name])
		}
	}
	return requestV1(kind, body, tokenOf(keyV1, texts["timeStamp"], strings.Join(parts, "&")))
}

// signedAs is a message of V2 whose signature was made over another text than it sends.
func signedAs(kind, body, payload, timestamp string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/marketplace/produceAPI/v2/"+kind, strings.NewReader(body))
	r.Header = headers(sign(testKey, "n", timestamp, payload), timestamp, "n")
	return r
}

// TestContradictions: where pages of the access guide, its examples and its sample code
// differ, every reading is taken, and none of them changes the meaning.
func TestContradictions(t *testing.T) {
	t.Parallel()
	const (
		times  = `"timeStamp":"20231114221320000"`
		tenant = `{"tenantId":"t","flag":0,` + times + `}`
		org    = `{"tenantId":"t","orgCode":"1","orgName":"B","flag":2,` + times + `}`
		orgAsc = `{"flag":2,"orgCode":"1","orgName":"B","tenantId":"t",` + times + `}`
	)
	orgDesc := `{` + times + `,"tenantId":"t","orgName":"B","orgCode":"1","flag":2}`
	inV1 := func(kind, body string) *http.Request { return signedV1(t, kind, body) }
	inV2 := func(kind, body string) *http.Request { return request(kind, "n", body) }
	users := func(list string, more ...string) string {
		return `{"tenantId":"t","appId":"a","flag":1,` + times + strings.Join(more, "") + `,"userList":` + list + `}`
	}
	departments := func(field, list string) string {
		return `{"tenantId":"t",` + times + `,"` + field + `":` + list + `}`
	}
	company := func(domain string) string {
		return `{"tenantId":"t","tenantCode":"c","name":"n","domainName":"` + domain + `","flag":1,` + times + `}`
	}
	flag := func(p orgsync.Push) any { return p.Message.Flag }
	realm := func(p orgsync.Push) any { return p.Message.Realm }
	candidate := func(p orgsync.Push) any { return push.Candidate(p.Candidate) }
	signed := func(p orgsync.Push) any { return p.Signed.UnixMilli() }
	domain := func(p orgsync.Push) any { return *p.Message.Enterprise.Domain }
	instance := func(p orgsync.Push) any { return p.Message.Instance }
	attribute := func(a orgsync.Attribute) func(orgsync.Push) any {
		return func(p orgsync.Push) any { return p.Message.Users[0].Attributes.Value(a) }
	}
	department := func(p orgsync.Push) any {
		return fmt.Sprintf("%s %s", p.Message.Departments[0].Code, p.Message.Departments[0].Name)
	}
	at := func(p orgsync.Push) any { return p.Message.At.UTC().Format(time.DateTime) }
	tests := []struct {
		name    string
		request *http.Request
		code    string
		got     func(orgsync.Push) any // of what reaches the journal
		want    any
	}{
		{"C1 milliseconds", signedAs("tenantSync", tenant, tenant, "1700000000000"), "000000", signed, int64(1700000000000)},
		{"C1 seconds", signedAs("tenantSync", tenant, tenant, "1700000000"), "000000", signed, int64(1700000000000)},
		{"C2 ascending", signedAs("singleOrgSync", org, orgAsc, testTime), "000000", candidate, push.CandidateSorted},
		{"C2 descending", signedAs("singleOrgSync", org, orgDesc, testTime), "000000", candidate, push.CandidateDescending},
		{"C3 not sorted", signedAs("singleOrgSync", org, org, testTime), "000000", candidate, push.CandidateRaw},
		{"C4 written again", signedAs("singleOrgSync", " "+org, orgAsc, testTime), "000000", candidate, push.CandidateSorted},
		{"C5 V2 null kept", signedAs("tenantSync", `{"tenantId":"t","orderId":null,"flag":0}`, `{"flag":0,"orderId":null,"tenantId":"t"}`, testTime), "000000", candidate, push.CandidateSortedNulls},
		{"C5 V2 null dropped", signedAs("tenantSync", `{"tenantId":"t","orderId":null,"flag":0}`, `{"flag":0,"tenantId":"t"}`, testTime), "000000", candidate, push.CandidateSorted},
		{"C5 V1 blanks dropped", inV1("tenantSync", `{"tenantId":"t","flag":0,"orderId":"",`+times+`}`), "000000", candidate, push.CandidateBlanksDropped},
		{"C5 V1 blanks kept", requestV1("tenantSync", `{"tenantId":"t","flag":0,"orderId":"",`+times+`}`, tokenOf(keyV1, stampV1, "flag=0&orderId=&tenantId=t&timeStamp="+stampV1)), "000000", candidate, push.CandidateBlanksKept},
		{"C8 future refused", signedAs("tenantSync", tenant, tenant, "1700000061000"), "000002", nil, nil},
		{"C10 testFlag text", inV2("tenantSync", `{"tenantId":"t","flag":0,"testFlag":"1"}`), "000000", realm, orgsync.Test},
		{"C10 testFlag boolean", inV2("tenantSync", `{"tenantId":"t","flag":0,"testFlag":true}`), "000000", realm, orgsync.Test},
		{"C10 testFlag absent", inV2("tenantSync", tenant), "000000", realm, orgsync.Production},
		{"C10 testFlag in V1", inV1("tenantSync", `{"tenantId":"t","flag":0,"testFlag":1,`+times+`}`), "000000", realm, orgsync.Test},
		{"C11 modify in V1", inV1("singleOrgSync", org), "000000", flag, orgsync.FlagModify},
		{"C11 revoke in V1", inV1("authSync", strings.Replace(users(`"[]"`), `"flag":1`, `"flag":3`, 1)), "000000", flag, orgsync.FlagRevoke},
		{"C11 revoke in V2", inV2("authSync", strings.Replace(users(`[]`), `"flag":1`, `"flag":3`, 1)), "000000", flag, orgsync.FlagRevoke},
		{"C11 unknown in V1", inV1("authSync", strings.Replace(users(`"[]"`), `"flag":1`, `"flag":4`, 1)), "000002", nil, nil},
		{"C12 list in V1", inV1("authSync", users(`[{"userName":"u","name":"N"}]`)), "000000", attribute(orgsync.AttrName), "N"},
		{"C12 text in V1", inV1("authSync", users(`"[{\"userName\":\"u\",\"name\":\"N\"}]"`)), "000000", attribute(orgsync.AttrName), "N"},
		{"C12 text in V2", inV2("authSync", users(`"[{\"userName\":\"u\",\"name\":\"N\"}]"`)), "000000", attribute(orgsync.AttrName), "N"},
		{"C13 extension in V1", inV1("authSync", users(`"[{\"userName\":\"u\",\"extension\":{\"workPlace\":\"W\"}}]"`)), "000000", attribute(orgsync.AttrWorkPlace), "W"},
		{"C13 flat wins", inV2("authSync", users(`[{"userName":"u","extension":{"workPlace":"x"},"workPlace":"W"}]`)), "000000", attribute(orgsync.AttrWorkPlace), "W"},
		{"C14 enable boolean", inV2("authSync", users(`[{"userName":"u","enable":true}]`)), "000000", attribute(orgsync.AttrEnable), "true"},
		{"C14 employeeType number", inV2("authSync", users(`[{"userName":"u","employeeType":4}]`)), "000000", attribute(orgsync.AttrEmployeeType), "4"},
		{"C15 orgInfo and name", inV1("allOrgSync", departments("orgInfo", `"[{\"orgCode\":\"1\",\"name\":\"B\"}]"`)), "000000", department, "1 B"},
		{"C15 orgInfoList and OrgName", inV2("allOrgSync", departments("orgInfoList", `[{"orgCode":"1","OrgName":"B"}]`)), "000000", department, "1 B"},
		{"C15 without quotes", inV2("allOrgSync", departments("orgInfoList", `"[{orgCode:\"1\", orgName:\"B\"}]"`)), "000000", department, "1 B"},
		{"C16 instanceId twice", inV2("singleOrgSync", `{"instanceId":"x","instanceId":"i","tenantId":"t","orgCode":"1","flag":0}`), "000000", instance, orgsync.InstanceID("i")},
		{"C17 instanceId empty", inV2("tenantSync", `{"instanceId":"","tenantId":"t","flag":0}`), "000000", instance, orgsync.InstanceID("")},
		{"C17 instanceId and orderId absent in V1", inV1("tenantSync", company("d")), "000000", instance, orgsync.InstanceID("")},
		{"C18 domainName bare", inV1("tenantSync", company("example.tenantaccount.com")), "000000", domain, "example.tenantaccount.com"},
		{"C18 domainName with its protocol", inV2("tenantSync", company("https://example.tenantaccount.com")), "000000", domain, "https://example.tenantaccount.com"},
		{"C19 hours away from the clock", inV1("tenantSync", strings.Replace(tenant, "20231114221320000", "20231114141320000", 1)), "000000", at, "2023-11-14 06:13:20"},
		{"C19 UTC+8", inV1("tenantSync", tenant), "000000", at, "2023-11-14 14:13:20"},
		{"C24 secret nobody opens", inV1("applicationSync", `{"tenantId":"t","appId":"a","clientId":"c","clientSecret":"YWJj","flag":1,`+times+`}`), "000101", flag, orgsync.FlagAdd},
		{"C24 secret opened", inV1("applicationSync", `{"tenantId":"t","appId":"a","clientId":"c","flag":1,`+times+`,"clientSecret":"`+base64.StdEncoding.EncodeToString(encrypt(t, keys()[0], crypto.SHA256, crypto.SHA1))+`"}`), "000000", func(p orgsync.Push) any { return string(p.Message.Client.Secret) }, clearSecret},
		{"C31 the signature comes before the secret", requestV1("applicationSync", `{"tenantId":"t","appId":"a","clientId":"c","clientSecret":"YWJj","flag":1,`+times+`}`, ""), "000001", nil, nil},
		{"C34 removal without an instance", inV1("tenantSync", tenant), "000000", flag, orgsync.FlagRemove},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpointV1(t, nil)
			if _, got := e.call(t, tt.request); got.Code != tt.code {
				t.Errorf("answer %v, want %s", got, tt.code)
			}
			if tt.got == nil {
				return
			}
			if n := len(e.journal.pushes); n != 1 {
				t.Fatalf("%d pushes reached the journal, want 1", n)
			}
			if diff := cmp.Diff(tt.want, tt.got(e.journal.pushes[0])); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestContradictionsOfSignatures: C6 hex of either case; C7 an older formula that leaves
// the key out, and C32 numbers as texts, which only the base interfaces have, are not taken.
func TestContradictionsOfSignatures(t *testing.T) {
	t.Parallel()
	const body = `{"tenantId":"t","flag":0}`
	bare := hmac.New(sha256.New, []byte(testKey))
	bare.Write([]byte("n" + testTime + body))
	for name, tt := range map[string]struct {
		signature string
		code      string
	}{
		"C6 lower case":        {strings.ToLower(sign(testKey, "n", testTime, body)), "000000"},
		"C6 upper case":        {strings.ToUpper(sign(testKey, "n", testTime, body)), "000000"},
		"C7 formula sans key":  {hex.EncodeToString(bare.Sum(nil)), "000001"},
		"C32 numbers as texts": {sign(testKey, "n", testTime, `{"flag":"0","tenantId":"t"}`), "000001"},
	} {
		r := request("tenantSync", "n", body)
		r.Header.Set("x-sign", tt.signature)
		if _, got := newEndpoint(t, nil).call(t, r); got.Code != tt.code {
			t.Errorf("%s: answer %v, want %s", name, got, tt.code)
		}
	}
}
