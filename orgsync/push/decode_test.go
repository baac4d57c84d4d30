package push_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

// signedAt is the time of the signature in the tests of Decode.
func signedAt() time.Time { return time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC) }

// stampAt is 20231114221320000 in UTC+8.
func stampAt() time.Time { return time.Date(2023, 11, 14, 14, 13, 20, 0, time.UTC) }

func attrs(pairs ...string) orgsync.Attributes {
	var as orgsync.Attributes
	for i := 0; i < len(pairs); i += 2 {
		a, ok := orgsync.AttributeNamed(pairs[i])
		if !ok {
			panic("no attribute " + pairs[i])
		}
		as = as.Set(a, pairs[i+1])
	}
	return as
}

func compare() cmp.Option {
	return cmp.Options{cmp.AllowUnexported(orgsync.Attributes{}), cmpopts.EquateEmpty()}
}

func TestDecodeVectors(t *testing.T) {
	t.Parallel()
	const tenant, instance = "68cbc86abc2018ab880d92f36422fa0e", "huaiweitest123456"
	enterprise := time.Date(2022, 4, 13, 1, 35, 39, 534e6, time.UTC)
	want := map[string]orgsync.Message{
		"K1": {
			Kind: orgsync.TenantSync, Flag: orgsync.FlagAdd, Tenant: tenant, Instance: instance, At: enterprise, Stamp: enterprise,
			Enterprise: orgsync.Enterprise{
				OrderID: "CS1906666666ABCDE", Code: new("huawei"), Name: new("huaweitenantname"), Domain: new("https://example.tenantaccount.com"),
			},
		},
		"K2": {
			Kind: orgsync.ApplicationSync, Realm: orgsync.Test, Flag: orgsync.FlagAdd, Tenant: tenant, App: "app0001", At: stampAt(), Stamp: stampAt(),
			Client: orgsync.Client{ID: "client0001", Secret: "<base64 ciphertext>"},
		},
		"K3": {
			Kind: orgsync.AuthSync, Flag: orgsync.FlagAdd, Tenant: tenant, Instance: instance, App: "app0001", At: stampAt(), Stamp: stampAt(),
			Users: []orgsync.UserChange{{Name: "zhangsan", Attributes: attrs(
				"name", "张三", "orgCode", "00000001", "role", "user", "enable", "true", "employeeType", "1", "entryDate", "2022-11-9")}},
		},
		"K4": {
			Kind: orgsync.SingleOrgSync, Flag: orgsync.FlagModify, Tenant: tenant, Instance: instance, At: stampAt(), Stamp: stampAt(),
			Departments: []orgsync.DepartmentChange{{Code: "00000001", Name: "产品部"}},
		},
		"K5": {
			Kind: orgsync.AllOrgSync, Tenant: tenant, Instance: instance, At: stampAt(), Stamp: stampAt(),
			Departments: []orgsync.DepartmentChange{{Code: "00000001", Name: "产品部"}, {Code: "00000002", Name: "A/B <测试>", Parent: "00000001"}},
		},
	}
	for _, v := range vectors(t) {
		got, err := push.Decode(v.kind(t), []byte(v.Body), signedAt())
		if diff := cmp.Diff(want[v.ID], got, compare()); err != nil || diff != "" {
			t.Errorf("Decode(%s) = %v (-want +got):\n%s", v.ID, err, diff)
		}
	}
}

// user decodes one element of userList.
func user(t *testing.T, flag, element string) orgsync.UserChange {
	t.Helper()
	body := `{"tenantId":"t","appId":"a","flag":` + flag + `,"timeStamp":"20231114221320000","userList":[` + element + `]}`
	m, err := push.Decode(orgsync.AuthSync, []byte(body), signedAt())
	if err != nil || len(m.Users) != 1 {
		t.Fatalf("Decode(%s) = %+v, %v, want one user", body, m, err)
	}
	return m.Users[0]
}

