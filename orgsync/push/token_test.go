package push_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

// vectorV1 is a message of the first generation. Its tokens were computed by other
// programs in other languages; P1 is published with a copy of the guide's sample code,
// and like V1-GET it is the base interfaces', which join and sign the same way.
type vectorV1 struct {
	ID, Kind, Key, Body, String string
	Tokens                      map[push.Candidate]string
}

func vectorsV1(t testing.TB) []vectorV1 {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors_v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var vs []vectorV1
	if err := json.Unmarshal(text, &vs); err != nil {
		t.Fatal(err)
	}
	return vs
}

const keyV1 = "0f8fad5b-d9cb-469f-a165-70867728950e"

// tokenOf signs a joined text as a peer does.
func tokenOf(key, timeStamp, joined string) string {
	mac := hmac.New(sha256.New, []byte(key+timeStamp))
	mac.Write([]byte(joined))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func authToken(values ...string) http.Header {
	h := http.Header{}
	for _, v := range values {
		h.Add("authToken", v)
	}
	return h
}

func TestTokenVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectorsV1(t) {
		for candidate, want := range v.Tokens {
			got, err := push.TokenVerifier{Keys: []string{v.Key}}.Verify(authToken(want), []byte(v.Body))
			diff := cmp.Diff(push.Verified{Candidate: candidate, Nonce: "v1:" + want}, got)
			if err != nil || diff != "" {
				t.Errorf("%s %s: %v (-want +got):\n%s", v.ID, candidate, err, diff)
			}
		}
	}
}

// TestBodySign has vector V1-BS-1.
func TestBodySign(t *testing.T) {
	t.Parallel()
	const body = `{"resultCode":"000000","resultMsg":"success.","instanceId":"61e834ba-7b97-4418-b8f7-e5345137278c"}`
	for text, want := range map[string]string{
		body:        `sign_type="HMAC-SHA256", signature= "3MApNkcfcLl7ys4J3AliQp9U044HkISjXRKitbdvbag="`,
		body + "\n": `sign_type="HMAC-SHA256", signature= "Aj8BZF2g4inMvP/4Vw1DQ5ylDXziuBFu9QY0YurO4uw="`,
	} {
		if got := push.BodySign(keyV1, []byte(text)); got != want {
			t.Errorf("Body-Sign of %q is %s, want %s", text, got, want)
		}
	}
}

// TestTokenForms signs the joined text written by hand.
func TestTokenForms(t *testing.T) {
	t.Parallel()
	const stamp = "20231114221320000"
	tests := []struct {
		name, body, joined string
		want               push.Candidate
	}{
		{"numbers and booleans", `{"timeStamp":"` + stamp + `","flag":1,"enable":true,"n":1.50}`, "enable=true&flag=1&n=1.50&timeStamp=" + stamp, push.CandidateBlanksDropped},
		{"timeStamp a number", `{"timeStamp":` + stamp + `}`, "timeStamp=" + stamp, push.CandidateBlanksDropped},
		{"blanks dropped", `{"timeStamp":"` + stamp + `","a":"","b":" \t","c":" x "}`, "c= x &timeStamp=" + stamp, push.CandidateBlanksDropped},
		{"blanks kept", `{"timeStamp":"` + stamp + `","a":"","b":" "}`, "a=&b= &timeStamp=" + stamp, push.CandidateBlanksKept},
		{"null is no value", `{"timeStamp":"` + stamp + `","a":null,"b":""}`, "b=&timeStamp=" + stamp, push.CandidateBlanksKept},
		{"last duplicate", `{"a":1,"timeStamp":"` + stamp + `","a":2}`, "a=2&timeStamp=" + stamp, push.CandidateBlanksDropped},
		{"text list", `{"userList":"[{\"userName\":\"u\"}]","timeStamp":"` + stamp + `"}`, `timeStamp=` + stamp + `&userList=[{"userName":"u"}]`, push.CandidateBlanksDropped},
		{"list as it stands there", `{"userList":[ {"userName":"u"}],"timeStamp":"` + stamp + `"}`, `timeStamp=` + stamp + `&userList=[ {"userName":"u"}]`, push.CandidateBlanksDropped},
		{"escapes mean characters", `{"name":"\u5f20\u4e09&=+%","timeStamp":"` + stamp + `"}`, "name=张三&=+%&timeStamp=" + stamp, push.CandidateBlanksDropped},
		{"UTF-16 order", "{\"\ufb01\":1,\"\U0001f600\":2,\"timeStamp\":\"" + stamp + "\"}", "timeStamp=" + stamp + "&\U0001f600=2&\ufb01=1", push.CandidateBlanksDropped},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			signed := tokenOf(keyV1, stamp, tt.joined)
			got, err := push.TokenVerifier{Keys: []string{"new", "", keyV1}}.Verify(authToken(signed), []byte(tt.body))
			want := push.Verified{Candidate: tt.want, Nonce: "v1:" + signed, KeyIndex: 2}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("Verify(%s signed as %q) = %v (-want +got):\n%s", tt.body, tt.joined, err, diff)
			}
		})
	}
}

