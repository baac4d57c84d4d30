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
	if !r.org.state.Active && !r.org.state.Purged { // what is not read is left alone: the departments of a tenant that may return
		_, err := r.readGroups(ctx, codes)
		return err
	}
	for { // a department that is gone may bring users, and they their departments
		wrong, err := r.readGroups(ctx, codes)
		if err != nil {
			return err
		}
		codes = append(append(codes, wrong...), r.housing()...)
		codes = slices.DeleteFunc(codes, func(code orgsync.OrgCode) bool {
			_, known := r.departments[code]
			return known
		})
		if len(codes) == 0 {
			return nil
		}
		if err := r.readDepartments(ctx, codes); err != nil {
			return err
		}
	}
}

// housing lists the departments below whose entries users of the round are to stand, or from
// whose place it follows in which nested groups they are to be.
func (r *round) housing() []orgsync.OrgCode {
	var codes []orgsync.OrgCode
	if r.isLate() {
		for code, d := range r.homes {
			if d.Live {
				codes = append(codes, code)
			}
		}
	}
	return codes
}

// of returns a department as far as it was loaded.
func (r *round) of(code orgsync.OrgCode) orgsync.PlacedDepartment {
	if d, ok := r.departments[code]; ok {
		return d
	}
	return r.homes[code]
}