func TestDecodeUser(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, element string
		want          orgsync.UserChange
	}{
		{"nothing but the key", `{"userName":"u"}`, orgsync.UserChange{Name: "u"}},
		{"null says nothing", `{"userName":"u","mobile":null}`, orgsync.UserChange{Name: "u"}},
		{"empty clears", `{"userName":"u","mobile":""}`, orgsync.UserChange{Name: "u", Attributes: attrs("mobile", "")}},
		{"enable as boolean", `{"userName":"u","enable":true}`, orgsync.UserChange{Name: "u", Attributes: attrs("enable", "true")}},
		{"enable in another case", `{"userName":"u","enable":"TRUE"}`, orgsync.UserChange{Name: "u", Attributes: attrs("enable", "true")}},
		{"enable unknown", `{"userName":"u","enable":"yes"}`, orgsync.UserChange{Name: "u", Attributes: attrs("enable", "false")}},
		{"enable of a wrong type", `{"userName":"u","enable":{}}`, orgsync.UserChange{Name: "u", Attributes: attrs("enable", "false")}},
		{"role of a wrong type", `{"userName":"u","role":["admin"]}`, orgsync.UserChange{Name: "u", Attributes: attrs("role", "user")}},
		{"role unknown", `{"userName":"u","role":"Admin"}`, orgsync.UserChange{Name: "u", Attributes: attrs("role", "user")}},
		{"employeeType as text", `{"userName":"u","employeeType":"4"}`, orgsync.UserChange{Name: "u", Attributes: attrs("employeeType", "4")}},
		{"optional field of a wrong type", `{"userName":"u","mobile":[1]}`, orgsync.UserChange{Name: "u"}},
		{"extension", `{"userName":"u","extension":{"workPlace":"x","employeeType":"4"}}`, orgsync.UserChange{Name: "u", Attributes: attrs("workPlace", "x", "employeeType", "4")}},
		{"extension as text", `{"userName":"u","extension":"{\"workPlace\":\"x\"}"}`, orgsync.UserChange{Name: "u", Attributes: attrs("workPlace", "x")}},
		{"flat wins over extension", `{"userName":"u","workPlace":"flat","extension":{"workPlace":"x"}}`, orgsync.UserChange{Name: "u", Attributes: attrs("workPlace", "flat")}},
		{"flat null does not", `{"userName":"u","workPlace":null,"extension":{"workPlace":"x"}}`, orgsync.UserChange{Name: "u", Attributes: attrs("workPlace", "x")}},
		{"extension gives no access", `{"userName":"u","extension":{"enable":"true","role":"admin","orgCode":"1"}}`, orgsync.UserChange{Name: "u"}},
		{"last duplicate wins", `{"userName":"v","userName":"u","name":"a","name":"b"}`, orgsync.UserChange{Name: "u", Attributes: attrs("name", "b")}},
		{"name of numbers", `{"userName":10086}`, orgsync.UserChange{Name: "10086"}},
		{"control characters in text", `{"userName":"u","name":"a\u0000b"}`, orgsync.UserChange{Name: "u", Attributes: attrs("name", "ab")}},
		{"half a character in text", `{"userName":"u","name":"a\ud800"}`, orgsync.UserChange{Name: "u", Attributes: attrs("name", "a\ufffd")}},
		{"bad key stays", `{"userName":" u\u0000"}`, orgsync.UserChange{Name: " u\x00"}},
		{"missing key stays", `{"name":"n"}`, orgsync.UserChange{Attributes: attrs("name", "n")}},
		{"no object stays", `17`, orgsync.UserChange{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, user(t, "1", tt.element), compare()); diff != "" {
				t.Errorf("element %s (-want +got):\n%s", tt.element, diff)
			}
		})
	}
	t.Run("half characters are no key", func(t *testing.T) {
		t.Parallel()
		if u := user(t, "1", `{"userName":"\ud800"}`); orgsync.CheckKey(string(u.Name)) == nil {
			t.Errorf("%q passes for a key", u.Name)
		}
	})
	t.Run("a removal says nothing but the key", func(t *testing.T) {
		t.Parallel()
		for _, flag := range []string{"0", "3"} {
			got := user(t, flag, `{"userName":"u","enable":"true","name":7}`)
			if diff := cmp.Diff(orgsync.UserChange{Name: "u"}, got, compare()); diff != "" {
				t.Errorf("flag %s (-want +got):\n%s", flag, diff)
			}
		}
	})
}

