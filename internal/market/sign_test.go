package market_test

import (
	"testing"

	"github.com/kitbridge/kitbridge/internal/market"
)

const (
	kitKey = "TestKitAccessKey0000000000000002"
	v1Key  = "0f8fad5b-d9cb-469f-a165-70867728950e"
)

// vector is a body with its signatures, computed by two other programs.
type vector struct {
	name, nonce, body, raw, sorted string
}

// vectors were made with the key kitKey at 1700000000000 ms.
func vectors() []vector {
	return []vector{
		{
			"K1", "nonce-tenant-0001",
			`{"instanceId":"huaiweitest123456","orderId":"CS1906666666ABCDE","tenantId":"68cbc86abc2018ab880d92f36422fa0e","tenantCode":"huawei","name":"huaweitenantname","domainName":"https://example.tenantaccount.com","flag":1,"testFlag":0,"timeStamp":"20220413093539534"}`,
			"c9e6f49fed3ca7fb0b24510be7273a29723962ba75fb36a3d02c4aca03d33b27",
			"c75a7342fdb1f7c1eeabaa9e8532c280f600cc62d97cecbbdfb0c483f0b6041b",
		},
		{
			"K2", "nonce-app-0002",
			`{"instanceId":"","tenantId":"68cbc86abc2018ab880d92f36422fa0e","appId":"app0001","clientId":"client0001","clientSecret":"<base64 ciphertext>","flag":1,"testFlag":1,"timeStamp":"20231114221320000"}`,
			"df4b8ab18943c538e7d576ebdfd3141c8eccbb791a229bac8187bae54c6a5b07",
			"468d0dcd908b8ae87d5845214cbbdad3900e2dc52885ec8c17267c7ff7f644b4",
		},
		{
			"K3", "nonce-auth-0003",
			`{"instanceId":"huaiweitest123456","tenantId":"68cbc86abc2018ab880d92f36422fa0e","appId":"app0001","userList":[{"userName":"zhangsan","name":"张三","orgCode":"00000001","role":"user","enable":"true","employeeType":1,"entryDate":"2022-11-9","mobile":null}],"currentSyncTime":"20231114221320000","flag":1,"testFlag":0,"timeStamp":"20231114221320000"}`,
			"b2348878588d8fb03d3bbf88840265279dd88739df89105e62cc81d7209ae744",
			"8312090ebf95e9399104d7a844870e6a15f1665fc0dc18d465a83bb206c30128",
		},
		{
			"K4", "nonce-org-0004",
			`{"instanceId":"huaiweitest123456","tenantId":"68cbc86abc2018ab880d92f36422fa0e","orgCode":"00000001","orgName":"产品部","parentCode":"","flag":2,"testFlag":0,"timeStamp":"20231114221320000"}`,
			"403adfe82793e3b44a3b268895d0ce852416254d060d0eddd1d27bff08e76e24",
			"7d94f4a456976125733cd546361e7e7ff0d3a26b5f328350ec2e39c24f7f3516",
		},
		{
			"K5", "nonce-orgs-0005",
			`{"instanceId":"huaiweitest123456","tenantId":"68cbc86abc2018ab880d92f36422fa0e","orgInfoList":[{"orgCode":"00000001","orgName":"产品部","parentCode":""},{"orgCode":"00000002","orgName":"A/B <测试>","parentCode":"00000001"}],"testFlag":0,"timeStamp":"20231114221320000"}`,
			"b6a3380574f90b5eaa8c245bcce822a0d18ea2c7afb2b0c208ffe46c802f90d0",
			"d2a52e6638755c23b8624054cad9736a8149cd91c807d9f58698260eeb362e7c",
		},
	}
}

func TestSignVectors(t *testing.T) {
	const timestamp = "1700000000000"
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			if got := market.Sign(kitKey, v.nonce, timestamp, []byte(v.body)); got != v.raw {
				t.Errorf("Sign(raw body) = %s, want %s", got, v.raw)
			}
			sorted, err := market.Sorted([]byte(v.body))
			if err != nil {
				t.Fatalf("Sorted() = %v", err)
			}
			if got := market.Sign(kitKey, v.nonce, timestamp, sorted); got != v.sorted {
				t.Errorf("Sign(sorted body) = %s, want %s\nsorted: %s", got, v.sorted, sorted)
			}
		})
	}
	v := vectors()[0]
	sorted, err := market.Sorted([]byte(v.body))
	if err != nil {
		t.Fatalf("Sorted() = %v", err)
	}
	const inSeconds = "e6120f59f093c24a7826a77ce868f479a8f45f435c1d8b12c6afc77002346adc"
	if got := market.Sign(kitKey, v.nonce, "1700000000", sorted); got != inSeconds {
		t.Errorf("Sign(seconds) = %s, want %s", got, inSeconds)
	}
}

