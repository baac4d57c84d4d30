package push

import (
	"strings"
	"time"
	"unicode"

	"github.com/kitbridge/kitbridge/orgsync"
)

// The names of fields on the wire, by the marketplace access guide, pages tenantSync,
// applicationSync, authSync, singleOrgSync and allOrgSync of either generation. Names
// are case-sensitive.
const (
	fieldBody            = "body" // not a field: the whole of it
	fieldTestFlag        = "testFlag"
	fieldFlag            = "flag"
	fieldTenantID        = "tenantId"
	fieldInstanceID      = "instanceId"
	fieldOrderID         = "orderId"
	fieldTimeStamp       = "timeStamp"
	fieldTenantCode      = "tenantCode"
	fieldName            = "name"
	fieldDomainName      = "domainName"
	fieldAppID           = "appId"
	fieldClientID        = "clientId"
	fieldClientSecret    = "clientSecret"
	fieldUserList        = "userList"
	fieldCurrentSyncTime = "currentSyncTime"
	fieldUserName        = "userName"
	fieldExtension       = "extension"
	fieldOrgCode         = "orgCode"
	fieldParentCode      = "parentCode"
	fieldOrgName         = "orgName"
	fieldOrgInfoList     = "orgInfoList"
)

// orgNameSpellings: V2 allOrgSync and both singleOrgSync pages have orgName, an older
// mirror of V2 allOrgSync OrgName, V1 allOrgSync name.
func orgNameSpellings() []string { return []string{fieldOrgName, "OrgName", fieldName} }

// orgListSpellings: V2 allOrgSync has orgInfoList, V1 orgInfo.
func orgListSpellings() []string { return []string{fieldOrgInfoList, "orgInfo"} }

// isExtended says whether V1 authSync may carry the attribute in the object extension
// (its example has entryDate, employeeType and workPlace there; V2 has them flat). What
// gives or takes access is never looked for there.
func isExtended(a orgsync.Attribute) bool {
	switch a {
	case orgsync.AttrPosition, orgsync.AttrEmployeeCode, orgsync.AttrEmployeeType,
		orgsync.AttrMobile, orgsync.AttrEmail, orgsync.AttrWorkPlace, orgsync.AttrEntryDate:
		return true
	default:
		return false
	}
}

// readFlag reads flag. The guide types it Integer(2); a text is taken too, and a boolean
// as 0 or 1. Flag 3, take the authorisation back, is described for V2 authSync only;
// V1 knows 0 and 1, V2 0 to 2.
func readFlag(kind orgsync.Kind, s string) (orgsync.Flag, bool) {
	switch s {
	case "0", "false":
		return orgsync.FlagRemove, true
	case "1", "true":
		return orgsync.FlagAdd, true
	case "2":
		return orgsync.FlagModify, true
	case "3":
		return orgsync.FlagRevoke, kind == orgsync.AuthSync
	default:
		return 0, false
	}
}

// readRealm reads testFlag: a number in the kit interfaces, a text in the base ones, and
// left out by older pages where it is 0.
func readRealm(s string) (orgsync.Realm, bool) {
	switch s {
	case "", "0", "false":
		return orgsync.Production, true
	case "1", "true":
		return orgsync.Test, true
	default:
		return orgsync.Production, false
	}
}

// readTime reads timeStamp or currentSyncTime: yyyyMMddHHmmssSSS, by default UTC+8
// (pages tenantSync of V1 and V2). The same without milliseconds is taken too.
func readTime(s string) (time.Time, bool) {
	const layout, seconds, hours = "20060102150405.000", 14, 8
	for i := range len(s) {
		if !isDigit(s[i]) {
			return time.Time{}, false
		}
	}
	switch len(s) {
	case seconds:
		s += ".000"
	case seconds + 3:
		s = s[:seconds] + "." + s[seconds:]
	default:
		return time.Time{}, false
	}
	t, err := time.ParseInLocation(layout, s, time.FixedZone("UTC+8", hours*60*60))
	// The first hours of the year 0 lie before it in UTC, where no text form has them.
	return t.UTC(), err == nil && t.UTC().Year() >= 0
}

// clean drops control characters from text that is not a key. No sink could hold them,
// and the journal keeps the bytes.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}
