package market

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// encoding is what the two generations write differently.
type encoding struct {
	generation Generation
	timeStamp  string
	// secret is the text form of a ClientSecret, already encrypted.
	secret string
}

// member is one name and value of a JSON object whose order matters.
type member struct {
	name  string
	value any // string, int, object or []object
}

type object []member

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := compactJSON(m.name)
		if err != nil {
			return nil, err
		}
		value, err := compactJSON(m.value)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", m.name, err)
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// compactJSON writes JSON as the platform's encoder does: no blanks, and no
// escapes for <, > and &.
func compactJSON(v any) ([]byte, error) {
	if o, ok := v.(object); ok {
		return o.MarshalJSON() // through Encode it would be escaped again
	}
	if list, ok := v.([]object); ok {
		return compactList(list)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func compactList(list []object) ([]byte, error) {
	parts := make([][]byte, len(list))
	for i, o := range list {
		var err error
		if parts[i], err = o.MarshalJSON(); err != nil {
			return nil, err
		}
	}
	return append(append([]byte{'['}, bytes.Join(parts, []byte(","))...), ']'), nil
}

// list is an array in V2 and the text of an array in V1.
func (e encoding) list(items []object) any {
	if e.generation == V2 {
		return items
	}
	text, err := compactList(items)
	if err != nil {
		// Texts and numbers always have a JSON form.
		panic("market: " + err.Error())
	}
	return string(text)
}

func (h Header) first() []member { return []member{{"instanceId", h.InstanceID}} }

// last are the members at the end of every message.
func (h Header) last(e encoding) []member {
	test := 0
	if h.Test {
		test = 1
	}
	return []member{{"testFlag", test}, {"timeStamp", e.timeStamp}}
}

func join(parts ...[]member) []member {
	var all []member
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func (m TenantSync) body(e encoding) []member {
	return join(m.first(), []member{
		{"orderId", m.OrderID},
		{"tenantId", m.TenantID},
		{"tenantCode", m.TenantCode},
		{"name", m.Name},
		{"domainName", m.DomainName},
		{"flag", int(m.Flag)},
	}, m.last(e))
}

func (m ApplicationSync) body(e encoding) []member {
	return join(m.first(), []member{
		{"tenantId", m.TenantID},
		{"appId", m.AppID},
		{"clientId", m.ClientID},
		{"clientSecret", e.secret},
		{"flag", int(m.Flag)},
	}, m.last(e))
}

func (m AuthSync) body(e encoding) []member {
	users := make([]object, len(m.Users))
	for i, u := range m.Users {
		users[i] = u.wire(e)
	}
	return join(m.first(), []member{
		{"tenantId", m.TenantID},
		{"appId", m.AppID},
		{"userList", e.list(users)},
		{"currentSyncTime", e.timeStamp},
		{"flag", int(m.Flag)},
	}, m.last(e))
}

func (m SingleOrgSync) body(e encoding) []member {
	return join(m.first(), []member{
		{"tenantId", m.TenantID},
		{"orgCode", m.Code},
		{"orgName", m.Name},
		{"parentCode", m.Parent},
		{"flag", int(m.Flag)},
	}, m.last(e))
}

func (m AllOrgSync) body(e encoding) []member {
	list, name := "orgInfoList", "orgName"
	if e.generation == V1 {
		list, name = "orgInfo", "name"
	}
	departments := make([]object, len(m.Departments))
	for i, d := range m.Departments {
		departments[i] = object{{"orgCode", d.Code}, {name, d.Name}, {"parentCode", d.Parent}}
	}
	return join(m.first(), []member{
		{"tenantId", m.TenantID},
		{list, e.list(departments)},
	}, m.last(e))
}

// wire leaves out what the buyer did not give. V1 nests three members and
// writes employeeType as text (access guide V1, authSync example).
func (u User) wire(e encoding) object {
	enable := "true"
	if u.Disabled {
		enable = "false"
	}
	o := object{{"userName", u.UserName}, {"name", u.Name}, {"orgCode", u.OrgCode}, {"role", u.Role}, {"enable", enable}}
	optional := func(to object, name, value string) object {
		if value == "" {
			return to
		}
		return append(to, member{name, value})
	}
	o = optional(o, "position", u.Position)
	o = optional(o, "employeeCode", u.EmployeeCode)
	var more object
	if u.EmployeeType != 0 {
		if e.generation == V1 {
			more = append(more, member{"employeeType", fmt.Sprint(u.EmployeeType)})
		} else {
			more = append(more, member{"employeeType", u.EmployeeType})
		}
	}
	more = optional(more, "entryDate", u.EntryDate)
	more = optional(more, "workPlace", u.WorkPlace)
	switch {
	case e.generation == V2:
		o = append(o, more...)
	case len(more) > 0:
		o = append(o, member{"extension", more})
	}
	o = optional(o, "mobile", u.Mobile)
	return optional(o, "email", u.Email)
}
