package push_test

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

const (
	testKey   = "TestKitAccessKey0000000000000002"
	testNonce = "nonce-tenant-0001"
	testTime  = "1700000000000"
)

func testNow() time.Time { return time.UnixMilli(1700000000000) }

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		verifier := push.Verifier{Keys: []string{v.Key}}
		for candidate, signature := range v.Signatures {
			t.Run(v.ID+"/"+string(candidate), func(t *testing.T) {
				t.Parallel()
				got, err := verifier.Verify(headers(signature, v.Timestamp, v.Nonce), []byte(v.Body), v.time(t))
				want := push.Verified{Candidate: candidate, Signed: v.time(t).UTC(), Nonce: v.Nonce}
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("Verify = %v (-want +got):\n%s", err, diff)
				}
			})
		}
		if v.SortedInSeconds != "" {
			got, err := verifier.Verify(headers(v.SortedInSeconds, v.Timestamp[:10], v.Nonce), []byte(v.Body), v.time(t))
			if err != nil || got.Candidate != push.CandidateSorted || !got.Signed.Equal(v.time(t)) {
				t.Errorf("%s in seconds: Verify = %+v, %v", v.ID, got, err)
			}
		}
		if v.DoubleHMAC != "" {
			_, err := verifier.Verify(headers(v.DoubleHMAC, v.Timestamp, v.Nonce), []byte(v.Body), v.time(t))
			if !errors.Is(err, push.ErrSignature) {
				t.Errorf("%s with the base interfaces' double HMAC: error %v, want %v", v.ID, err, push.ErrSignature)
			}
		}
	}
}

