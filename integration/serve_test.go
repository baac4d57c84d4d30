//go:build integration

package integration_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// ldapSink is the least that makes kitbridge keep a directory.
func ldapSink(url string) string {
	return fmt.Sprintf(`sinks:
  - name: corp
    type: ldap
    url: %q
    bind_dn: %q
    bind_password: %q
    base_dn: %q
    tenants: ["*"]
`, url, peers.ServiceDN, peers.ServicePassword, peers.BaseDN)
}

// TestServe is the shortest way through the whole house: a configuration of a
// dozen lines, one signed push, one new subtree in a real directory.
func TestServe(t *testing.T) {
	t.Parallel()
	for _, d := range directories() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			url := d.start(t)
			b := newBridge(t)
			b.run(t, b.essentials()+fmt.Sprintf("marketplace: {keys: {kit: [%q]}}\nadmin: {listen: %q}\n",
				kitKey, strings.TrimPrefix(b.adminURL, "http://"))+ldapSink(url))
			const tenantID = "68cbc86abc2018ab880d92f36422fa0e"
			got := b.push(t, "tenantSync", map[string]any{
				"instanceId": "huaiweitest123456",
				"orderId":    "CS1906666666ABCDE",
				"tenantId":   tenantID,
				"tenantCode": "huawei",
				"name":       "华东精密制造有限公司",
				"domainName": "https://example.tenantaccount.com",
				"flag":       1,
				"testFlag":   0,
				"timeStamp":  marketTime(time.Now()),
			})
			if got.Code != accepted {
				t.Fatalf("tenantSync answered %+v, want %s", got, accepted)
			}
			dn := "ou=" + tenantID + "," + peers.BaseDN
			await(t, 5*time.Second, func() string {
				return cmp.Diff([]string{"华东精密制造有限公司"}, readDirectory(t, url, peers.BaseDN)[dn]["description"])
			})
			// Without the key of the credential its secret cannot be had, and the log
			// says what to set.
			secret := newBuyer(tenantID).applicationSync(sealSecret(t, "secret"), time.Now())
			if got := b.push(t, secret.name, secret.body); got.Code != "000101" {
				t.Errorf("applicationSync without a private key answered %+v, want 000101", got)
			}
			if !strings.Contains(b.Log(), "marketplace.private_key_files") {
				t.Errorf("the log does not name the missing key")
			}
			b.Stop()
		})
	}
}
