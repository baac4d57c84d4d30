package ldapsink

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/kitbridge/kitbridge/orgsync"
)

// read loads the state of the keys and of what matters to them, and the entries.
func (r *round) read(ctx context.Context, keys []orgsync.Key) error {
	var codes []orgsync.OrgCode
	var names []orgsync.UserName
	for _, k := range keys {
		switch k.Kind {
		case orgsync.DepartmentKey:
			codes = append(codes, orgsync.OrgCode(k.ID))
		case orgsync.UserKey:
			names = append(names, orgsync.UserName(k.ID))
		case orgsync.TenantKey:
		}
	}
	if err := r.readContainers(ctx); err != nil {
		return &commonError{err}
	}
	if err := r.readUsers(ctx, names); err != nil {
		return err
	}
	missing, err := r.readGroups(ctx, codes)
	if err != nil {
		return err
	}
	if !r.org.state.Active {
		return nil // what is not read is left alone: the departments of a tenant that may return
	}
	return r.readDepartments(ctx, append(codes, missing...))
}

// readContainers reads the tenant's entry and the containers. A container that somebody
// else made is used as it is, if it is one.
func (r *round) readContainers(ctx context.Context) error {
	s := r.sink
	base, err := s.search(ctx, s.base, baseObject, "(objectClass=*)", "objectClass")
	if err != nil {
		return err
	}
	if len(base) == 0 {
		return &baseError{s.base}
	}
	tenant, err := s.search(ctx, r.org.tenant, baseObject, "(objectClass=*)", keptAttributes()...)
	if err != nil {
		return err
	}
	if err := r.identify(ctx, tenant, "organizationalUnit", func(found) []EntryID { return []EntryID{{Kind: TenantEntry}} }); err != nil {
		return err
	}
	kinds := map[string]string{}
	var entries []found
	for _, w := range r.org.containerWants() {
		kinds[w.DN.Key()] = w.Initial["objectClass"][1]
	}
	for _, level := range []struct {
		above DN
		by    string
		names []string
	}{
		{r.org.tenant, "ou", r.org.containers()},
		{r.org.container(roles), "cn", []string{string(orgsync.RoleAdmin), string(orgsync.RoleUser)}},
	} {
		e, err := s.search(ctx, level.above, singleLevel, anyOf([]string{level.by}, level.names), "objectClass")
		if err != nil {
			return err
		}
		entries = append(entries, e...)
	}
	for _, e := range entries {
		if class := kinds[e.DN.Key()]; class == "" || !e.is(class) {
			r.others = append(r.others, e.Entry)
			continue
		}
		e.ID = EntryID{ContainerEntry, fold(e.DN.Value())} // spelled as ours, whoever made it
		if e.DN.Parent().Equal(r.org.container(roles)) {
			e.ID.Kind = RoleGroup
		}
		r.have[e.ID] = e.Entry
	}
	return nil
}

// readUsers reads the users with these names, and those whose names fold to one of them.
func (r *round) readUsers(ctx context.Context, names []orgsync.UserName) error {
	for len(names) > 0 {
		state, err := r.view.Users(ctx, names)
		if err != nil {
			return fmt.Errorf("read users: %w", err)
		}
		texts := make([]string, len(names))
		for i, n := range names {
			r.users[n], texts[i] = state[n], string(n)
		}
		entries, err := r.sink.searchAny(ctx, r.org.tenant, subtree, []string{"uid"}, texts, keptAttributes()...)
		if err != nil {
			return err
		}
		if err := r.recognise(ctx, UserEntry, texts, entries); err != nil {
			return err
		}
		names = names[:0:0]
		for id := range r.have {
			if _, known := r.users[orgsync.UserName(id.Name)]; id.Kind == UserEntry && !known {
				names = append(names, orgsync.UserName(id.Name))
			}
		}
	}
	return nil
}

