package sso

import "strings"

// Subject returns the one account key, `<tenantId>/<userName>`. The first slash separates: '/' and '%' in the tenant id are
// percent-encoded, the user name stands as it is. Two different pairs never have one subject.
func Subject(tenant TenantID, user UserName) string {
	return strings.NewReplacer("%", "%25", "/", "%2F").Replace(string(tenant)) + "/" + string(user)
}