func TestDecodeLists(t *testing.T) {
	t.Parallel()
	one, two := orgsync.DepartmentChange{Code: "1", Name: "产品部"}, orgsync.DepartmentChange{Code: "2", Name: "B", Parent: "1"}
	both := []orgsync.DepartmentChange{one, two}
	tests := []struct {
		name, list string
		want       []orgsync.DepartmentChange
		incomplete bool
	}{
		{"V2", `"orgInfoList":[{"orgCode":"1","orgName":"产品部","parentCode":""},{"orgCode":"2","orgName":"B","parentCode":"1"}]`, both, false},
		{"V2 older spelling", `"orgInfoList":[{"orgCode":"1","OrgName":"产品部"},{"orgCode":"2","OrgName":"B","parentCode":"1"}]`, both, false},
		{"V1", `"orgInfo":"[{\"orgCode\":\"1\",\"name\":\"产品部\"},{\"orgCode\":\"2\",\"name\":\"B\",\"parentCode\":\"1\"}]"`, both, false},
		{"the guide's V2 example", `"flag":1,"orgInfoList":"[{orgCode:\"1\", orgName:\"产品部\", parentCode:\"\"}, {orgCode:\"2\", orgName:\"B\", parentCode:\"1\"}]"`, both, false},
		{"by hand", `"orgInfoList":"[{'orgCode':'1','orgName':'产品部',},{'orgCode':'2','orgName':'\\u0042','parentCode':'1'},]"`, both, false},
		{"names under two spellings", `"orgInfoList":[{"orgCode":"1","name":"x","orgName":"产品部"}]`, []orgsync.DepartmentChange{one}, false},
		{"codes of numbers", `"orgInfoList":[{"orgCode":1,"orgName":"产品部","parentCode":null}]`, []orgsync.DepartmentChange{one}, false},
		{"empty", `"orgInfoList":[]`, nil, false},
		{"empty text", `"orgInfoList":"[]"`, nil, false},
		{"breaks off", `"orgInfoList":"[{orgCode:'1',orgName:'产品部'},{orgCode:'2',orgNa"`, []orgsync.DepartmentChange{one}, true},
		{"goes on behind the end", `"orgInfoList":"[{orgCode:'1',orgName:'产品部'}] ["`, []orgsync.DepartmentChange{one}, true},
		{"code missing", `"orgInfoList":[{"orgCode":"1","orgName":"产品部"},{"orgName":"x"}]`, []orgsync.DepartmentChange{one, {Name: "x"}}, false},
		{"code unreadable", `"orgInfoList":[{"orgCode":["1"]}]`, []orgsync.DepartmentChange{{}}, false},
		{"code too long", `"orgInfoList":[{"orgCode":"` + strings.Repeat("x", 65) + `"}]`, []orgsync.DepartmentChange{{Code: orgsync.OrgCode(strings.Repeat("x", 65))}}, false},
		{"no object", `"orgInfoList":[null]`, []orgsync.DepartmentChange{{}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := `{"tenantId":"t","timeStamp":"20231114221320000",` + tt.list + `}`
			got, err := push.Decode(orgsync.AllOrgSync, []byte(body), signedAt())
			want := orgsync.Message{
				Kind: orgsync.AllOrgSync, Tenant: "t", At: stampAt(), Stamp: stampAt(),
				Departments: tt.want, Incomplete: tt.incomplete,
			}
			if diff := cmp.Diff(want, got, compare()); err != nil || diff != "" {
				t.Errorf("Decode(%s) = %v (-want +got):\n%s", body, err, diff)
			}
		})
	}
	t.Run("userList as text", func(t *testing.T) {
		t.Parallel()
		body := `{"tenantId":"t","appId":"a","flag":1,"userList":"[{\"userName\":\"u\",\"name\":\"张三\"}]"}`
		got, err := push.Decode(orgsync.AuthSync, []byte(body), signedAt())
		want := []orgsync.UserChange{{Name: "u", Attributes: attrs("name", "张三")}}
		if diff := cmp.Diff(want, got.Users, compare()); err != nil || diff != "" {
			t.Errorf("Decode(%s) = %v (-want +got):\n%s", body, err, diff)
		}
	})
}