// readContainers reads the tenant's entry and the containers. A container that somebody
// else made is used as it is, if it is one.
func (r *round) readContainers(ctx context.Context) error {
	s := r.server
	if err := s.checkBase(ctx); err != nil {
		return err
	}
	tenant, err := s.search(ctx, r.org.tenant, BaseObject, "(objectClass=*)", r.org.kept()...)
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
	type level struct {
		above DN
		by    string
		names []string
	}
	levels := []level{
		{r.org.tenant, "ou", r.org.containers()},
		{r.org.container(roles), "cn", []string{string(orgsync.RoleAdmin), string(orgsync.RoleUser)}},
	}
	for _, level := range levels {
		e, err := s.search(ctx, level.above, SingleLevel, anyOf([]string{level.by}, level.names), "objectClass")
		if err != nil {
			return err
		}
		entries = append(entries, e...)
	}
	for _, e := range entries {
		if class := kinds[e.DN.Key()]; class == "" || !e.is(class) {
			r.notOurs(e)
			continue
		}
		e.ID = EntryID{ContainerEntry, r.server.profile.Folding.fold(e.DN.Value())} // spelled as ours, whoever made it
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
		entries, err := r.server.searchAny(ctx, r.org.tenant, Subtree, []string{r.org.userRDN}, texts, r.org.kept()...)
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
// the departments whose groups should be there and are not, which are made whole, and those
// whose groups should not be there and are: should such a department be back before its own
// key is looked at, its group would be kept, without those who came meanwhile.
func (r *round) readGroups(ctx context.Context, codes []orgsync.OrgCode) ([]orgsync.OrgCode, error) {
	if err := r.loadHomes(ctx); err != nil {
		return nil, err
	}
	if err := r.readApps(ctx); err != nil {
		return nil, err
	}
	grouping := map[orgsync.OrgCode]bool{} // whether the group should be there
	for _, u := range r.users {
		if code := departmentOf(u); code != "" && r.org.isEnabled(u) {
			grouping[code] = false
		}
	}
	for _, u := range r.users {
		for _, code := range r.grouping(u) {
			grouping[code] = true
		}
	}
	if err := r.findGroups(ctx, slices.AppendSeq(slices.Clone(codes), maps.Keys(grouping))); err != nil {
		return nil, err
	}
	var wrong []orgsync.OrgCode
	for code, wanted := range grouping {
		if _, there := r.have[EntryID{DepartmentGroup, string(code)}]; there != wanted {
			wrong = append(wrong, code)
		}
	}
	return wrong, nil
}

// readApps reads the groups of the users' applications.
func (r *round) readApps(ctx context.Context) error {
	var names []string
	for _, w := range r.org.appWants(r.users) {
		if _, read := r.have[w.ID]; !read && !r.appsRead[w.ID] {
			r.appsRead[w.ID] = true
			names = append(names, w.ID.Name)
		}
	}
	entries, err := r.server.searchAny(ctx, r.org.container(apps), SingleLevel, []string{"cn"}, names, "objectClass")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.is(r.server.profile.groupClass()) {
			r.notOurs(e)
			continue
		}
		for _, name := range names { // spelled as ours, whoever made it
			if id := (EntryID{AppGroup, name}); r.org.groupOf(id).Equal(e.DN) {
				e.ID = id
				r.have[id] = e.Entry
			}
		}
	}
	return nil
}

// loadHomes loads the state of the users' departments.
func (r *round) loadHomes(ctx context.Context) error {
	var codes []orgsync.OrgCode
	for _, u := range r.users {
		code := departmentOf(u)
		if _, known := r.homes[code]; !known && code != "" && (r.org.isEnabled(u) || r.org.users == Tree) {
			r.homes[code] = orgsync.PlacedDepartment{}
			codes = append(codes, code)
		}
	}
	if len(codes) == 0 {
		return nil
	}
	state, err := r.state.departments(ctx, codes)
	if err != nil {
		return err
	}
	maps.Copy(r.homes, state)
	return nil
}

// grouping lists the departments whose groups the user should be in.
func (r *round) grouping(u orgsync.User) []orgsync.OrgCode {
	home := r.homes[departmentOf(u)]
	switch {
	case !r.org.isEnabled(u) || !home.Live:
		return nil
	case r.org.nested:
		return home.Path
	default:
		return []orgsync.OrgCode{home.Code}
	}
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
	entries, err := r.server.searchAny(ctx, r.org.container(groups), SingleLevel, []string{"cn"}, texts, r.org.kept()...)
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
		if err := r.readWaiting(ctx, codes); err != nil {
			return err
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
	state, err := r.state.departments(ctx, codes)
	if err != nil {
		return err
	}
	texts := make([]string, len(codes))
	for i, c := range codes {
		r.departments[c], texts[i] = state[c], string(c)
	}
	entries, err := r.server.searchAny(ctx, r.org.tenant, Subtree, []string{"ou", "businessCategory"}, texts, r.org.kept()...)
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
	entries, err := r.server.search(ctx, dn, SingleLevel, "(objectClass=*)", r.org.kept()...)
	if err != nil {
		return err
	}
	isUser := func(f found) bool { return f.is(r.server.profile.class(UserEntry)) }
	users := slices.DeleteFunc(slices.Clone(entries), func(f found) bool { return !isUser(f) })
	if err := r.recognise(ctx, DepartmentEntry, nil, slices.DeleteFunc(entries, isUser)); err != nil {
		return err
	}
	return r.takeAlong(ctx, users)
}

// readWaiting reads the users who stand below pending although the department that they
// name is there, or is coming.
func (r *round) readWaiting(ctx context.Context, codes []orgsync.OrgCode) error {
	if r.org.users != Tree {
		return nil
	}
	var texts []string
	for _, code := range codes {
		if r.departments[code].Live {
			texts = append(texts, string(code))
		}
	}
	entries, err := r.server.searchAny(ctx, r.org.container(pending), SingleLevel, []string{"departmentNumber"}, texts, r.org.kept()...)
	if err != nil {
		return err
	}
	return r.takeAlong(ctx, entries)
}

// takeAlong makes these users matter to the round, as far as they are ours.
func (r *round) takeAlong(ctx context.Context, users []found) error {
	if len(users) == 0 {
		return nil
	}
	if err := r.recognise(ctx, UserEntry, nil, users); err != nil {
		return err
	}
	var names []orgsync.UserName
	for id := range r.have {
		if _, known := r.users[orgsync.UserName(id.Name)]; id.Kind == UserEntry && !known {
			names = append(names, orgsync.UserName(id.Name))
		}
	}
	return r.readUsers(ctx, names)
}