func TestSorted(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"empty", `{}`, `{}`},
		{"blanks go", "{ \"b\" : 1 ,\n \"a\" : [ 1, 2 ] }", `{"a":[1,2],"b":1}`},
		{"null goes, empty text stays", `{"b":null,"a":""}`, `{"a":""}`},
		{"nested null and order stay", `{"a":{"z":null,"y":1}}`, `{"a":{"z":null,"y":1}}`},
		{"numbers as written", `{"b":1.50,"a":12345678901234567890}`, `{"a":12345678901234567890,"b":1.50}`},
		{"upper case first", `{"a":1,"B":2}`, `{"B":2,"a":1}`},
		{"by UTF-16 units", `{"\uff5e":1,"\ud83d\ude42":2}`, `{"🙂":2,"～":1}`},
		{"nothing escaped", `{"<&>":"</b>"}`, `{"<&>":"</b>"}`},
		{"last of two wins", `{"a":1,"a":2}`, `{"a":2}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := market.Sorted([]byte(tt.body))
			if err != nil {
				t.Fatalf("Sorted(%s) = %v", tt.body, err)
			}
			if string(got) != tt.want {
				t.Errorf("Sorted(%s) = %s, want %s", tt.body, got, tt.want)
			}
		})
	}
	for _, body := range []string{"", "[]", `{"a":1`, "null x"} {
		if _, err := market.Sorted([]byte(body)); err == nil {
			t.Errorf("Sorted(%q) succeeds", body)
		}
	}
}

func TestV1Vectors(t *testing.T) {
	t.Run("V1-POST-1", func(t *testing.T) {
		got := market.AuthToken(v1Key, "20220726105223104", map[string]string{
			"testFlag": "1", "flag": "1", "orderId": "", "tenantCode": "example.com", "timeStamp": "20220726105223104", "instanceId": " ",
			"domainName": "example.tenantaccount.com", "tenantId": "68cbc86abc2018ab880d92f36422fa0e", "name": "huaweitenantname",
		})
		if want := "L46FpmOeqs66ASXBg+RTFwu0cFnzkvNXhB40o9tUqKI="; got != want {
			t.Errorf("AuthToken() = %s, want %s", got, want)
		}
	})
	t.Run("V1-POST-2", func(t *testing.T) {
		got := market.AuthToken(v1Key, "20231114221320000", map[string]string{
			"appId": "app0001", "currentSyncTime": "20231114221320000", "flag": "1", "instanceId": "huaiweitest123456",
			"tenantId": "68cbc86abc2018ab880d92f36422fa0e", "testFlag": "0", "timeStamp": "20231114221320000",
			"userList": `[{"userName":"zhangsan","name":"张三","orgCode":"00000001","role":"user","enable":"true"}]`,
		})
		if want := "2O7GoiSSoh/Mb82DLaJz1rJ2c/f7SmqZE6/noxBPWD4="; got != want {
			t.Errorf("AuthToken() = %s, want %s", got, want)
		}
	})
	t.Run("V1-BS-1", func(t *testing.T) {
		const body = `{"resultCode":"000000","resultMsg":"success.","instanceId":"61e834ba-7b97-4418-b8f7-e5345137278c"}`
		if got, want := market.BodySign(v1Key, []byte(body)), "3MApNkcfcLl7ys4J3AliQp9U044HkISjXRKitbdvbag="; got != want {
			t.Errorf("BodySign() = %s, want %s", got, want)
		}
		if got, want := market.BodySign(v1Key, []byte(body+"\n")), "Aj8BZF2g4inMvP/4Vw1DQ5ylDXziuBFu9QY0YurO4uw="; got != want {
			t.Errorf("BodySign(with newline) = %s, want %s", got, want)
		}
	})
}
