package ldapsink

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/kitbridge/kitbridge/orgsync"
)

// round is one attempt to make some keys of a tenant equal to the state: read, plan, write,
// remember. Departments and users that turn out to matter – ancestors, children that stand
// below a department that is gone, names that fold to the same – are taken along, so that
// it does not depend on what else is owed.
type round struct {
	sink   *Sink
	server server
	org    organisation
	view   orgsync.View
	state  snapshot

	// The state of what matters. What is gone is there with its zero value.
	departments map[orgsync.OrgCode]orgsync.PlacedDepartment
	users       map[orgsync.UserName]orgsync.User
	homes       map[orgsync.OrgCode]orgsync.PlacedDepartment // departments of users

	below map[orgsync.OrgCode][]orgsync.OrgCode // all departments by those above their entries; nil: not read

	// The directory.
	links    map[EntryID]Link // as far as asked for; the zero value: there is none
	byUUID   map[string]EntryID
	have     map[EntryID]Entry
	others   []Entry                  // not ours
	adopt    []Link                   // ours, but the link does not say so yet
	grouped  map[orgsync.OrgCode]bool // departments whose groups were looked for
	appsRead map[EntryID]bool         // groups of applications that were looked for

	inventory *inventory // of the whole tenant; nil: the round is about some keys
	onlyPlans bool       // nothing is written, anywhere
	left      bool       // the directory is not meant for the tenant: nothing is added
	everybody bool       // what is left out is to be told of all users

	taken   map[string]bool                     // account names of Active Directory that others have
	numbers map[string]map[orgsync.UserName]int // allocated, by attribute
	claimed map[claim]orgsync.UserName          // whom of the round a number is for

	// What is to be, with what must be left out of it.
	wants    []Want
	warnings map[EntryID][]string
	plan     *planner // what is to be done, and what stands where after it
	along    []string // users about whom something is to be written and who are not owed
	isNoted  bool     // Links hold a note of such users

	mu     sync.Mutex
	failed map[EntryID]error             // under mu while operations run
	broken map[EntryID]bool              // under mu while operations run: one of its operations failed
	denied map[EntryKind]map[string]bool // under mu while operations run: attributes that we may not write
	done   []Operation                   // under mu while operations run
}

func (s *Sink) newRound(ctx context.Context, view orgsync.View, tenant orgsync.Tenant) (*round, error) {
	profile, err := s.Profile(ctx)
	if err != nil {
		return nil, err
	}
	server, err := s.at(profile)
	if err != nil {
		return nil, err
	}
	return &round{
		sink: s, server: server, view: view, state: snapshot{view, map[orgsync.OrgCode]orgsync.Department{}},
		org:         s.organisation(server, tenant),
		departments: map[orgsync.OrgCode]orgsync.PlacedDepartment{},
		users:       map[orgsync.UserName]orgsync.User{},
		homes:       map[orgsync.OrgCode]orgsync.PlacedDepartment{},
		grouped:     map[orgsync.OrgCode]bool{},
		appsRead:    map[EntryID]bool{},
		taken:       map[string]bool{},
		numbers:     map[string]map[orgsync.UserName]int{},
		claimed:     map[claim]orgsync.UserName{},
		links:       map[EntryID]Link{},
		byUUID:      map[string]EntryID{},
		have:        map[EntryID]Entry{},
		warnings:    map[EntryID][]string{},
		failed:      map[EntryID]error{},
		broken:      map[EntryID]bool{},
		denied:      map[EntryKind]map[string]bool{},
	}, nil
}

