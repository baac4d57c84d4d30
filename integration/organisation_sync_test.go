//go:build integration

package integration_test

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// buyer is the organisation as a test means it to be: the other opinion, by
// which directory and tables are judged. Its methods change it and return the
// message that tells kitbridge so.
type buyer struct {
	id, code, name, domain string
	instance, app          string
	active                 bool
	departments            map[string]department // by orgCode
	users                  map[string]user       // by userName
}

type department struct{ name, parent string }

type user struct {
	name, orgCode, role                            string
	position, employeeCode, employeeType           string
	mobile, email, workPlace, entryDate, entryISO  string
	standing                                       standing
	generation                                     int64 // ms of the newest removal
	removedAt                                      time.Time
	mailIsRefused, mobileIsRefused, isTooLongForDN bool // what a directory cannot hold
}

type standing string

const (
	userEnabled  standing = "enabled"
	userDisabled standing = "disabled" // enable "false"
	userRevoked  standing = "revoked"  // flag 3
	userRemoved  standing = "removed"  // flag 0
)

// message is one push that is yet to be signed.
type message struct {
	name string
	body map[string]any
}

// The flags of the protocol.
const (
	flagRemove = iota
	flagAdd
	flagModify
	flagRevoke
)

func newBuyer(id string) *buyer {
	return &buyer{
		id: id, code: "code-" + id, name: "华东精密制造 (" + id + "), \"总部\"", domain: "https://" + id + ".example.com",
		instance: "instance-" + id, app: "app0001",
		departments: map[string]department{}, users: map[string]user{},
	}
}

// clone is a copy that changes by itself.
func (b *buyer) clone() *buyer {
	c := *b
	c.departments, c.users = maps.Clone(b.departments), maps.Clone(b.users)
	return &c
}

func (b *buyer) message(name string, at time.Time, fields map[string]any) message {
	body := map[string]any{"instanceId": b.instance, "tenantId": b.id, "testFlag": 0, "timeStamp": marketTime(at)}
	maps.Copy(body, fields)
	return message{name, body}
}

func (b *buyer) tenantSync(flag int, at time.Time) message {
	b.active = flag != flagRemove
	return b.message("tenantSync", at, map[string]any{
		"orderId": "CS1906666666ABCDE", "tenantCode": b.code, "name": b.name, "domainName": b.domain, "flag": flag,
	})
}

// applicationSync takes the secret as sealed: the same ciphertext must be sent
// again where a test repeats a message.
func (b *buyer) applicationSync(sealed string, at time.Time) message {
	return b.message("applicationSync", at, map[string]any{
		"appId": b.app, "clientId": "client-" + b.id, "clientSecret": sealed, "flag": flagAdd,
	})
}

// allOrgSync lists the departments that there are now, in order of their codes.
func (b *buyer) allOrgSync(at time.Time) message {
	list := []map[string]any{}
	for _, code := range slices.Sorted(maps.Keys(b.departments)) {
		d := b.departments[code]
		list = append(list, map[string]any{"orgCode": code, "orgName": d.name, "parentCode": d.parent})
	}
	return b.message("allOrgSync", at, map[string]any{"orgInfoList": list})
}

func (b *buyer) putDepartment(flag int, at time.Time, code string, d department) message {
	b.departments[code] = d
	return b.message("singleOrgSync", at, map[string]any{"orgCode": code, "orgName": d.name, "parentCode": d.parent, "flag": flag})
}

func (b *buyer) removeDepartment(at time.Time, code string) message {
	d := b.departments[code]
	delete(b.departments, code)
	return b.message("singleOrgSync", at, map[string]any{"orgCode": code, "orgName": d.name, "parentCode": d.parent, "flag": flagRemove})
}

// authorise says everything about the named users, with flag 1 or 2.
func (b *buyer) authorise(flag int, at time.Time, names ...string) message {
	list := []map[string]any{}
	for _, name := range names {
		u := b.users[name]
		if flag == flagAdd || u.standing == "" || u.standing == userDisabled {
			u.standing = userEnabled
		}
		u.removedAt = time.Time{}
		b.users[name] = u
		list = append(list, u.fields(name, true))
	}
	return b.authSync(flag, at, list)
}

// disable says enable "false" of one user, and nothing else but what is mandatory.
func (b *buyer) disable(at time.Time, name string) message {
	u := b.users[name]
	u.standing = userDisabled
	b.users[name] = u
	f := u.fields(name, false)
	return b.authSync(flagModify, at, []map[string]any{{
		"userName": name, "name": f["name"], "orgCode": f["orgCode"], "role": f["role"], "enable": "false",
	}})
}

// withdraw says flag 0 or 3 of users, by the key alone.
func (b *buyer) withdraw(flag int, at time.Time, names ...string) message {
	list := []map[string]any{}
	for _, name := range names {
		u := b.users[name]
		u.standing = userRevoked
		if flag == flagRemove {
			u.standing, u.generation, u.removedAt = userRemoved, at.UnixMilli(), at
		}
		b.users[name] = u
		list = append(list, map[string]any{"userName": name})
	}
	return b.authSync(flag, at, list)
}

func (b *buyer) authSync(flag int, at time.Time, list []map[string]any) message {
	return b.message("authSync", at, map[string]any{
		"appId": b.app, "userList": list, "currentSyncTime": marketTime(at), "flag": flag,
	})
}

func (u user) fields(name string, enable bool) map[string]any {
	fields := map[string]any{
		"userName": name, "name": u.name, "orgCode": u.orgCode, "role": u.role, "enable": strconv.FormatBool(enable),
		"position": u.position, "employeeCode": u.employeeCode, "mobile": u.mobile, "email": u.email,
		"workPlace": u.workPlace, "entryDate": u.entryDate,
	}
	if n, err := strconv.Atoi(u.employeeType); err == nil {
		fields["employeeType"] = n // Integer in the table of the guide, text in its example
	}
	return fields
}

// has says whether the user may do anything.
func (b *buyer) has(u user) bool { return b.active && u.standing == userEnabled }
