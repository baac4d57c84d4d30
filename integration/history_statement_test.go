//go:build integration

package integration_test

import (
	"fmt"
	"maps"
	"strconv"
	"time"
)

// statement is one push of a random history, as its sender means it. The model
// reads it, and the encoders write it for either generation of the protocol.
type statement struct {
	name                  string // tenantSync and so on
	tenant, instance, app string
	flag                  int
	at, stamp             time.Time // the time that orders it, and timeStamp

	enterprise  map[string]string   // tenantSync: tenantCode, name, domainName; what is absent was not said
	sealed      string              // applicationSync
	users       []map[string]string // authSync: fields by their names on the wire, userName always
	departments []listedDepartment

	isFuture bool // dated so far ahead that it must not show
}

type listedDepartment struct{ code, name, parent string }

// isBadKey says whether a key may not stand anywhere (access guide: 64
// characters; control characters and outer blanks in keys make two look alike).
func isBadKey(key string) bool {
	runes := []rune(key)
	if len(runes) == 0 || len(runes) > 64 || runes[0] == ' ' || runes[len(runes)-1] == ' ' {
		return true
	}
	for _, r := range runes {
		if r < ' ' || r == 0x7f {
			return true
		}
	}
	return false
}

// changes is how many things the push speaks of, for the journal's counts. A
// list of nothing says that nothing is left, which is one.
func (s statement) changes() int64 {
	switch s.name {
	case "authSync":
		return int64(len(s.users))
	case "allOrgSync":
		return int64(max(1, len(s.departments)))
	default:
		return 1
	}
}

func (s statement) String() string {
	text := fmt.Sprintf("%s %s/%s/%s flag %d at %s", s.name, s.tenant, s.instance, s.app, s.flag, s.at.Format("05.000"))
	if !s.stamp.Equal(s.at) {
		text += " stamped " + s.stamp.Format("05.000")
	}
	return text + fmt.Sprint(" ", s.enterprise, s.users, s.departments)
}

func (s statement) envelope() map[string]any {
	body := map[string]any{"instanceId": s.instance, "tenantId": s.tenant, "testFlag": 0, "timeStamp": marketTime(s.stamp)}
	if s.name != "allOrgSync" {
		body["flag"] = s.flag
	}
	switch s.name {
	case "tenantSync":
		body["orderId"] = "CS1906666666ABCDE"
		for field, value := range s.enterprise {
			body[field] = value
		}
	case "applicationSync":
		maps.Copy(body, map[string]any{"appId": s.app, "clientId": "client-" + s.tenant, "clientSecret": s.sealed})
	case "authSync":
		maps.Copy(body, map[string]any{"appId": s.app, "currentSyncTime": marketTime(s.at)})
	case "singleOrgSync":
		d := s.departments[0]
		maps.Copy(body, map[string]any{"orgCode": d.code, "orgName": d.name, "parentCode": d.parent})
	}
	return body
}

// messageV2 has lists as lists, and every field of a user beside the others.
func (s statement) messageV2() message {
	body := s.envelope()
	switch s.name {
	case "authSync":
		list := []map[string]any{}
		for _, u := range s.users {
			fields := map[string]any{}
			for field, value := range u {
				fields[field] = value
				if n, err := strconv.Atoi(value); err == nil && field == "employeeType" {
					fields[field] = n
				}
			}
			list = append(list, fields)
		}
		body["userList"] = list
	case "allOrgSync":
		list := []map[string]any{}
		for _, d := range s.departments {
			list = append(list, map[string]any{"orgCode": d.code, "orgName": d.name, "parentCode": d.parent})
		}
		body["orgInfoList"] = list
	}
	return message{s.name, body}
}

// The tables' keys of the pools from which histories are made. Some differ only
// in what a careless database does not see.
func departmentCode(n int) string {
	odd := []string{"a1", "A1", "研发", "研發", "k=v", "50%", "x/y", "Straße", "STRASSE", "ａ１", "d-😀", "'; --"}
	if n < len(odd) {
		return odd[n]
	}
	return fmt.Sprintf("%08d", n)
}

func personName(n int) string {
	odd := []string{"zhang", "Zhang", "ZHANG", "zháng", "张三", "o'brien", "a+b", "ü", "u\u0308", "user😀", "a/b", "ｚｈａｎｇ", `back\slash`}
	if n < len(odd) {
		return odd[n]
	}
	return fmt.Sprintf("user%03d", n)
}
