//go:build integration

package integration_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// The codes of refusals (access guide, result codes).
const (
	wrongSignature = "000001"
	wrongParameter = "000002"
)

// unsortedText writes a message as no program of ours would: names backwards,
// indented, Chinese escaped.
func unsortedText(t testing.TB, body map[string]any) []byte {
	t.Helper()
	names := sortedKeys(body)
	slices.Reverse(names)
	var b bytes.Buffer
	for n, name := range names {
		b.WriteString(map[bool]string{true: "{\n  ", false: ",\n  "}[n == 0])
		b.WriteString(strconv.Quote(name) + " : ")
		var indented bytes.Buffer
		if err := json.Indent(&indented, []byte(rawText(t, body[name])), "  ", "\t"); err != nil {
			t.Fatal(err)
		}
		for _, unit := range utf16.Encode([]rune(indented.String())) {
			if unit < 0x7f {
				b.WriteByte(byte(unit))
			} else {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		}
	}
	b.WriteString("\n}\n")
	return b.Bytes()
}

// sortedText is what the marketplace's sample code signs: names in ascending
// order, nulls left out, no blanks, nothing escaped that need not be.
func sortedText(t testing.TB, body map[string]any) []byte {
	t.Helper()
	var members []string
	for _, name := range sortedKeys(body) {
		if body[name] != nil {
			members = append(members, strconv.Quote(name)+":"+rawText(t, body[name]))
		}
	}
	return []byte("{" + strings.Join(members, ",") + "}")
}

func rawText(t testing.TB, value any) string {
	t.Helper()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// TestSyncSignature: a push signed over the text as sent, or over the sorted
// compact form, is taken; any other is refused and leaves no trace.
func TestSyncSignature(t *testing.T) {
	t.Parallel()
	directory := peers.Slapd(t, peers.SlapdOptions{}).URL()
	b := startBridge(t, ldapSink(directory))
	buyer, at := newBuyer("t1"), anHourAgo()
	buyer.departments["d<1>&"] = department{name: "A/B <测试> & co"}
	buyer.users["zhangsan"] = user{name: "张三", orgCode: "d<1>&", role: "user"}
	settled := func() string {
		if n := b.status(t).pending(); n > 0 {
			return strconv.FormatInt(n, 10) + " keys pending"
		}
		return (&scene{bridge: b, directory: directory}).differsInDirectory(t, buyer)
	}
	raw := b.push(t, "tenantSync", buyer.tenantSync(flagAdd, at).body)
	if raw.Code != accepted {
		t.Fatalf("signed over the text as sent: %+v", raw)
	}
	for n, m := range []message{
		buyer.tenantSync(flagModify, at.Add(time.Second)), buyer.allOrgSync(at.Add(time.Second)), buyer.authorise(flagAdd, at.Add(2*time.Second), "zhangsan"),
	} {
		m.body["aNull"] = nil
		nonce, timestamp := rand.Text(), strconv.FormatInt(time.Now().UnixMilli(), 10)
		if n == 1 {
			timestamp = timestamp[:10] // some pages of the guide say seconds
		}
		signature := sign(kitKey, nonce, timestamp, sortedText(t, m.body))
		got := b.send(t, m.name, nonce, timestamp, strings.ToUpper(signature), unsortedText(t, m.body))
		if got.Code != accepted {
			t.Fatalf("%s signed over the sorted form: %+v\nsent   %s\nsigned %s", m.name, got, unsortedText(t, m.body), sortedText(t, m.body))
		}
	}
	await(t, 10*time.Second, settled)
	before := b.status(t)

	evil := buyer.clone()
	evil.name = "changed by a stranger"
	other := func() signed { return signedPush(t, "tenantSync", evil.tenantSync(flagModify, time.Now()).body) }
	resigned := func(s signed, key string, at time.Time) signed {
		s.timestamp = strconv.FormatInt(at.UnixMilli(), 10)
		s.signature = sign(key, s.nonce, s.timestamp, s.body)
		return s
	}
	first := signedPush(t, "tenantSync", buyer.tenantSync(flagModify, at.Add(time.Second)).body)
	if got := b.mustSend(t, first); got.Code != accepted {
		t.Fatalf("the first with its nonce: %+v", got)
	}
	before.Journal.Accepted++
	before.Journal.Stale++ // it said nothing new

	tests := []struct {
		name, want string
		change     func(signed) signed
	}{
		{"another key", wrongSignature, func(s signed) signed { return resigned(s, "TestKitAccessKey0000000000000003", time.Now()) }},
		{"an empty key", wrongSignature, func(s signed) signed { return resigned(s, "", time.Now()) }},
		{"a changed byte", wrongSignature, func(s signed) signed {
			s.body = bytes.Replace(s.body, []byte("stranger"), []byte("Stranger"), 1)
			return s
		}},
		{"one byte more", wrongSignature, func(s signed) signed { s.body = append(s.body, '}'); return s }},
		{"a changed nonce", wrongSignature, func(s signed) signed { s.nonce = rand.Text(); return s }},
		{"a changed time", wrongSignature, func(s signed) signed {
			s.timestamp = strconv.FormatInt(time.Now().UnixMilli()+1, 10)
			return s
		}},
		{"no signature", wrongSignature, func(s signed) signed { s.signature = ""; return s }},
		{"half a signature", wrongSignature, func(s signed) signed { s.signature = s.signature[:32]; return s }},
		{"the signature of the base interfaces", wrongSignature, func(s signed) signed {
			inner := hmac.New(sha256.New, []byte(kitKey))
			inner.Write(s.body)
			s.signature = sign(kitKey, s.nonce, s.timestamp, []byte(hex.EncodeToString(inner.Sum(nil))))
			return s
		}},
		{"another interface's name", wrongParameter, func(s signed) signed { s.name = "allOrgSync"; return s }},
		{"two minutes old", wrongParameter, func(s signed) signed { return resigned(s, kitKey, time.Now().Add(-2*time.Minute)) }},
		{"two minutes ahead", wrongParameter, func(s signed) signed { return resigned(s, kitKey, time.Now().Add(2*time.Minute)) }},
		{"no time", wrongParameter, func(s signed) signed { s.timestamp = ""; return s }},
		{"a time that is none", wrongParameter, func(s signed) signed { s.timestamp = "today"; return s }},
		{"no nonce", wrongParameter, func(s signed) signed { s.nonce = ""; return s }},
		{"a used nonce with another body", wrongParameter, func(s signed) signed {
			s.nonce = first.nonce
			return resigned(s, kitKey, time.Now())
		}},
	}
	for _, tt := range tests {
		if got := b.mustSend(t, tt.change(other())); got.Code != tt.want {
			t.Errorf("%s: %+v, want %s", tt.name, got, tt.want)
		}
	}
	// Signed well and said badly: counted, and without effect.
	before.Journal.Accepted++
	before.Journal.Refused++

	after := b.status(t)
	mustEqual(t, "status after the refused pushes", before, after)
	await(t, 10*time.Second, settled)
	b.Stop()
}

// TestSyncReplay: the same body with the same nonce gets the answer it got, also
// from a bridge that was killed in between, and is not taken twice.
func TestSyncReplay(t *testing.T) {
	t.Parallel()
	b := startBridge(t, "")
	buyer := newBuyer("t1")
	good := signedPush(t, "tenantSync", buyer.tenantSync(flagAdd, anHourAgo()).body)
	bad := signText("tenantSync", []byte(`{"tenantId":"t1","flag":7,"testFlag":0}`))
	want := map[string]answer{}
	for _, s := range []signed{good, bad} {
		want[s.nonce] = b.mustSend(t, s)
	}
	if got := want[good.nonce].Code + want[bad.nonce].Code; got != accepted+wrongParameter {
		t.Fatalf("first answers %s", got)
	}
	counts := b.counts(t)
	again := func(when string) {
		for _, s := range []signed{good, bad} {
			later := s
			later.timestamp = strconv.FormatInt(time.Now().UnixMilli(), 10)
			later.signature = sign(kitKey, later.nonce, later.timestamp, later.body)
			for _, s := range []signed{s, later} {
				mustEqual(t, "answer "+when, want[s.nonce], b.mustSend(t, s))
			}
		}
		mustEqual(t, "status "+when, counts, b.counts(t))
	}
	again("to the same again")
	b.Kill()
	b.Start()
	again("to the same again after a crash")
	// A nonce belongs to its interface.
	list := signedPush(t, "allOrgSync", buyer.allOrgSync(anHourAgo()).body)
	list.nonce = good.nonce
	list.signature = sign(kitKey, list.nonce, list.timestamp, list.body)
	if got := b.mustSend(t, list); got.Code != accepted {
		t.Errorf("the same nonce at another interface: %+v", got)
	}
}