// TestCandidates signs the canonical text written by hand, so that each form has a
// witness that is not our own writer.
func TestCandidates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body, payload string
		want                push.Candidate
	}{
		{"blanks between", "\t{ \"b\" : 1 ,\r\n \"a\" : [ 1 , { \"z\" : null , \"y\" : 2 } ] } ", `{"a":[1,{"z":null,"y":2}],"b":1}`, push.CandidateSorted},
		{"null dropped", `{"b":null,"a":""}`, `{"a":""}`, push.CandidateSorted},
		{"null kept", `{"b":null,"a":""}`, `{"a":"","b":null}`, push.CandidateSortedNulls},
		{"deep", `{"b":[{"d":{"f":1,"e":2},"c":3}],"a":0}`, `{"a":0,"b":[{"c":3,"d":{"e":2,"f":1}}]}`, push.CandidateDeepSorted},
		{"descending", `{"a":{"a":1,"b":2},"b":2}`, `{"b":2,"a":{"a":1,"b":2}}`, push.CandidateDescending},
		{"duplicate at the top", `{"b":1,"a":0,"b":{"x":2}}`, `{"a":0,"b":{"x":2}}`, push.CandidateSorted},
		{"duplicate inside keeps its first place", `{"o":{"b":1,"a":0,"b":2}}`, `{"o":{"b":2,"a":0}}`, push.CandidateSorted},
		{"name spelled with an escape", `{"\u0062":1,"a":0}`, `{"a":0,"b":1}`, push.CandidateSorted},
		{"escapes become characters", `{"b":"\u5f20\u4e09 \ud83d\ude00 \/ \u003c\u2028\u007f","a":1}`, "{\"a\":1,\"b\":\"张三 😀 / <\u2028\u007f\"}", push.CandidateSorted},
		{"escapes that stay", `{"b":"\u0022 \u005c \u000a \u0008\f\r\t","a":1}`, `{"a":1,"b":"\" \\ \n \b\f\r\t"}`, push.CandidateSorted},
		{"control characters in capitals", `{"b":"\u001f\u0000\u000b","a":1}`, `{"a":1,"b":"\u001F\u0000\u000B"}`, push.CandidateSorted},
		{"number literals", `{"b":-0,"a":1.00,"d":1E+5,"c":123456789012345678901234567890}`, `{"a":1.00,"b":-0,"c":123456789012345678901234567890,"d":1E+5}`, push.CandidateSorted},
		{"UTF-16 order", "{\"\ufb01\":1,\"\U0001f600\":2,\"z\":3}", "{\"z\":3,\"\U0001f600\":2,\"\ufb01\":1}", push.CandidateSorted},
		{"byte order mark", "\ufeff{\"b\":1,\"a\":0}", `{"a":0,"b":1}`, push.CandidateSorted},
		{"not JSON but signed as it is", "hello", "hello", push.CandidateRaw},
		{"empty", "", "", push.CandidateRaw},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := headers(sign(testKey, testNonce, testTime, tt.payload), testTime, testNonce)
			got, err := push.Verifier{Keys: []string{testKey}}.Verify(h, []byte(tt.body), testNow())
			if err != nil || got.Candidate != tt.want {
				t.Errorf("Verify(%q signed as %q) = %q, %v, want %q", tt.body, tt.payload, got.Candidate, err, tt.want)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	const body = `{"tenantId":"t"}`
	good := func() http.Header { return headers(sign(testKey, testNonce, testTime, body), testTime, testNonce) }
	with := func(name string, values ...string) http.Header {
		h := good()
		h.Del(name)
		for _, v := range values {
			h.Add(name, v)
		}
		return h
	}
	at := func(timestamp string) http.Header {
		return headers(sign(testKey, testNonce, timestamp, body), timestamp, testNonce)
	}
	timestamp := func(reason string) error { return &orgsync.FieldError{Field: "x-timestamp", Reason: reason} }
	nonce := func(reason string) error { return &orgsync.FieldError{Field: "x-nonce", Reason: reason} }
	off := errors.New("no key is configured (marketplace.keys.kit): " + push.ErrSignature.Error())
	tests := []struct {
		name   string
		header http.Header
		keys   []string
		want   error
	}{
		{"good", good(), []string{testKey}, nil},
		{"older key", good(), []string{"new", "", testKey}, nil},
		{"capital hex", with("x-sign", strings.ToUpper(good().Get("x-sign"))), []string{testKey}, nil},
		{"60 s early", at("1699999940000"), []string{testKey}, nil},
		{"60 s late", at("1700000060000"), []string{testKey}, nil},
		{"seconds", at("1700000060"), []string{testKey}, nil},
		{"no timestamp", with("x-timestamp"), []string{testKey}, timestamp("is missing")},
		{"no timestamp and no signature", http.Header{"X-Nonce": {"n"}}, []string{testKey}, timestamp("is missing")},
		{"two timestamps", with("x-timestamp", testTime, testTime), []string{testKey}, timestamp("is missing")},
		{"timestamp of letters", at("now"), []string{testKey}, timestamp("is not a number")},
		{"negative timestamp", at("-1700000000000"), []string{testKey}, timestamp("is not a number")},
		{"timestamp of 12 digits", at("170000000000"), []string{testKey}, timestamp("is neither seconds nor milliseconds")},
		{"timestamp of 19 digits", at("1700000000000000000"), []string{testKey}, timestamp("is too long")},
		{"timestamp of 400 digits", at(strings.Repeat("1", 400)), []string{testKey}, timestamp("is too long")},
		{"too old", at("1699999939999"), []string{testKey}, timestamp("is outside the time window")},
		{"too new", at("1700000060001"), []string{testKey}, timestamp("is outside the time window")},
		{"far future", at("999999999999999999"), []string{testKey}, timestamp("is outside the time window")},
		{"no nonce", with("x-nonce"), []string{testKey}, nonce("is missing")},
		{"empty nonce", with("x-nonce", ""), []string{testKey}, nonce("is missing")},
		{"nonce too long", with("x-nonce", strings.Repeat("n", 129)), []string{testKey}, nonce("is too long or not printable")},
		{"nonce not printable", with("x-nonce", "n\u00e9"), []string{testKey}, nonce("is too long or not printable")},
		{"no signature", with("x-sign"), []string{testKey}, push.ErrSignature},
		{"no signature and stale", headers("", "1", testNonce), []string{testKey}, push.ErrSignature},
		{"two signatures", with("x-sign", good().Get("x-sign"), good().Get("x-sign")), []string{testKey}, push.ErrSignature},
		{"signature not hex", with("x-sign", strings.Repeat("x", 64)), []string{testKey}, push.ErrSignature},
		{"signature cut", with("x-sign", good().Get("x-sign")[:62]), []string{testKey}, push.ErrSignature},
		{"other nonce", with("x-nonce", "other"), []string{testKey}, push.ErrSignature},
		{"other key", good(), []string{"TestKitAccessKey0000000000000003"}, push.ErrSignature},
		{"off", good(), nil, off},
		{"an empty key is no key", headers(sign("", testNonce, testTime, body), testTime, testNonce), []string{""}, off},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := push.Verifier{Keys: tt.keys}.Verify(tt.header, []byte(body), testNow())
			if diff := cmp.Diff(errorText(tt.want), errorText(err)); diff != "" {
				t.Errorf("Verify (-want +got):\n%s", diff)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestKeyIndexAndSkew(t *testing.T) {
	t.Parallel()
	h := headers(sign(testKey, testNonce, testTime, "{}"), testTime, testNonce)
	v := push.Verifier{Keys: []string{"new", testKey}, Skew: 5 * time.Minute}
	got, err := v.Verify(h, []byte("{}"), testNow().Add(5*time.Minute))
	if err != nil || got.KeyIndex != 1 {
		t.Errorf("Verify = %+v, %v, want key index 1 five minutes late", got, err)
	}
}

// TestFlippedBit: whatever bit of body, nonce, timestamp or signature changes, nothing
// verifies.
func TestFlippedBit(t *testing.T) {
	t.Parallel()
	vs := vectors(t)
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SampledFrom(vs).Draw(t, "vector")
		signature := v.Signatures[rapid.SampledFrom([]push.Candidate{push.CandidateRaw, push.CandidateSorted}).Draw(t, "candidate")]
		parts := [][]byte{[]byte(v.Body), []byte(v.Nonce), []byte(v.Timestamp), []byte(signature)}
		part := rapid.IntRange(0, len(parts)-1).Draw(t, "part")
		i := rapid.IntRange(0, len(parts[part])-1).Draw(t, "byte")
		parts[part][i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if part == 3 && strings.EqualFold(string(parts[3]), signature) {
			t.Skip("the same digit in the other case")
		}
		now, _ := strconv.ParseInt(v.Timestamp, 10, 64)
		h := headers(string(parts[3]), string(parts[2]), string(parts[1]))
		if got, err := (push.Verifier{Keys: []string{v.Key}}).Verify(h, parts[0], time.UnixMilli(now)); err == nil {
			t.Fatalf("Verify = %+v for %q, %v", got, parts[0], h)
		}
	})
}

func FuzzVerify(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.Body), v.Signatures[push.CandidateRaw], v.Timestamp, v.Nonce)
		f.Add([]byte(v.Body), v.Signatures[push.CandidateSorted], v.Timestamp, v.Nonce)
	}
	f.Add([]byte(`{"a":{"b":[{"\u0061":"\ud800"}]}}`), "00", testTime, "n")
	f.Add([]byte(`{"flag":0,"tenantId":"t"}`), "00", " ", "n")
	f.Add([]byte(`{"flag":0,"tenantId":"t"}`), "00", `"a":null,`, "n")
	f.Add([]byte(`{"flag":0,"tenantId":"t"}`), "00", `"flag":1,`, "n")
	f.Fuzz(func(t *testing.T, body []byte, signature, timestamp, nonce string) {
		// Nobody without the key can sign, and with it every body verifies raw.
		v := push.Verifier{Keys: []string{"a key that no corpus knows"}}
		if _, err := v.Verify(headers(signature, timestamp, nonce), body, testNow()); err == nil {
			t.Fatalf("verified %q", body)
		}
		h := headers(sign(testKey, testNonce, testTime, string(body)), testTime, testNonce)
		got, err := push.Verifier{Keys: []string{testKey}}.Verify(h, body, testNow())
		if err != nil || got.Candidate != push.CandidateRaw {
			t.Fatalf("Verify = %+v, %v", got, err)
		}
		// Another body under that signature is refused, or it says the same.
		at := len(nonce) % (len(body) + 1)
		other := slices.Concat(body[:at], []byte(timestamp), body[at:])
		if _, err := (push.Verifier{Keys: []string{testKey}}).Verify(h, other, testNow()); err != nil {
			return
		}
		for kind := orgsync.TenantSync; kind <= orgsync.AllOrgSync; kind++ {
			want, wantErr := push.Decode(kind, body, testNow())
			m, err := push.Decode(kind, other, testNow())
			if diff := cmp.Diff(want, m, cmp.Comparer(sameAttributes)); diff != "" || (wantErr == nil) != (err == nil) {
				t.Fatalf("%q verifies under the signature of %q and says something else (-want +got):\n%s", other, body, diff)
			}
		}
	})
}
