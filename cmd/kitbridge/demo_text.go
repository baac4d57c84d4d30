package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kitbridge/kitbridge/internal/market"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// pushScript signs a message the way the marketplace does and sends it. It stands on
// its own, so that it also shows how little the signature needs.
const pushScript = `#!/bin/sh
# usage: sh push.sh INTERFACE 'JSON without timeStamp'
# x-sign = hex(HMAC-SHA256(key, key + nonce + timestamp + body))
set -eu
key=%[1]s
now=$(TZ=Asia/Shanghai date +%%Y%%m%%d%%H%%M%%S%%3N)
body=$(printf '%%s' "$2" | sed "s/}\$/,\"currentSyncTime\":\"$now\",\"timeStamp\":\"$now\"}/")
timestamp=$(date +%%s%%3N)
nonce=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
sign=$(printf '%%s' "$key$nonce$timestamp$body" | openssl dgst -sha256 -hmac "$key" -r | cut -d' ' -f1)
curl -sS -X POST "%[2]s/produceAPI/v2/$1" -H "Content-Type: application/json;charset=utf8" \
  -H "x-sign: $sign" -H "x-timestamp: $timestamp" -H "x-nonce: $nonce" --data-binary "$body"
echo
`

func (d *demo) writePushScript() (string, error) {
	path := filepath.Join(d.dir, "push.sh")
	text := fmt.Sprintf(pushScript, d.config.Marketplace.Keys.Kit[0].Reveal(), d.address()+d.config.Marketplace.Path)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// explain prints what to open and what to try. trouble, if any, is why a sink is not
// filled.
func (d *demo) explain(out io.Writer, script, trouble string) {
	var b strings.Builder
	b.WriteString("\nkitbridge demo: two buyers are bound, their people and departments synced.\n")
	if trouble != "" {
		fmt.Fprintf(&b, "Not everywhere, though; it is tried again and again:\n  %s\n", trouble)
	}
	fmt.Fprintf(&b, "\nOpen\n  %s/\n\n", d.publicURL)
	if d.defect != ssotest.NoDefect {
		fmt.Fprintf(&b, "The auth centre is wrong in one way: %s\n\n", d.defect)
	}
	b.WriteString("Sign in as (company, user, password)\n")
	for _, buyer := range d.buyers {
		for _, u := range buyer.Users[:2] {
			fmt.Fprintf(&b, "  %-8s  %-10s  %-16s  %s\n", buyer.Name, u.UserName, u.Password, u.Name)
		}
	}
	first := d.buyers[0]
	fmt.Fprintf(&b, `
Be the marketplace: rename a department, take a person's access away, give it back.
Reload the page after each: within a second it shows the new name, is closed to them,
and lets them sign in again
  sh %[1]s singleOrgSync '{"instanceId":"%[2]s","tenantId":"%[3]s","orgCode":"20000","orgName":"产品与设计部","parentCode":"","flag":2,"testFlag":0}'
  sh %[1]s authSync '{"instanceId":"%[2]s","tenantId":"%[3]s","appId":"%[4]s","userList":[{"userName":"zhangsan"}],"flag":3,"testFlag":0}'
  sh %[1]s authSync '{"instanceId":"%[2]s","tenantId":"%[3]s","appId":"%[4]s","userList":[%[8]s],"flag":1,"testFlag":0}'

Look inside
  curl -H "Authorization: Bearer %[5]s" http://%[6]s/api/v1/status
  sqlite3 %[7]s 'select user_name,name,org_code,enabled from kit_user'
`, script, first.InstanceID, first.TenantID, first.AppID, d.config.Admin.Token.Reveal(), d.admin.Addr(), filepath.Join(d.dir, "product.db"), userJSON(first.Users[0]))
	switch {
	case d.directory != nil:
		fmt.Fprintf(&b, "  %s\n", d.directory.search())
	default:
		b.WriteString("  (no directory: slapd is not installed; apt-get install slapd, or give --ldap)\n")
	}
	b.WriteString("\nCtrl-C ends it and removes everything.\n")
	_, _ = io.WriteString(out, b.String())
}

// userJSON is all of a user as authSync carries it: an authorisation that is given again
// has every attribute (access guide, authSync).
func userJSON(u market.User) string {
	text, _ := json.Marshal(map[string]string{ // texts only: it cannot fail
		"userName": u.UserName, "name": u.Name, "orgCode": u.OrgCode, "role": u.Role, "enable": strconv.FormatBool(!u.Disabled),
		"position": u.Position, "employeeType": strconv.Itoa(u.EmployeeType), "mobile": u.Mobile, "email": u.Email,
	})
	return string(text)
}