// run makes the owed keys equal, and those taken along, and returns a result for each. An
// error says that the directory did not answer, or that it cannot be said whose fault it is.
func (r *round) run(ctx context.Context, owed, along []orgsync.Key) ([]orgsync.Result, error) {
	noted, err := r.sink.takenAlong(ctx, r.org.state.ID)
	if err != nil {
		return nil, err
	}
	r.isNoted = len(noted) > 0
	keys := unique(slices.Concat(owed, along, noted))
	if err := r.read(ctx, keys); err != nil {
		return nil, err
	}
	if err := r.readAccounts(ctx); err != nil {
		return nil, err
	}
	if err := r.readNumbers(ctx); err != nil {
		return nil, err
	}
	r.desire()
	r.plan = plan(r.standing(), r.wants)
	for _, c := range r.plan.conflicts {
		r.fail(c.ID, &conflictError{c})
	}
	ms, err := r.memberships(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.noteAlong(ctx, owed, ms); err != nil {
		return nil, err
	}
	if err := r.carryOut(ctx, ms); err != nil {
		return nil, err
	}
	return r.results(keys), r.settleAlong(ctx)
}

// carryOut does what was planned.
func (r *round) carryOut(ctx context.Context, ms []*membership) error {
	// 1. Record what is about to be added. After a crash from here on, an entry of that
	//    name that our account created is known to be ours.
	if err := r.intend(ctx, r.plan.operations); err != nil {
		return err
	}
	// 2. Write. After a crash in between, the next round reads and plans the rest.
	failed := r.write(ctx, r.plan.operations, ms)
	// 3. Remember the stable ids, also of what was written before an error.
	if err := r.remember(context.WithoutCancel(ctx), failed == nil); err != nil {
		return err
	}
	return failed
}

// desire turns the state into wants. One that the server could never hold fails here.
func (r *round) desire() {
	if r.org.state.Purged {
		r.desireNobody()
		return
	}
	tenant := EntryID{Kind: TenantEntry}
	_, ours := r.have[tenant]
	switch {
	case r.org.tenant.Equal(r.server.base): // it is not for us to change
	case ours || !r.stands(r.org.tenant):
		r.want(r.org.tenantWant())
	default:
		r.warnings[tenant] = []string{"description left as it is: the entry is not ours"}
	}
	for _, w := range r.org.containerWants() {
		r.want(w, nil)
	}
	for _, d := range r.departments {
		if d.Live {
			r.want(r.org.departmentWant(d))
			r.want(r.org.groupWant(d.Department), nil)
		}
	}
	for _, id := range r.appGroups() {
		r.want(r.org.appWant(id), nil)
	}
	for name, u := range r.users {
		var present *Entry
		if e, ok := r.have[EntryID{UserEntry, string(name)}]; ok {
			present = &e
		}
		if w, warnings, ok := r.org.userWant(name, u, r.of, present, r.taken); ok {
			warnings = append(warnings, r.number(&w)...)
			r.want(w, warnings)
		}
	}
}

// appGroups lists the groups of applications that are wanted, or are there: none is deleted.
func (r *round) appGroups() []EntryID {
	ids := map[EntryID]bool{}
	for _, w := range r.org.appWants(r.users) {
		ids[w.ID] = true
	}
	for id := range r.have {
		if id.Kind == AppGroup {
			ids[id] = true
		}
	}
	if r.inventory != nil {
		for n, id := range r.inventory.ids {
			if id.Kind == AppGroup && r.inventory.sizes[n] > 0 {
				ids[id] = true
			}
		}
	}
	return sortedIDs(ids)
}

// number sets the allocated numbers.
func (r *round) number(w *Want) (warnings []string) {
	for _, attribute := range r.org.mapping.numbers() {
		if w.Attributes == nil || w.IfPresent {
			continue
		}
		n, ok := r.numbers[attribute][orgsync.UserName(w.ID.Name)]
		if !ok {
			// A class may demand it, so what the mapping adds is left out altogether.
			maps.DeleteFunc(w.Attributes, func(name string, _ []string) bool { return r.org.mapping.adds(name) })
			w.Classes, w.Initial = nil, maps.Clone(w.Initial)
			w.Initial["objectClass"] = r.server.profile.classes(UserEntry)
			return []string{attribute + " left out: all its numbers are taken"}
		}
		w.Attributes[attribute] = []string{strconv.Itoa(n)}
	}
	return warnings
}

func (r *round) want(w Want, warnings []string) {
	if reason := r.server.profile.checkDN(w.DN); reason != "" {
		r.fail(w.ID, &nameError{w.DN, reason})
		w.IfPresent = true
	}
	w.IfPresent = w.IfPresent || r.left
	r.wants = append(r.wants, w)
	r.warnings[w.ID] = warnings
}

// stands says whether an entry that is not ours has that name.
func (r *round) stands(dn DN) bool {
	return slices.ContainsFunc(r.others, func(e Entry) bool { return e.DN.Equal(dn) })
}

// standing is the directory as Plan wants it: base and what was read. An entry of ours on
// which this round has no opinion is in the way like any other.
func (r *round) standing() []Entry {
	entries := append([]Entry{{DN: r.server.base}}, r.others...)
	for id, e := range r.have {
		if !r.matters(id) {
			e.ID = EntryID{}
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return a.DN.Depth() - b.DN.Depth() })
	return entries
}

func (r *round) matters(id EntryID) bool {
	switch id.Kind {
	case DepartmentEntry, DepartmentGroup:
		_, ok := r.departments[orgsync.OrgCode(id.Name)]
		return ok
	case UserEntry:
		_, ok := r.users[orgsync.UserName(id.Name)]
		return ok
	default:
		return true
	}
}

func (r *round) fail(id EntryID, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed[id] == nil {
		r.failed[id] = err
	}
}

// results says for each key what became of its entries. Without the containers nothing can
// be.
func (r *round) results(keys []orgsync.Key) []orgsync.Result {
	var common error
	for _, id := range slices.SortedFunc(maps.Keys(r.failed), compareIDs) {
		if id.Kind == TenantEntry || id.Kind == ContainerEntry || id.Kind == RoleGroup {
			common = r.failed[id]
			break
		}
	}
	results := resultsOf(keys)
	along := r.failedAlong(keys)
	for i, k := range keys {
		result := &results[i]
		result.Err = common
		for _, id := range entriesOf(k) {
			if result.Err == nil {
				result.Err = r.failed[id]
			}
			result.Warnings = append(result.Warnings, r.warnings[id]...)
		}
		if result.Err == nil && k.Kind == orgsync.DepartmentKey {
			result.Err = along
		}
	}
	return results
}

// failedAlong is what went wrong with users who were taken along for a department's sake
// and may go well another time. Nobody else owes them.
func (r *round) failedAlong(keys []orgsync.Key) error {
	asked := make(map[EntryID]bool, len(keys))
	for _, k := range keys {
		for _, id := range entriesOf(k) {
			asked[id] = true
		}
	}
	for _, id := range sortedIDs(r.failed) {
		if id.Kind == UserEntry && !asked[id] && !errors.Is(r.failed[id], orgsync.ErrRejected) {
			return r.failed[id]
		}
	}
	return nil
}

// surprised lists the users for whom the directory was not as read. Those who were taken
// along would not be found again.
func (r *round) surprised() []orgsync.Key {
	var keys []orgsync.Key
	for id, err := range r.failed {
		if id.Kind == UserEntry && isSurprise(err) {
			keys = append(keys, orgsync.Key{Kind: orgsync.UserKey, ID: id.Name})
		}
	}
	return keys
}

// entriesOf are the entries that stand for a key.
func entriesOf(k orgsync.Key) []EntryID {
	switch k.Kind {
	case orgsync.TenantKey:
		return []EntryID{{Kind: TenantEntry}}
	case orgsync.DepartmentKey:
		return []EntryID{{DepartmentEntry, k.ID}, {DepartmentGroup, k.ID}}
	case orgsync.UserKey:
		return []EntryID{{UserEntry, k.ID}}
	default:
		return nil
	}
}
