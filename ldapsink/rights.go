package ldapsink

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/orgsync"
)

// trial does below an entry, in entries of its own, everything that kitbridge does in a
// directory, and collects the rights that the account lacks.
type trial struct {
	server
	org    organisation // of a tenant whose entry is ours
	top    DN           // what we add, and take away again
	name   string       // of the user
	faults []rightFault
	there  []DN // entries that were added, in that order
	member DN   // the user, the zero value if there is none
}

// rightFault is something that the account may not do, or that the server does not do.
type rightFault struct {
	what string // that is tried
	err  error
}

// tryRights tries everything below above, where a tenant's entry is to stand. Whatever comes
// of it, nothing is left behind that the account may delete. An error is one of the way
// there.
func (s *Sink) tryRights(ctx context.Context, at server, above DN) ([]rightFault, error) {
	name := probePrefix + randomName()
	t := &trial{server: at, top: above.Child("ou", name), name: name[len("kitbridge-"):]}
	t.org = s.organisation(at, orgsync.Tenant{ID: orgsync.TenantID(name), Name: name, Active: true, Announced: true})
	t.org.tenant = t.top
	err := t.run(ctx)
	tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTidy)
	defer cancel()
	return t.faults, errors.Join(err, t.clear(tidy))
}

func (t *trial) run(ctx context.Context) error {
	added, err := t.add(ctx, "add departments", t.top, organizationalUnit(t.top))
	if err != nil || !added {
		return err
	}
	for _, try := range []func(context.Context) error{t.seen, t.owner, t.departments, t.users, t.groups} {
		if err := try(ctx); err != nil {
			return err
		}
	}
	return nil
}

// do sends an operation. done says whether it was carried out; if not, and it is the
// server's word, that is noted as a fault of what.
func (t *trial) do(ctx context.Context, what string, o Operation) (done bool, err error) {
	err = t.send(ctx, o)
	if err != nil && ctx.Err() == nil && !errors.Is(err, orgsync.ErrUnavailable) {
		t.fault(what, err)
		return false, nil
	}
	return err == nil, err
}

func (t *trial) fault(what string, err error) { t.faults = append(t.faults, rightFault{what, err}) }

func (t *trial) add(ctx context.Context, what string, dn DN, attributes Attributes) (bool, error) {
	done, err := t.do(ctx, what, Operation{Kind: Add, DN: dn, Attributes: attributes})
	if done {
		t.there = append(t.there, dn)
	}
	return done, err
}

// rename is also how entries move.
func (t *trial) rename(ctx context.Context, what string, from, to DN) (bool, error) {
	done, err := t.do(ctx, what, Operation{Kind: Rename, DN: from, NewDN: to})
	if done {
		t.there[slices.IndexFunc(t.there, from.Equal)] = to
	}
	return done, err
}

// seen: what is added can be read, with what it is known by.
func (t *trial) seen(ctx context.Context) error {
	names := slices.DeleteFunc([]string{"objectClass", "ou", t.profile.StableID, t.profile.Creator}, func(name string) bool { return name == "" })
	entries, err := t.search(ctx, t.top, BaseObject, "(objectClass=*)", names...)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		t.fault("read entries", &readError{t.top, "the entry that was just added cannot be read: give the bind account the right to read and search there"})
		return nil
	}
	for _, name := range names {
		if len(entries[0].Attributes[name]) == 0 {
			t.fault("read "+name, &readError{t.top, name + " cannot be read: give the bind account the right to read and search it"})
		}
	}
	found, err := t.search(ctx, t.top.Parent(), SingleLevel, anyOf([]string{"ou"}, []string{t.top.Value()}), "1.1")
	if err == nil && len(found) == 0 && len(t.faults) == 0 {
		t.fault("search by name", &readError{t.top.Parent(), "a search for ou below it does not find the entry that was just added: give the bind account the right to search"})
	}
	return err
}

// owner tries what the entry that says whose the directory is needs, beside the others.
func (t *trial) owner(ctx context.Context) error {
	dn := t.top.Parent().Child("cn", t.top.Value())
	added, err := t.add(ctx, "add cn=kitbridge", dn, Attributes{"objectClass": {"top", ownerClass}, "cn": {dn.Value()}, "description": {"try"}})
	if err != nil || !added {
		return err
	}
	return t.modify(ctx, "change cn=kitbridge", dn, Change{ReplaceValues, "description", []string{"tried"}})
}

// modify tries every change, together and where that is not allowed for itself.
func (t *trial) modify(ctx context.Context, what string, dn DN, changes ...Change) error {
	o := Operation{Kind: Modify, DN: dn, Changes: changes}
	err := t.send(ctx, o)
	if len(changes) == 1 || !hasCode(err, ldap.LDAPResultInsufficientAccessRights) {
		if err != nil && ctx.Err() == nil && !errors.Is(err, orgsync.ErrUnavailable) {
			t.fault(what, err)
			return nil
		}
		return err
	}
	for _, c := range changes {
		if _, err := t.do(ctx, what+": "+c.Name, Operation{Kind: Modify, DN: dn, Changes: []Change{c}}); err != nil {
			return err
		}
	}
	return nil
}

// departments are added, changed, renamed and moved with what stands below them.
func (t *trial) departments(ctx context.Context) error {
	a, b := t.org.container(departments), t.org.container(pending)
	below := a.Child("ou", "below")
	for _, dn := range []DN{a, b, below} {
		if added, err := t.add(ctx, "add departments", dn, organizationalUnit(dn)); err != nil || !added {
			return err
		}
	}
	w, _ := t.org.departmentWant(orgsync.PlacedDepartment{Department: orgsync.Department{Code: "below", Name: "try"}})
	if err := t.modify(ctx, "change departments", below, changesOf(w.Attributes)...); err != nil {
		return err
	}
	renamed := a.Child("ou", "renamed")
	if done, err := t.rename(ctx, "rename departments", below, renamed); err != nil || !done {
		return err
	}
	_, err := t.rename(ctx, "move departments", renamed, b.Child("ou", "renamed"))
	return err
}