// complete is a complete message of each kind, by field.
func complete() map[orgsync.Kind]map[string]string {
	common := func(more map[string]string) map[string]string {
		m := map[string]string{
			"instanceId": `"i"`, "tenantId": `"t"`, "flag": `1`, "testFlag": `0`, "timeStamp": `"20231114221320000"`,
		}
		maps.Copy(m, more)
		return m
	}
	return map[orgsync.Kind]map[string]string{
		orgsync.TenantSync:      common(map[string]string{"orderId": `"o"`, "tenantCode": `"c"`, "name": `"n"`, "domainName": `"d"`}),
		orgsync.ApplicationSync: common(map[string]string{"appId": `"a"`, "clientId": `"c"`, "clientSecret": `"s"`}),
		orgsync.AuthSync:        common(map[string]string{"appId": `"a"`, "userList": `[{"userName":"u"}]`, "currentSyncTime": `"20231114221320000"`}),
		orgsync.SingleOrgSync:   common(map[string]string{"orgCode": `"1"`, "orgName": `"n"`, "parentCode": `""`}),
		orgsync.AllOrgSync:      common(map[string]string{"orgInfoList": `[]`}),
	}
}

func bodyOf(fields map[string]string) []byte {
	var parts []string
	for name, value := range fields {
		parts = append(parts, fmt.Sprintf("%q:%s", name, value))
	}
	return []byte("{" + strings.Join(parts, ",") + "}")
}

func TestRequiredFields(t *testing.T) {
	t.Parallel()
	required := map[orgsync.Kind]map[string][]string{ // by flag
		orgsync.TenantSync: {
			"0": {"tenantId", "flag"},
			"1": {"tenantId", "flag", "tenantCode", "name", "domainName"},
			"2": {"tenantId", "flag"},
		},
		orgsync.ApplicationSync: {
			"0": {"tenantId", "flag", "appId"},
			"1": {"tenantId", "flag", "appId", "clientId", "clientSecret"},
			"2": {"tenantId", "flag", "appId", "clientId", "clientSecret"},
		},
		orgsync.AuthSync: {
			"0": {"tenantId", "flag", "appId", "userList"},
			"1": {"tenantId", "flag", "appId", "userList"},
			"2": {"tenantId", "flag", "appId", "userList"},
			"3": {"tenantId", "flag", "appId", "userList"},
		},
		orgsync.SingleOrgSync: {
			"0": {"tenantId", "flag", "orgCode"},
			"1": {"tenantId", "flag", "orgCode", "orgName"},
			"2": {"tenantId", "flag", "orgCode", "orgName"},
		},
		orgsync.AllOrgSync: {
			"0": {"tenantId", "orgInfoList"}, "1": {"tenantId", "orgInfoList"},
			"2": {"tenantId", "orgInfoList"}, "3": {"tenantId", "orgInfoList"}, "9": {"tenantId", "orgInfoList"},
		},
	}
	for kind, full := range complete() {
		for _, flag := range []string{"0", "1", "2", "3", "9"} {
			names, known := required[kind][flag]
			full := maps.Clone(full)
			full["flag"] = flag
			if !known {
				checkFault(t, kind, full, "flag: is unknown")
				continue
			}
			checkFault(t, kind, full, "")
			for missing := range full {
				for _, gone := range []string{"", "null"} {
					fields := maps.Clone(full)
					delete(fields, missing)
					if gone != "" {
						fields[missing] = gone
					}
					want := ""
					for _, name := range names {
						if name == missing {
							want = missing + ": is missing"
						}
					}
					checkFault(t, kind, fields, want)
				}
			}
		}
	}
}

func checkFault(t *testing.T, kind orgsync.Kind, fields map[string]string, want string) {
	t.Helper()
	body := bodyOf(fields)
	_, err := push.Decode(kind, body, signedAt())
	if diff := cmp.Diff(want, errorText(err)); diff != "" {
		t.Errorf("Decode(%v, %s) (-want +got):\n%s", kind, body, diff)
	}
}

