//go:build integration

package integration_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// answer is what the marketplace reads. Its HTTP status is always 200.
type answer struct {
	Code    string `json:"resultCode"`
	Message string `json:"resultMsg"`
}

// accepted is the code of every push that was taken, at first or again.
const accepted = "000000"

// sign returns the header x-sign of a kit push, second generation: the HMAC
// over key, nonce, timestamp and body text, one after the other, as lower-case
// hex (marketplace access guide, "signature", kit interfaces).
func sign(key, nonce, timestamp string, payload []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	for _, part := range [][]byte{[]byte(key), []byte(nonce), []byte(timestamp), payload} {
		mac.Write(part)
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// signed is a push as it goes over the wire.
type signed struct {
	name                        string // tenantSync and so on
	nonce, timestamp, signature string // headers x-nonce, x-timestamp, x-sign
	body                        []byte
}

// signedPush signs a message now over the text that is sent.
func signedPush(t testing.TB, name string, message map[string]any) signed {
	t.Helper()
	body, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return signText(name, body)
}

// signText signs any text now.
func signText(name string, body []byte) signed {
	s := signed{name: name, nonce: rand.Text(), timestamp: strconv.FormatInt(time.Now().UnixMilli(), 10), body: body}
	s.signature = sign(kitKey, s.nonce, s.timestamp, body)
	return s
}

// push sends a message of the given name, signed now over the text that is sent,
// and returns the answer.
func (b *bridge) push(t testing.TB, name string, message map[string]any) answer {
	t.Helper()
	return b.mustSend(t, signedPush(t, name, message))
}

// send sends exactly what it is given.
func (b *bridge) send(t testing.TB, name, nonce, timestamp, signature string, body []byte) answer {
	t.Helper()
	return b.mustSend(t, signed{name, nonce, timestamp, signature, body})
}

func (b *bridge) mustSend(t testing.TB, s signed) answer {
	t.Helper()
	status, got, err := b.post(t.Context(), s)
	if err != nil {
		t.Fatalf("push %s: %v", s.name, err)
	}
	if status != http.StatusOK {
		t.Fatalf("push %s: status %d, want 200 whatever the result", s.name, status)
	}
	return got
}

// post sends a push from any goroutine. An error means that there was no answer
// in the form of the protocol. A header whose value is empty is left out.
func (b *bridge) post(ctx context.Context, s signed) (status int, got answer, err error) {
	address := b.publicURL + "/marketplace/produceAPI/v2/" + s.name
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(s.body))
	if err != nil {
		return 0, answer{}, err
	}
	request.Header.Set("Content-Type", "application/json;charset=utf8")
	for name, value := range map[string]string{"x-sign": s.signature, "x-timestamp": s.timestamp, "x-nonce": s.nonce} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	response, err := b.http.Do(request)
	if err != nil {
		return 0, answer{}, err
	}
	defer response.Body.Close() //nolint:errcheck // read to the end
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, answer{}, err
	}
	if err := json.Unmarshal(text, &got); err != nil {
		return response.StatusCode, answer{}, fmt.Errorf("answered %s %q: %w", response.Status, text, err)
	}
	return response.StatusCode, got, nil
}

// marketTime is how the marketplace writes a time in a message: China standard
// time to the millisecond, only digits.
func marketTime(at time.Time) string {
	at = at.In(time.FixedZone("UTC+8", 8*60*60))
	return at.Format("20060102150405") + strconv.Itoa(1000 + at.Nanosecond()/1_000_000)[1:]
}

func TestSign(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, nonce, body, want string
	}{
		{
			"as sent", "nonce-tenant-0001",
			`{"instanceId":"huaiweitest123456","orderId":"CS1906666666ABCDE","tenantId":"68cbc86abc2018ab880d92f36422fa0e",` +
				`"tenantCode":"huawei","name":"huaweitenantname","domainName":"https://example.tenantaccount.com",` +
				`"flag":1,"testFlag":0,"timeStamp":"20220413093539534"}`,
			"c9e6f49fed3ca7fb0b24510be7273a29723962ba75fb36a3d02c4aca03d33b27",
		},
		{
			"sorted", "nonce-tenant-0001",
			`{"domainName":"https://example.tenantaccount.com","flag":1,"instanceId":"huaiweitest123456","name":"huaweitenantname",` +
				`"orderId":"CS1906666666ABCDE","tenantCode":"huawei","tenantId":"68cbc86abc2018ab880d92f36422fa0e",` +
				`"testFlag":0,"timeStamp":"20220413093539534"}`,
			"c75a7342fdb1f7c1eeabaa9e8532c280f600cc62d97cecbbdfb0c483f0b6041b",
		},
		{
			"Chinese", "nonce-org-0004",
			`{"instanceId":"huaiweitest123456","tenantId":"68cbc86abc2018ab880d92f36422fa0e","orgCode":"00000001",` +
				`"orgName":"产品部","parentCode":"","flag":2,"testFlag":0,"timeStamp":"20231114221320000"}`,
			"403adfe82793e3b44a3b268895d0ce852416254d060d0eddd1d27bff08e76e24",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := sign("TestKitAccessKey0000000000000002", tt.nonce, "1700000000000", []byte(tt.body)); got != tt.want {
				t.Errorf("sign(%s) = %s, want %s", tt.body, got, tt.want)
			}
		})
	}
}

func TestMarketTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2022, 4, 12, 20, 5, 39, 4_000_000, time.UTC)
	if got, want := marketTime(at), "20220413040539004"; got != want {
		t.Errorf("marketTime(%v) = %s, want %s", at, got, want)
	}
}