// TestTokenSpellings: the header is taken as it is, URL-decoded, and with blanks for plus
// signs; all are one token, so that none of them is a way round the journal.
func TestTokenSpellings(t *testing.T) {
	t.Parallel()
	v := vectorsV1(t)[4] // its token has both + and /
	signed := v.Tokens[push.CandidateBlanksDropped]
	for _, spelling := range []string{
		signed, url.QueryEscape(signed), strings.ReplaceAll(signed, "+", " "), strings.TrimRight(signed, "="),
		strings.ReplaceAll(url.QueryEscape(signed), "%2B", "+"), strings.ReplaceAll(signed, "=", "%3d"),
	} {
		got, err := push.TokenVerifier{Keys: []string{v.Key}}.Verify(authToken(spelling), []byte(v.Body))
		if err != nil || got.Nonce != "v1:"+signed {
			t.Errorf("Verify(%q) = %+v, %v", spelling, got, err)
		}
	}
}

func TestTokenRefuses(t *testing.T) {
	t.Parallel()
	v := vectorsV1(t)[0]
	signed := v.Tokens[push.CandidateBlanksDropped]
	stamped := func(reason string) error { return &orgsync.FieldError{Field: "timeStamp", Reason: reason} }
	tests := []struct {
		name, body string
		header     http.Header
		keys       []string
		want       error
	}{
		{"good", v.Body, authToken(signed), []string{v.Key}, nil},
		{"no token", v.Body, authToken(), []string{v.Key}, push.ErrSignature},
		{"two tokens", v.Body, authToken(signed, signed), []string{v.Key}, push.ErrSignature},
		{"no base64", v.Body, authToken("!" + signed[1:]), []string{v.Key}, push.ErrSignature},
		{"bad escape", v.Body, authToken(signed + "%"), []string{v.Key}, push.ErrSignature},
		{"too short", v.Body, authToken(signed[:40]), []string{v.Key}, push.ErrSignature},
		{"too long", v.Body, authToken(strings.Repeat(signed, 4)), []string{v.Key}, push.ErrSignature},
		{"other key", v.Body, authToken(signed), []string{"x" + v.Key}, push.ErrSignature},
		{"another body", strings.Replace(v.Body, "huaweitenantname", "x", 1), authToken(signed), []string{v.Key}, push.ErrSignature},
		{"another time", strings.Replace(v.Body, "104", "105", 1), authToken(signed), []string{v.Key}, push.ErrSignature},
		{"no time", `{"tenantId":"t"}`, authToken(tokenOf(v.Key, "", "tenantId=t")), []string{v.Key}, stamped("is missing or unreadable")},
		{"time of another type", `{"timeStamp":["1"]}`, authToken(signed), []string{v.Key}, stamped("is missing or unreadable")},
		{"empty time", `{"timeStamp":""}`, authToken(tokenOf(v.Key, "", "")), []string{v.Key}, stamped("is missing or unreadable")},
		{"no JSON", "hello", authToken(signed), []string{v.Key}, &orgsync.FieldError{Field: "body", Reason: "is not JSON"}},
		{"no object", "[]", authToken(signed), []string{v.Key}, &orgsync.FieldError{Field: "body", Reason: "is not a JSON object"}},
		{"no token and no JSON", "hello", authToken(), []string{v.Key}, push.ErrSignature},
		{"off", v.Body, authToken(signed), nil, errors.New("no key is configured (marketplace.keys.v1): " + push.ErrSignature.Error())},
		{"an empty key is no key", v.Body, authToken(tokenOf("", "20220726105223104", v.String)), []string{""}, errors.New("no key is configured (marketplace.keys.v1): " + push.ErrSignature.Error())},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := push.TokenVerifier{Keys: tt.keys}.Verify(tt.header, []byte(tt.body))
			if diff := cmp.Diff(errorText(tt.want), errorText(err)); diff != "" {
				t.Errorf("Verify (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFlippedBitV1: no single bit of token or signed body can change unnoticed. Names and
// values only: a blank between two tokens is no part of what V1 signs.
func TestFlippedBitV1(t *testing.T) {
	t.Parallel()
	vs := vectorsV1(t)[2:] // all of their values are texts without blanks
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SampledFrom(vs).Draw(t, "vector")
		parts := [][]byte{[]byte(v.Body), []byte(strings.TrimRight(v.Tokens[push.CandidateBlanksDropped], "="))}
		part := rapid.IntRange(0, 1).Draw(t, "part")
		i := rapid.IntRange(0, len(parts[part])-1-part).Draw(t, "byte") // the last digit of base64 has spare bits
		parts[part][i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		got, err := push.TokenVerifier{Keys: []string{v.Key}}.Verify(authToken(string(parts[1])), parts[0])
		if err == nil {
			t.Fatalf("Verify = %+v for %q, %q", got, parts[0], parts[1])
		}
	})
}

func FuzzVerifyToken(f *testing.F) {
	for _, v := range vectorsV1(f) {
		for _, signed := range v.Tokens {
			f.Add([]byte(v.Body), signed)
		}
	}
	f.Add([]byte(`{"timeStamp":"1","a":{"b":["\ud800"]},"":" "}`), "%2B =")
	f.Fuzz(func(t *testing.T, body []byte, signed string) {
		v := push.TokenVerifier{Keys: []string{"a key that no corpus knows"}}
		got, err := v.Verify(authToken(signed), body)
		if err == nil {
			t.Fatalf("verified %q: %+v", body, got)
		}
		if !errors.Is(err, push.ErrSignature) && !errors.Is(err, orgsync.ErrInvalid) {
			t.Fatalf("error %v is of no known kind", err)
		}
	})
}
