package push_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/kitbridge/kitbridge/orgsync/push"
)

// A peer signs key, nonce, timestamp and the very text of the body.
func Example() {
	const (
		key       = "TestKitAccessKey0000000000000002"
		nonce     = "nonce-org-0004"
		timestamp = "1700000000000" // milliseconds
		body      = `{"instanceId":"huaiweitest123456","tenantId":"68cbc86abc2018ab880d92f36422fa0e","orgCode":"00000001","orgName":"产品部","parentCode":"","flag":2,"testFlag":0,"timeStamp":"20231114221320000"}`
	)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(key + nonce + timestamp + body))
	h := http.Header{}
	h.Set("x-nonce", nonce)
	h.Set("x-timestamp", timestamp)
	h.Set("x-sign", hex.EncodeToString(mac.Sum(nil)))

	verifier := push.Verifier{Keys: []string{key}}
	verified, err := verifier.Verify(h, []byte(body), time.UnixMilli(1700000012345))
	fmt.Println(h.Get("x-sign"))
	fmt.Println(verified.Candidate, verified.Signed, err)
	// Output:
	// 403adfe82793e3b44a3b268895d0ce852416254d060d0eddd1d27bff08e76e24
	// raw 2023-11-14 22:13:20 +0000 UTC <nil>
}
