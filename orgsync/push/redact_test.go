package push_test

import (
	"testing"

	"github.com/kitbridge/kitbridge/orgsync/push"
)

func TestRedact(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, want string }{
		{"no secret", `{ "a" : 1.00 , "b":"\u0041" }`, `{ "a" : 1.00 , "b":"\u0041" }`},
		{"secret", `{"clientId":"c", "clientSecret" : "abc" ,"flag":1}`, `{"clientId":"c", "clientSecret" : "" ,"flag":1}`},
		{"twice", `{"clientSecret":"abc","clientSecret":"def"}`, `{"clientSecret":"","clientSecret":""}`},
		{"other case", `{"ClientSecret":"abc","CLIENTSECRET":"def"}`, `{"ClientSecret":"","CLIENTSECRET":""}`},
		{"escaped name", `{"client\u0053ecret":"a\"bc"}`, `{"client\u0053ecret":""}`},
		{"inside", `{"a":[{"clientSecret":"abc"},{"b":{"clientSecret":7}}]}`, `{"a":[{"clientSecret":""},{"b":{"clientSecret":""}}]}`},
		{"of any type", `{"clientSecret":{"clientSecret":["abc"]}}`, `{"clientSecret":""}`},
		{"as a value", `{"a":"clientSecret"}`, `{"a":"clientSecret"}`},
		{"in a list", `[{"clientSecret":"abc"}]`, `[{"clientSecret":""}]`},
		{"not JSON", `{"clientSecret":"abc"`, ``},
		{"lenient JSON is not JSON", `{clientSecret:'abc'}`, ``},
	}
	for _, tt := range tests {
		if got := string(push.Redact([]byte(tt.body))); got != tt.want {
			t.Errorf("%s: Redact(%s) = %s, want %s", tt.name, tt.body, got, tt.want)
		}
	}
}
