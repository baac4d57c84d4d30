package push_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

// vector is a signed push whose signatures were computed by other programs in other
// languages. Its key is invented.
type vector struct {
	ID, Kind, Key, Timestamp, Nonce, Body string
	Signatures                            map[push.Candidate]string
	SortedInSeconds                       string `json:"sorted_in_seconds"`
	DoubleHMAC                            string `json:"double_hmac"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vs []vector
	if err := json.Unmarshal(text, &vs); err != nil {
		t.Fatal(err)
	}
	return vs
}

func (v vector) time(t testing.TB) time.Time {
	t.Helper()
	ms, err := strconv.ParseInt(v.Timestamp, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.UnixMilli(ms)
}

func (v vector) kind(t testing.TB) orgsync.Kind {
	t.Helper()
	for k := orgsync.TenantSync; k <= orgsync.AllOrgSync; k++ {
		if k.String() == v.Kind {
			return k
		}
	}
	t.Fatalf("vector %s has unknown kind %q", v.ID, v.Kind)
	return 0
}

func headers(sign, timestamp, nonce string) http.Header {
	h := http.Header{}
	h.Set("x-sign", sign)
	h.Set("x-timestamp", timestamp)
	h.Set("x-nonce", nonce)
	return h
}

// sign signs a payload as a peer does.
func sign(key, nonce, timestamp, payload string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(key + nonce + timestamp + payload))
	return hex.EncodeToString(mac.Sum(nil))
}