func TestDecodeFields(t *testing.T) {
	t.Parallel()
	long := `"` + strings.Repeat("x", 65) + `"`
	tests := []struct {
		name         string
		kind         orgsync.Kind
		field, value string
		want         string
	}{
		{"tenant too long", orgsync.TenantSync, "tenantId", long, ""},
		{"tenant with a blank", orgsync.TenantSync, "tenantId", `" t"`, ""},
		{"tenant with NUL", orgsync.TenantSync, "tenantId", `"t\u0000"`, ""},
		{"tenant with half a character", orgsync.TenantSync, "tenantId", `"t\udfff"`, ""},
		{"tenant empty", orgsync.TenantSync, "tenantId", `""`, "tenantId: is missing"},
		{"tenant a list", orgsync.TenantSync, "tenantId", `["t"]`, "tenantId: is not a text"},
		{"tenant a number", orgsync.TenantSync, "tenantId", `12`, ""},
		{"instance empty", orgsync.TenantSync, "instanceId", `""`, ""},
		{"instance too long", orgsync.TenantSync, "instanceId", long, ""},
		{"instance an object", orgsync.TenantSync, "instanceId", `{}`, "instanceId: is not a text"},
		{"enterprise name empty", orgsync.TenantSync, "name", `""`, ""},
		{"enterprise name an object", orgsync.TenantSync, "name", `{}`, "name: is not a text"},
		{"any domain", orgsync.TenantSync, "domainName", `"::"`, ""},
		{"test flag text", orgsync.TenantSync, "testFlag", `"1"`, ""},
		{"test flag boolean", orgsync.TenantSync, "testFlag", `true`, ""},
		{"test flag empty", orgsync.TenantSync, "testFlag", `""`, ""},
		{"test flag unknown", orgsync.TenantSync, "testFlag", `2`, "testFlag: is neither 0 nor 1"},
		{"test flag a list", orgsync.TenantSync, "testFlag", `[1]`, "testFlag: is not a text"},
		{"flag text", orgsync.TenantSync, "flag", `"2"`, ""},
		{"flag boolean", orgsync.TenantSync, "flag", `true`, ""},
		{"flag negative", orgsync.TenantSync, "flag", `-1`, "flag: is unknown"},
		{"flag fraction", orgsync.TenantSync, "flag", `1.5`, "flag: is unknown"},
		{"flag huge", orgsync.TenantSync, "flag", strings.Repeat("9", 1000), "flag: is unknown"},
		{"client id with a line break", orgsync.ApplicationSync, "clientId", `"c\n"`, "clientId: holds a control character"},
		{"secret a number", orgsync.ApplicationSync, "clientSecret", `1`, ""},
		{"secret empty", orgsync.ApplicationSync, "clientSecret", `""`, "clientSecret: is missing"},
		{"app empty", orgsync.AuthSync, "appId", `""`, "appId: is missing"},
		{"users an object", orgsync.AuthSync, "userList", `{}`, "userList: is not a list"},
		{"users an object in a text", orgsync.AuthSync, "userList", `"{}"`, "userList: is not a list"},
		{"users empty", orgsync.AuthSync, "userList", `[]`, ""},
		{"users no JSON", orgsync.AuthSync, "userList", `"users"`, "userList: is not JSON"},
		{"users break off", orgsync.AuthSync, "userList", `"[{\"userName\":\"u\"},{"`, "userList: breaks off"},
		{"code a bad key is set aside later", orgsync.SingleOrgSync, "orgCode", long, ""},
		{"code an object", orgsync.SingleOrgSync, "orgCode", `{}`, "orgCode: is not a text"},
		{"parent an object", orgsync.SingleOrgSync, "parentCode", `{}`, "parentCode: is not a text"},
		{"departments no JSON", orgsync.AllOrgSync, "orgInfoList", `"["`, "orgInfoList: is not JSON"},
		{"departments deep", orgsync.AllOrgSync, "orgInfoList", `"` + strings.Repeat("[", 100) + `"`, "orgInfoList: is nested too deeply"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fields := complete()[tt.kind]
			fields[tt.field] = tt.value
			checkFault(t, tt.kind, fields, tt.want)
		})
	}
}