// readGroups reads the groups of the departments and of the users' departments. It returns
// the departments whose groups should be there and are not: they are made whole.
func (r *round) readGroups(ctx context.Context, codes []orgsync.OrgCode) ([]orgsync.OrgCode, error) {
	for _, u := range r.users {
		if code := departmentOf(u); code != "" && r.org.isEnabled(u) {
			r.live[code] = true
		}
	}
	state, err := r.view.Departments(ctx, slices.Collect(maps.Keys(r.live)))
	if err != nil {
		return nil, fmt.Errorf("read departments: %w", err)
	}
	maps.DeleteFunc(r.live, func(code orgsync.OrgCode, _ bool) bool { return !state[code].Live })
	if err := r.findGroups(ctx, slices.AppendSeq(slices.Clone(codes), maps.Keys(r.live))); err != nil {
		return nil, err
	}
	var missing []orgsync.OrgCode
	for code := range r.live {
		if _, ok := r.have[EntryID{DepartmentGroup, string(code)}]; !ok {
			missing = append(missing, code)
		}
	}
	return missing, nil
}

func departmentOf(u orgsync.User) orgsync.OrgCode {
	return orgsync.OrgCode(u.Attributes.Value(orgsync.AttrOrgCode))
}

// findGroups reads the groups of these departments, each once a round.
func (r *round) findGroups(ctx context.Context, codes []orgsync.OrgCode) error {
	var texts []string
	for _, c := range codes {
		if !r.grouped[c] {
			r.grouped[c] = true
			texts = append(texts, string(c))
		}
	}
	if len(texts) == 0 {
		return nil
	}
	entries, err := r.sink.searchAny(ctx, r.org.container(groups), singleLevel, []string{"cn"}, texts, keptAttributes()...)
	if err != nil {
		return err
	}
	return r.recognise(ctx, DepartmentGroup, texts, entries)
}

// readDepartments reads the departments with these codes, their ancestors, those whose
// codes fold to one of them, and whatever stands directly below one that is gone.
func (r *round) readDepartments(ctx context.Context, codes []orgsync.OrgCode) error {
	expanded := map[EntryID]bool{}
	for len(codes) > 0 {
		if err := r.loadDepartments(ctx, codes); err != nil {
			return err
		}
		var gone []DN
		for id, e := range r.have {
			d, known := r.departments[orgsync.OrgCode(id.Name)]
			if id.Kind == DepartmentEntry && known && !d.Live && !expanded[id] {
				expanded[id] = true
				gone = append(gone, e.DN)
			}
		}
		for _, dn := range gone {
			if err := r.readChildren(ctx, dn); err != nil {
				return err
			}
		}
		codes = r.unknownDepartments()
	}
	return nil
}

// unknownDepartments lists the departments that matter and are not loaded yet.
func (r *round) unknownDepartments() []orgsync.OrgCode {
	next := map[orgsync.OrgCode]bool{}
	for _, d := range r.departments {
		for _, above := range d.Path {
			next[above] = true
		}
	}
	for id := range r.have {
		if id.Kind == DepartmentEntry {
			next[orgsync.OrgCode(id.Name)] = true
		}
	}
	maps.DeleteFunc(next, func(code orgsync.OrgCode, _ bool) bool {
		_, known := r.departments[code]
		return known
	})
	return slices.Collect(maps.Keys(next))
}

func (r *round) loadDepartments(ctx context.Context, codes []orgsync.OrgCode) error {
	state, err := r.view.Departments(ctx, codes)
	if err != nil {
		return fmt.Errorf("read departments: %w", err)
	}
	texts := make([]string, len(codes))
	for i, c := range codes {
		r.departments[c], texts[i] = state[c], string(c)
	}
	entries, err := r.sink.searchAny(ctx, r.org.tenant, subtree, []string{"ou", "businessCategory"}, texts, keptAttributes()...)
	if err != nil {
		return err
	}
	containers := map[string]bool{r.org.tenant.Key(): true}
	for _, name := range r.org.containers() {
		containers[r.org.container(name).Key()] = true
	}
	entries = slices.DeleteFunc(entries, func(f found) bool { return containers[f.DN.Key()] })
	if err := r.recognise(ctx, DepartmentEntry, texts, entries); err != nil {
		return err
	}
	return r.findGroups(ctx, codes)
}

// readChildren reads what stands directly below the entry of a department that is gone.
func (r *round) readChildren(ctx context.Context, dn DN) error {
	entries, err := r.sink.search(ctx, dn, singleLevel, "(objectClass=*)", keptAttributes()...)
	if err != nil {
		return err
	}
	return r.recognise(ctx, DepartmentEntry, nil, entries)
}
