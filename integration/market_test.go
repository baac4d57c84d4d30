//go:build integration

package integration_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

// push sends a message of the given name (tenantSync and so on), signed now
// over the text that is sent, and returns the answer.
func (b *bridge) push(t *testing.T, name string, message map[string]any) answer {
	t.Helper()
	body, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	nonce, timestamp := rand.Text(), strconv.FormatInt(time.Now().UnixMilli(), 10)
	return b.send(t, name, nonce, timestamp, sign(kitKey, nonce, timestamp, body), body)
}

// send sends exactly what it is given.
func (b *bridge) send(t *testing.T, name, nonce, timestamp, signature string, body []byte) answer {
	t.Helper()
	address := b.publicURL + "/marketplace/produceAPI/v2/" + name
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json;charset=utf8")
	request.Header.Set("x-sign", signature)
	request.Header.Set("x-timestamp", timestamp)
	request.Header.Set("x-nonce", nonce)
	response, err := b.http.Do(request)
	if err != nil {
		t.Fatalf("push %s: %v", name, err)
	}
	defer response.Body.Close() //nolint:errcheck // read to the end
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("push %s: %v", name, err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("push %s: %s, want 200 whatever the result\n%s", name, response.Status, text)
	}
	var got answer
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("push %s answered %q: %v", name, text, err)
	}
	return got
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