func (t *trial) none(orgsync.OrgCode) orgsync.PlacedDepartment { return orgsync.PlacedDepartment{} }

// changesOf replaces all attributes, the sorted way.
func changesOf(attributes Attributes) []Change {
	var changes []Change
	for _, name := range attributes.names() {
		if len(attributes[name]) > 0 {
			changes = append(changes, Change{ReplaceValues, name, attributes[name]})
		}
	}
	return changes
}

// users are added, changed, disabled, renamed and moved. What the configuration adds to them
// is left out where the schema does not have it, which is told elsewhere.
func (t *trial) users(ctx context.Context) error {
	home, away := t.org.container(people), t.org.container(disabled)
	for _, dn := range []DN{home, away} {
		if added, err := t.add(ctx, "add departments", dn, organizationalUnit(dn)); err != nil || !added {
			return err
		}
	}
	dn := home.Child(t.org.userRDN, t.name)
	w := t.user(t.org)
	o := Operation{Kind: Add, DN: dn, Attributes: w.all()}
	err := t.send(ctx, o)
	if err != nil && !hasCode(err, ldap.LDAPResultInsufficientAccessRights) {
		plain := t.org
		plain.mapping = Mapping{}
		w = t.user(plain)
		o.Attributes = w.all()
	}
	if err != nil {
		if added, err := t.do(ctx, "add users", o); err != nil || !added {
			return err
		}
	}
	t.there = append(t.there, dn)
	delete(w.Attributes, "uid") // it is the name
	if err := t.modify(ctx, "change users", dn, changesOf(w.Attributes)...); err != nil {
		return err
	}
	if lock := t.profile.DisableBy; lock != "" && len(w.Attributes[lock]) == 0 {
		if err := t.modify(ctx, "disable users", dn, Change{ReplaceValues, lock, []string{"true"}}); err != nil {
			return err
		}
	}
	renamed := home.Child(t.org.userRDN, t.name+"-2")
	if done, err := t.rename(ctx, "rename users", dn, renamed); err != nil || !done {
		return err
	}
	t.member = renamed
	moved := away.Child(t.org.userRDN, renamed.Value())
	done, err := t.rename(ctx, "move users", renamed, moved)
	if done {
		t.member = moved
	}
	return err
}

// user is a user who has everything that a user can have.
func (t *trial) user(org organisation) Want {
	as := orgsync.Attributes{}
	for attribute, value := range map[orgsync.Attribute]string{
		orgsync.AttrName: "try", orgsync.AttrOrgCode: "try", orgsync.AttrPosition: "try", orgsync.AttrEmployeeCode: "1", orgsync.AttrEmployeeType: "1",
		orgsync.AttrMobile: "1", orgsync.AttrEmail: "try@example.org", orgsync.AttrWorkPlace: "try",
	} {
		as = as.Set(attribute, value)
	}
	u := orgsync.User{Name: orgsync.UserName(t.name), Status: orgsync.StatusEnabled, Role: orgsync.RoleUser, Attributes: as}
	w, _, _ := org.userWant(u.Name, u, t.none, nil, nil)
	for _, attribute := range org.mapping.numbers() {
		w.Attributes[attribute] = []string{fmt.Sprint(org.mapping.templates[attribute].pool.high)}
	}
	return w
}

// all is what an entry is added with.
func (w Want) all() Attributes {
	attributes := Attributes{}
	for _, of := range []Attributes{w.Initial, w.Attributes} {
		for name, values := range of {
			if len(values) > 0 {
				attributes[name] = values
			}
		}
	}
	return attributes
}

// groups are added, changed, filled and emptied.
func (t *trial) groups(ctx context.Context) error {
	home := t.org.container(groups)
	if added, err := t.add(ctx, "add departments", home, organizationalUnit(home)); err != nil || !added {
		return err
	}
	w := t.org.groupWant(orgsync.Department{Code: "group", Name: "try"})
	if added, err := t.add(ctx, "add groups", w.DN, w.Initial); err != nil || !added {
		return err
	}
	if err := t.modify(ctx, "change groups", w.DN, changesOf(w.Attributes)...); err != nil {
		return err
	}
	if t.member.Depth() == 0 { // some servers take no member that is no user
		return nil
	}
	member := []string{t.member.String()}
	if err := t.modify(ctx, "put members into groups", w.DN, Change{AddValues, "member", member}); err != nil {
		return err
	}
	return t.modify(ctx, "take members out of groups", w.DN, Change{DeleteValues, "member", member})
}

// clear deletes what was added, the last first, and notes what it may not delete.
func (t *trial) clear(ctx context.Context) error {
	for _, dn := range slices.Backward(t.there) {
		err := t.send(ctx, Operation{Kind: Delete, DN: dn})
		switch {
		case err == nil:
		case ctx.Err() != nil, errors.Is(err, orgsync.ErrUnavailable):
			return fmt.Errorf("%w; %s may still be there: the next check deletes it", err, t.top)
		case hasCode(err, ldap.LDAPResultNotAllowedOnNonLeaf): // of what stands below it that was told
		default:
			t.fault("delete entries", fmt.Errorf("%w; delete %s yourself", err, dn))
		}
	}
	return nil
}

// readError is something that cannot be read.
type readError struct {
	dn     DN
	reason string
}

// Error names the entry.
func (e *readError) Error() string { return e.dn.String() + ": " + e.reason }
