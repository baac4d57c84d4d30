package ldaptest

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/ldapsink"
)

// Search implements [ldapsink.Directory]. Entries come sorted by name, those above others
// before them.
func (d *Directory) Search(ctx context.Context, q ldapsink.Search, yield func(ldapsink.Found) error) error {
	filter, err := ldap.CompileFilter(q.Filter)
	if err != nil {
		return err
	}
	found, err := d.collect(ctx, q, compile(filter))
	for _, f := range found {
		if err := yield(f); err != nil {
			return err
		}
	}
	return err
}

// collect reads everything under the lock, so that yield may take its time.
func (d *Directory) collect(ctx context.Context, q ldapsink.Search, matches condition) ([]ldapsink.Found, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if q.Base.Depth() == 0 && q.Scope == ldapsink.BaseObject {
		return []ldapsink.Found{d.rootDSE(q.Attributes)}, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	base, n, err := d.mustFind(q.Base)
	if err != nil && n != nil && !d.holds(n) {
		err = fail(ldap.LDAPResultNoSuchObject, "no such object")
	}
	if err != nil {
		return nil, err
	}
	var out []ldapsink.Found
	var walk func(e *entry, depth int) error
	walk = func(e *entry, depth int) error {
		if (depth > 0 || q.Scope != ldapsink.SingleLevel) && matches(e) == yes {
			if d.limit > 0 && len(out) == d.limit {
				return fail(ldap.LDAPResultSizeLimitExceeded, "size limit exceeded")
			}
			out = append(out, ldapsink.Found{DN: e.dn(d.suffixText), Attributes: e.selected(q.Attributes)})
		}
		if q.Scope == ldapsink.BaseObject || q.Scope == ldapsink.SingleLevel && depth == 1 {
			return nil
		}
		for _, key := range slices.Sorted(maps.Keys(e.children)) {
			if err := walk(e.children[key], depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	err = walk(base, 0)
	return out, err
}

// rootDSE is what a slapd says of itself.
func (d *Directory) rootDSE(asked []string) ldapsink.Found {
	all := ldapsink.Attributes{
		"objectClass": {"top", "OpenLDAProotDSE"}, "structuralObjectClass": {"OpenLDAProotDSE"},
		"namingContexts": {d.suffixText}, "supportedControl": {"1.2.840.113556.1.4.319"}, "supportedLDAPVersion": {"3"},
	}
	f := ldapsink.Found{Attributes: ldapsink.Attributes{}}
	for name, values := range all {
		if len(asked) == 0 || slices.ContainsFunc(asked, func(a string) bool { return strings.EqualFold(a, name) }) {
			f.Attributes[name] = values
		}
	}
	return f
}

// selected are the attributes that were asked for, spelled as they were (RFC 4511, section
// 4.5.1.8).
func (e *entry) selected(asked []string) ldapsink.Attributes {
	out := ldapsink.Attributes{}
	user := func() {
		for _, a := range e.attributes {
			out[a.kind.name] = slices.Clone(a.values)
		}
	}
	if len(asked) == 0 {
		user()
	}
	for _, name := range asked {
		switch name {
		case "*":
			user()
		case "+":
			for name, value := range e.operating {
				out[name] = []string{value}
			}
		default:
			a := attributeOf(name)
			if a == nil {
				continue
			}
			if values := e.values(a.name); len(values) > 0 {
				out[name] = slices.Clone(values)
			}
			if value, ok := e.operating[a.name]; ok {
				out[name] = []string{value}
			}
		}
	}
	return out
}
