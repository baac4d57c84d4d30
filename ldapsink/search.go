package ldapsink

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/go-ldap/ldap/v3"
)

// batch is how many keys one search asks for. It stays below the size limit of 500 that
// OpenLDAP sets for an account without limits of its own.
const batch = 100

// Scopes of a search.
const (
	baseObject  = ldap.ScopeBaseObject
	singleLevel = ldap.ScopeSingleLevel
	subtree     = ldap.ScopeWholeSubtree
)

// found is an entry as a search returned it.
type found struct {
	Entry
	uuid    string
	creator string
}

// is says whether the entry has the object class.
func (f found) is(class string) bool {
	return slices.ContainsFunc(f.Attributes["objectClass"], func(c string) bool { return strings.EqualFold(c, class) })
}

// keptAttributes are all attributes that we may write, except member, and what tells an
// entry's origin.
func keptAttributes() []string {
	return []string{
		"objectClass", "entryUUID", "creatorsName",
		"ou", "cn", "description", "businessCategory",
		"uid", "sn", "displayName", "o", "departmentNumber", "title", "employeeNumber", "employeeType",
		"mobile", "mail", "physicalDeliveryOfficeName",
	}
}

// search returns what is below base, nothing if base is not there. An answer that may be
// incomplete is an error: nothing may be concluded from what it lacks.
func (s *Sink) search(ctx context.Context, base DN, scope int, filter string, attributes ...string) ([]found, error) {
	request := ldap.NewSearchRequest(base.String(), scope, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil)
	var result *ldap.SearchResult
	err := s.pool.with(ctx, "search", base.String(), func(conn *ldap.Conn) (err error) {
		result, err = conn.Search(request)
		return err
	})
	if hasCode(err, ldap.LDAPResultNoSuchObject) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(result.Referrals) > 0 {
		return nil, &OperationError{Action: "search", DN: base.String(), Code: ldap.LDAPResultReferral}
	}
	entries := make([]found, 0, len(result.Entries))
	for _, e := range result.Entries {
		dn, err := ParseDN(e.DN)
		if err != nil {
			return nil, &OperationError{Action: "search", DN: base.String(), Code: ldap.LDAPResultDecodingError, Message: err.Error()}
		}
		entries = append(entries, newFound(dn, e))
	}
	return entries, nil
}

func newFound(dn DN, e *ldap.Entry) found {
	f := found{Entry: Entry{DN: dn, Attributes: make(Attributes, len(e.Attributes))}}
	for _, a := range e.Attributes {
		f.Attributes[a.Name] = a.Values
	}
	if v := f.Attributes["entryUUID"]; len(v) == 1 {
		f.uuid = strings.ToLower(v[0])
	}
	if v := f.Attributes["creatorsName"]; len(v) == 1 {
		f.creator = v[0]
	}
	return f
}

// searchAny returns the entries for which one of the attributes has one of the values,
// asking in batches on several connections.
func (s *Sink) searchAny(ctx context.Context, base DN, scope int, by []string, values []string, attributes ...string) ([]found, error) {
	var mu sync.Mutex
	var all []found
	chunks := slices.Collect(slices.Chunk(values, max(batch/len(by), 1)))
	err := each(ctx, s.cfg.Connections, chunks, func(ctx context.Context, chunk []string) error {
		entries, err := s.search(ctx, base, scope, anyOf(by, chunk), attributes...)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, entries...)
		return err
	})
	return all, err
}

// anyOf is a filter, RFC 4515.
func anyOf(by []string, values []string) string {
	var b strings.Builder
	b.WriteString("(|")
	for _, value := range values {
		escaped := ldap.EscapeFilter(value)
		for _, name := range by {
			b.WriteString("(" + name + "=" + escaped + ")")
		}
	}
	b.WriteString(")")
	return b.String()
}