func TestDecodeTimes(t *testing.T) {
	t.Parallel()
	second := time.Date(2023, 11, 14, 14, 13, 20, 0, time.UTC)
	tests := []struct {
		name, stamp, current string
		kind                 orgsync.Kind
		wantAt, wantStamp    time.Time
	}{
		{"17 digits", `"20231114221320534"`, ``, orgsync.TenantSync, second.Add(534 * time.Millisecond), second.Add(534 * time.Millisecond)},
		{"14 digits", `"20231114221320"`, ``, orgsync.TenantSync, second, second},
		{"number", `20231114221320000`, ``, orgsync.TenantSync, second, second},
		{"no such day", `"20230231221320000"`, ``, orgsync.TenantSync, signedAt(), signedAt()},
		{"letters", `"now"`, ``, orgsync.TenantSync, signedAt(), signedAt()},
		{"wrong type", `{}`, ``, orgsync.TenantSync, signedAt(), signedAt()},
		{"a point inside", `"20231114221320.00"`, ``, orgsync.TenantSync, signedAt(), signedAt()},
		{"sync run", `"20231114221320000"`, `"20231114221319000"`, orgsync.AuthSync, second.Add(-time.Second), second},
		{"sync run unreadable", `"20231114221320000"`, `"x"`, orgsync.AuthSync, second, second},
		{"sync run alone", `null`, `"20231114221320000"`, orgsync.AuthSync, second, signedAt()},
		{"sync run elsewhere", `"20231114221320000"`, `"20231114221319000"`, orgsync.TenantSync, second, second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fields := complete()[tt.kind]
			fields["timeStamp"] = tt.stamp
			delete(fields, "currentSyncTime")
			if tt.current != "" {
				fields["currentSyncTime"] = tt.current
			}
			m, err := push.Decode(tt.kind, bodyOf(fields), signedAt())
			if err != nil || !m.At.Equal(tt.wantAt) || !m.Stamp.Equal(tt.wantStamp) {
				t.Errorf("Decode(%s) = at %v, stamp %v, %v, want %v, %v", bodyOf(fields), m.At, m.Stamp, err, tt.wantAt, tt.wantStamp)
			}
		})
	}
	t.Run("no signed time to fall back to", func(t *testing.T) {
		t.Parallel()
		fields := complete()[orgsync.TenantSync]
		fields["timeStamp"] = `"x"`
		_, err := push.Decode(orgsync.TenantSync, bodyOf(fields), time.Time{})
		if errorText(err) != "timeStamp: is missing or unreadable" {
			t.Errorf("Decode = %v", err)
		}
	})
}

// TestBadKeysOfMessages: they come through as sent, for the rules to set aside.
func TestBadKeysOfMessages(t *testing.T) {
	t.Parallel()
	body := `{"tenantId":" t\u0000","instanceId":"i ","appId":"` + strings.Repeat("a", 65) + `","flag":1,"userList":[]}`
	m, err := push.Decode(orgsync.AuthSync, []byte(body), signedAt())
	if err != nil || m.Tenant != " t\x00" || m.Instance != "i " || len(m.App) != 65 {
		t.Errorf("Decode(%s) = %+v, %v", body, m, err)
	}
}

// TestRefusedScope: a refused message still says whose it is, so that it is counted there.
func TestRefusedScope(t *testing.T) {
	t.Parallel()
	body := `{"tenantId":"t","instanceId":"i","testFlag":"1","flag":7,"userList":[{"userName":"u"}]}`
	m, err := push.Decode(orgsync.AuthSync, []byte(body), signedAt())
	if errorText(err) != "flag: is unknown" || m.Tenant != "t" || m.Realm != orgsync.Test || m.Instance != "i" {
		t.Errorf("Decode(%s) = %+v, %v", body, m, err)
	}
}

