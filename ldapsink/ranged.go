package ldapsink

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// Active Directory sends at most 1500 values of an attribute and says which they are in the
// attribute's name: member;range=0-1499 (MS-ADTS, section 3.1.1.3.1.3.3). The last part is
// called member;range=1500-*.

// ranged takes an attribute's name apart. last is -1 for "to the end"; ok is false if the
// name has no range.
func ranged(name string) (attribute string, last int, ok bool) {
	attribute, part, ok := strings.Cut(name, ";range=")
	if !ok {
		return name, -1, false
	}
	_, end, ok := strings.Cut(part, "-")
	if !ok {
		return name, -1, false
	}
	if end == "*" {
		return attribute, -1, true
	}
	last, err := strconv.Atoi(end)
	return attribute, last, err == nil && last >= 0
}

// complete fetches the values that the server held back, and takes the ranges out of the
// attributes' names.
func (c *connection) complete(ctx context.Context, e *ldap.Entry) error {
	for _, a := range e.Attributes {
		attribute, last, ok := ranged(a.Name)
		if !ok {
			continue
		}
		a.Name = attribute
		for last >= 0 {
			more, err := c.from(ctx, e.DN, attribute, last+1)
			if err != nil {
				return err
			}
			a.Values = append(a.Values, more.Values...)
			a.ByteValues = append(a.ByteValues, more.ByteValues...)
			_, next, ok := ranged(more.Name)
			if ok && next >= 0 && next <= last {
				return &OperationError{Action: "search", DN: e.DN, Code: ldap.LDAPResultDecodingError, Message: "a range of values goes backwards"}
			}
			last = next
		}
	}
	return nil
}

// from reads an attribute's values from the n-th on, as many as the server sends.
func (c *connection) from(ctx context.Context, dn, attribute string, n int) (*ldap.EntryAttribute, error) {
	request := ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)",
		[]string{fmt.Sprintf("%s;range=%d-*", attribute, n)}, nil)
	var result *ldap.SearchResult
	err := c.do(ctx, "search", dn, func(conn *ldap.Conn) (err error) {
		result, err = conn.Search(request)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, e := range result.Entries {
		for _, a := range e.Attributes {
			if name, _, ok := ranged(a.Name); ok && strings.EqualFold(name, attribute) {
				return a, nil
			}
		}
	}
	return &ldap.EntryAttribute{Name: attribute}, nil // they went in the meantime
}
