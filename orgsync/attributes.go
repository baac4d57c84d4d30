package orgsync

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// Attribute is one property of a user, with a version of its own.
type Attribute uint8

// The attributes of a user, by their names on the wire.
const (
	AttrName Attribute = iota
	AttrOrgCode
	AttrRole
	AttrEnable
	AttrPosition
	AttrEmployeeCode
	AttrEmployeeType
	AttrMobile
	AttrEmail
	AttrWorkPlace
	AttrEntryDate
	attributeCount
)

// String returns the attribute's name on the wire.
func (a Attribute) String() string {
	switch a {
	case AttrName:
		return "name"
	case AttrOrgCode:
		return "orgCode"
	case AttrRole:
		return "role"
	case AttrEnable:
		return "enable"
	case AttrPosition:
		return "position"
	case AttrEmployeeCode:
		return "employeeCode"
	case AttrEmployeeType:
		return "employeeType"
	case AttrMobile:
		return "mobile"
	case AttrEmail:
		return "email"
	case AttrWorkPlace:
		return "workPlace"
	case AttrEntryDate:
		return "entryDate"
	default:
		return fmt.Sprintf("attribute(%d)", uint8(a))
	}
}

// AttributeNamed returns the attribute with that name on the wire.
func AttributeNamed(name string) (Attribute, bool) {
	for a := range attributeCount {
		if a.String() == name {
			return a, true
		}
	}
	return 0, false
}

// Attributes is a set of attributes. An attribute that is absent was not mentioned,
// which is not the same as empty. The zero value is the empty set.
type Attributes struct {
	values [attributeCount]string
	said   uint16
}

// Set returns the set with one attribute more. Control characters are dropped;
// enable becomes "true" or "false" and role "admin" or "user" – every word but the
// exact "true" and "admin" means less.
func (as Attributes) Set(a Attribute, value string) Attributes {
	value = dropControls(value)
	switch a {
	case AttrEnable:
		if !strings.EqualFold(value, "true") {
			value = "false"
		} else {
			value = "true"
		}
	case AttrRole:
		if value != string(RoleAdmin) {
			value = string(RoleUser)
		}
	default:
	}
	as.put(a, value)
	return as
}

// put is Set for a value that was normalised before.
func (as *Attributes) put(a Attribute, value string) {
	as.values[a] = value
	as.said |= 1 << a
}

// Get returns the value and whether it was mentioned at all.
func (as Attributes) Get(a Attribute) (string, bool) {
	return as.values[a], as.said&(1<<a) != 0
}

// Value returns the value, empty if it was not mentioned.
func (as Attributes) Value(a Attribute) string { return as.values[a] }

// MarshalJSON writes the mentioned attributes as an object with sorted keys.
func (as Attributes) MarshalJSON() ([]byte, error) {
	m := make(map[string]string, attributeCount)
	for a := range attributeCount {
		if v, ok := as.Get(a); ok {
			m[a.String()] = v
		}
	}
	return json.Marshal(m)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (as *Attributes) UnmarshalJSON(text []byte) error {
	var m map[string]string
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	*as = Attributes{}
	for name, value := range m {
		a, ok := AttributeNamed(name)
		if !ok {
			return fmt.Errorf("attribute %q: %w", name, ErrInvalid)
		}
		*as = as.Set(a, value)
	}
	return nil
}

func dropControls(s string) string {
	if !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

// Role is what a user may do in the product.
type Role string

// The roles of the protocol. Whatever is not exactly "admin" is a user.
const (
	RoleUser  Role = "user"
	RoleAdmin Role = "admin"
)