func TestHostileBodies(t *testing.T) {
	t.Parallel()
	nest := func(n int) string {
		return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	many := func(n int) string { return `{"a":[0` + strings.Repeat(",0", n-1) + `]}` }
	var members strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&members, `,"%d":0`, i)
	}
	tests := []struct{ name, body, want string }{
		{"empty", ``, "body: is not JSON"},
		{"blank", ` `, "body: is not JSON"},
		{"text", `hello`, "body: is not JSON"},
		{"list", `[]`, "body: is not a JSON object"},
		{"null", `null`, "body: is not a JSON object"},
		{"number", `1e400`, "body: is not a JSON object"},
		{"cut", `{"tenantId":"t"`, "body: is not JSON"},
		{"two", `{}{}`, "body: is not JSON"},
		{"comma at the end", `{"a":1,}`, "body: is not JSON"},
		{"comma alone", `{,}`, "body: is not JSON"},
		{"comma missing", `{"a":1"b":2}`, "body: is not JSON"},
		{"single quotes", `{'a':1}`, "body: is not JSON"},
		{"bare name", `{a:1}`, "body: is not JSON"},
		{"NUL behind", "{}\x00", "body: is not JSON"},
		{"NUL inside", "{\"a\":\"\x00\"}", "body: is not JSON"},
		{"line break in a string", "{\"a\":\"\n\"}", "body: is not JSON"},
		{"unknown escape", `{"a":"\x41"}`, "body: is not JSON"},
		{"cut escape", `{"a":"\u00`, "body: is not JSON"},
		{"escape at the end", `{"a":"\`, "body: is not JSON"},
		{"leading zero", `{"a":01}`, "body: is not JSON"},
		{"bare minus", `{"a":-}`, "body: is not JSON"},
		{"bare point", `{"a":1.}`, "body: is not JSON"},
		{"bare exponent", `{"a":1e+}`, "body: is not JSON"},
		{"not a word", `{"a":nul}`, "body: is not JSON"},
		{"number at the end", `{"a":1`, "body: is not JSON"},
		{"not UTF-8", "{\"a\":\"\xff\"}", "body: is not UTF-8"},
		{"surrogates in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", "body: is not UTF-8"},
		{"as deep as allowed", nest(63), "tenantId: is missing"},
		{"too deep", nest(64), "body: is nested too deeply"},
		{"a million deep", nest(1 << 20), "body: is nested too deeply"},
		{"many values", many(1 << 19), "tenantId: is missing"},
		{"too many values", many(1 << 21), "body: has too many values"},
		{"too many members", `{"a":0` + members.String() + `}`, "body: has too many members in one object"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for kind := orgsync.TenantSync; kind <= orgsync.AllOrgSync; kind++ {
				_, err := push.Decode(kind, []byte(tt.body), signedAt())
				if diff := cmp.Diff(tt.want, errorText(err)); diff != "" {
					t.Errorf("Decode(%v) (-want +got):\n%s", kind, diff)
				}
			}
			// Whoever sends it, verifying it is refused and costs no more.
			h := headers(strings.Repeat("0", 64), testTime, testNonce)
			if _, err := (push.Verifier{Keys: []string{testKey}}).Verify(h, []byte(tt.body), testNow()); err == nil {
				t.Error("Verify accepts it unsigned")
			}
		})
	}
}

func sameAttributes(a, b orgsync.Attributes) bool { return a == b }

func FuzzDecode(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(uint8(v.kind(f)), []byte(v.Body))
	}
	f.Add(uint8(orgsync.AllOrgSync), []byte(`{"tenantId":"t","orgInfo":"[{orgCode:'1',},{"}`))
	f.Add(uint8(orgsync.AuthSync), []byte(`{"tenantId":"t","appId":"a","flag":"3","userList":"[{\"userName\":\"\\ud800\"}]"}`))
	f.Add(uint8(orgsync.ApplicationSync), []byte(`{"client\u0053ecret":{"a":[1]},"clientSecret":"x"}`))
	f.Fuzz(func(t *testing.T, k uint8, body []byte) {
		kind := orgsync.Kind(k%5 + 1)
		m, err := push.Decode(kind, body, signedAt())
		redacted := push.Redact(body)
		if err != nil {
			return
		}
		if m.Tenant == "" || m.Kind != kind || m.At.IsZero() || m.Stamp.IsZero() {
			t.Fatalf("Decode(%q) = %+v", body, m)
		}
		// What waits for its time or a person's yes is kept as text, and must mean the same.
		text, err := orgsync.EncodeMessage(m)
		if err != nil {
			t.Fatalf("EncodeMessage(%+v) = %v", m, err)
		}
		kept, err := orgsync.DecodeMessage(text)
		if diff := cmp.Diff(m, kept, cmp.Comparer(sameAttributes)); err != nil || diff != "" {
			t.Fatalf("kept and read again (%v) the message is another (-want +got):\n%s", err, diff)
		}
		if isRemoval := m.Flag == orgsync.FlagRemove || m.Flag == orgsync.FlagRevoke; isRemoval && kind == orgsync.AuthSync {
			for _, u := range m.Users {
				if u.Attributes != (orgsync.Attributes{}) {
					t.Fatalf("a removal says %+v", u)
				}
			}
		}
		again, err := push.Decode(kind, redacted, signedAt())
		if again.Tenant != m.Tenant || again.Changes() != m.Changes() || err != nil && kind != orgsync.ApplicationSync {
			t.Fatalf("Decode(%q) = %+v, %v; redacted it was %+v", body, m, err, again)
		}
	})
}
