package ldapsink

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"sync"

	"github.com/go-ldap/ldap/v3"
)

// batch is how many keys one search asks for. It stays below the size limit of 500 that
// OpenLDAP sets for an account without limits of its own.
const batch = 100

// server is the directory as one round knows it.
type server struct {
	directory Directory
	profile   Profile
	base      DN // base_dn
	bindDN    DN
	width     int // how many requests at a time
	observe   func(Operation, error)
}

// found is an entry as a search returned it.
type found struct {
	Entry
	uuid    string // the stable id as text, empty if the server did not show it
	creator string
}

// is says whether the entry has the object class.
func (f found) is(class string) bool { return f.Attributes.hasFold("objectClass", class) }

// each yields what is below the base, nothing if it is not there.
func (s server) each(ctx context.Context, q Search, yield func(found) error) error {
	q.IgnoreReferrals = s.profile.isAD() // a domain controller holds all of its domain, and names the other domains
	reader := newNames(s.profile.Folding)
	err := s.directory.Search(ctx, q, func(e Found) error {
		dn, err := reader.parse(e.DN)
		if err != nil {
			return &OperationError{Action: "search", DN: q.Base.String(), Code: ldap.LDAPResultDecodingError, Message: err.Error()}
		}
		return yield(s.newFound(dn, e.Attributes))
	})
	if err != nil && ctx.Err() == nil {
		err = translate(err, "search", q.Base.String())
	}
	if hasCode(err, ldap.LDAPResultNoSuchObject) {
		return nil
	}
	return err
}

func (s server) newFound(dn DN, attributes Attributes) found {
	f := found{Entry: Entry{DN: dn, Attributes: attributes}}
	if v := attributes[s.profile.StableID]; len(v) == 1 {
		f.uuid = s.profile.idText(v[0])
	}
	if v := attributes[s.profile.Creator]; len(v) == 1 {
		f.creator = v[0]
	}
	return f
}

// idText is the value of the stable id as it is remembered.
func (p Profile) idText(value string) string {
	if p.StableID == "objectGUID" {
		return hex.EncodeToString([]byte(value))
	}
	return strings.ToLower(value)
}

// idValue is the value that the text stands for.
func (p Profile) idValue(text string) string {
	if p.StableID == "objectGUID" {
		if b, err := hex.DecodeString(text); err == nil {
			return string(b)
		}
	}
	return text
}

// search returns what is below base. An answer that may be incomplete is an error: nothing
// may be concluded from what it lacks.
func (s server) search(ctx context.Context, base DN, scope Scope, filter string, attributes ...string) ([]found, error) {
	var entries []found
	q := Search{Base: base, Scope: scope, Filter: filter, Attributes: attributes}
	if s.profile.Paged && scope != BaseObject {
		q.Page = page
	}
	err := s.each(ctx, q, func(f found) error {
		entries = append(entries, f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// page is how many entries come at a time. Active Directory sends at most 1000.
const page = 1000

// searchAny returns the entries for which one of the attributes has one of the values,
// asking in batches on several connections.
func (s server) searchAny(ctx context.Context, base DN, scope Scope, by []string, values []string, attributes ...string) ([]found, error) {
	var mu sync.Mutex
	var all []found
	chunks := slices.Collect(slices.Chunk(values, max(batch/len(by), 1)))
	err := each(ctx, s.width, chunks, func(ctx context.Context, chunk []string) error {
		entries, err := s.search(ctx, base, scope, anyOf(by, chunk), attributes...)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, entries...)
		return err
	})
	return all, err
}

// searchIDs returns the entries with these stable ids.
func (s server) searchIDs(ctx context.Context, base DN, ids []string, attributes ...string) ([]found, error) {
	values := make([]string, len(ids))
	for i, id := range ids {
		values[i] = s.profile.idValue(id)
	}
	return s.searchAny(ctx, base, Subtree, []string{s.profile.StableID}, values, attributes...)
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
