package ldapsink

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// sendAllowed does as much of an operation as the account may, where it may not do the
// whole: an attribute that somebody keeps from us costs the user that attribute and no more.
// It is left out with a warning. What says who may sign in and who is in a group is never
// left out; err, the refusal of the whole, or that of the part, is returned for it.
func (r *round) sendAllowed(ctx context.Context, o Operation, err error) error {
	switch o.Kind {
	case Modify:
		return r.sendParts(ctx, o, err)
	case Add:
	default:
		return err
	}
	// Some servers ask for the right to each attribute, and not only for that to add the entry.
	if lesser, parts := r.withoutDenied(o); len(parts) > 0 {
		failed := r.server.send(ctx, lesser)
		if failed == nil {
			for _, p := range parts {
				r.deny(o.ID, p)
			}
		}
		if !hasCode(failed, ldap.LDAPResultInsufficientAccessRights) {
			return failed
		}
	}
	bare, rest := r.bare(o)
	if len(rest.Changes) == 0 {
		return err
	}
	if failed := r.server.send(ctx, bare); failed != nil {
		if hasCode(failed, ldap.LDAPResultInsufficientAccessRights) {
			return err
		}
		return failed
	}
	return r.sendParts(ctx, rest, nil)
}

// withoutDenied is the entry without what was not allowed on another one.
func (r *round) withoutDenied(o Operation) (lesser Operation, parts []portion) {
	lesser = o
	lesser.Attributes = maps.Clone(o.Attributes)
	for _, name := range o.Attributes.names() {
		p := portion{{ReplaceValues, name, o.Attributes[name]}}
		if !o.requires(name) && r.isDenied(o.ID.Kind, p) {
			delete(lesser.Attributes, name)
			parts = append(parts, p)
		}
	}
	return lesser, parts
}

// bare is the entry without what can be left out, and the modification that adds it.
func (r *round) bare(o Operation) (bare, rest Operation) {
	bare, rest = o, Operation{Kind: Modify, ID: o.ID, DN: o.DN, stage: o.stage}
	bare.Attributes = maps.Clone(o.Attributes)
	classes := r.server.profile.classes(o.ID.Kind)
	if more := slices.DeleteFunc(slices.Clone(o.Attributes["objectClass"]), func(c string) bool { return slices.Contains(classes, c) }); len(more) > 0 {
		bare.Attributes["objectClass"] = classes
		rest.Changes = append(rest.Changes, Change{AddValues, "objectClass", more})
	}
	for _, name := range o.Attributes.names() {
		if !o.requires(name) && r.canLeaveOut(o.ID.Kind, name) {
			delete(bare.Attributes, name)
			rest.Changes = append(rest.Changes, Change{ReplaceValues, name, o.Attributes[name]})
		}
	}
	return bare, rest
}

// requires says whether the entry cannot be added without the attribute (RFC 4519, section
// 3.12).
func (o Operation) requires(name string) bool {
	return slices.Contains([]string{"objectClass", "cn", "sn", o.DN.attribute()}, name)
}

// sendParts does each part of a modification for itself, except that it first tries to do
// without what was not allowed on another entry of the kind. err is the refusal of the
// whole; nil: it was not tried.
func (r *round) sendParts(ctx context.Context, o Operation, err error) error {
	parts := r.partsOf(o)
	if rest := o.only(slices.DeleteFunc(slices.Clone(parts), func(p portion) bool { return r.isDenied(o.ID.Kind, p) })); err != nil &&
		len(rest.Changes) > 0 && len(rest.Changes) < len(o.Changes) {
		if _, failed := r.sendAccepted(ctx, rest); !hasCode(failed, ldap.LDAPResultInsufficientAccessRights) {
			for _, p := range parts {
				if r.isDenied(o.ID.Kind, p) {
					r.deny(o.ID, p)
				}
			}
			return failed
		}
	}
	var first error
	for _, p := range parts {
		failed := err
		if len(parts) > 1 || err == nil {
			_, failed = r.sendAccepted(ctx, o.only([]portion{p}))
		}
		switch {
		case failed == nil:
		case !hasCode(failed, ldap.LDAPResultInsufficientAccessRights):
			return failed
		case r.canLeaveOut(o.ID.Kind, p.name()):
			r.deny(o.ID, p)
		case first == nil:
			first = failed
		}
	}
	return first
}

// portion is what of a modification goes together: an attribute, or auxiliary classes with all
// that the configuration adds for their sake.
type portion []Change

// name is the attribute by which the portion is known.
func (p portion) name() string { return p[0].Name }

// partsOf takes a modification apart.
func (r *round) partsOf(o Operation) []portion {
	withClasses := slices.ContainsFunc(o.Changes, func(c Change) bool { return c.Name == "objectClass" })
	var list []portion
	var classes portion
	for _, c := range o.Changes {
		if withClasses && (c.Name == "objectClass" || r.org.mapping.adds(c.Name)) {
			classes = append(classes, c)
			continue
		}
		list = append(list, portion{c})
	}
	if len(classes) > 0 {
		list = append(list, classes)
	}
	return list
}

// only is the modification with these parts.
func (o Operation) only(parts []portion) Operation {
	o.Changes = slices.Concat(parts...)
	return o
}

// canLeaveOut says whether an entry of the kind is of use without the attribute as it should
// be.
func (r *round) canLeaveOut(kind EntryKind, name string) bool {
	switch {
	case kind == UserEntry && slices.Contains([]string{"cn", "sn", "uid"}, name):
		return true
	case kind == UserEntry && name == "objectClass":
		return len(r.org.mapping.classes) > 0
	default:
		return slices.Contains(r.optionalAttributes(kind), name)
	}
}

// isDenied says whether a part was not allowed on another entry.
func (r *round) isDenied(kind EntryKind, p portion) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.denied[kind][p.name()]
}

// deny notes that a part is not allowed.
func (r *round) deny(id EntryID, p portion) {
	names := make([]string, len(p))
	for i, c := range p {
		names[i] = c.Name
	}
	r.warn(id, strings.Join(names, ", ")+" left out: the bind account may not write it; give it that right")
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.denied[id.Kind] == nil {
		r.denied[id.Kind] = map[string]bool{}
	}
	r.denied[id.Kind][p.name()] = true
}
