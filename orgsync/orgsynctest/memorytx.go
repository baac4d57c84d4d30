package orgsynctest

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/kitbridge/kitbridge/orgsync"
)

// memoryTx writes to the store at once and remembers how to take it back.
type memoryTx struct {
	m     *Memory
	scope orgsync.Scope
	s     *memoryScope
	undo  []func()
	over  bool
}

var errOver = errors.New("orgsynctest: the transaction is over")

func (tx *memoryTx) rollback() {
	for _, undo := range slices.Backward(tx.undo) {
		undo()
	}
}

// set stores a row and remembers the one before.
func set[K comparable, V any](tx *memoryTx, rows map[K]V, key K, row V) {
	before, ok := rows[key]
	tx.undo = append(tx.undo, func() {
		if ok {
			rows[key] = before
		} else {
			delete(rows, key)
		}
	})
	rows[key] = row
}

func remove[K comparable, V any](tx *memoryTx, rows map[K]V, key K) {
	before, ok := rows[key]
	if !ok {
		return
	}
	tx.undo = append(tx.undo, func() { rows[key] = before })
	delete(rows, key)
}

func (tx *memoryTx) check() error {
	if tx.over {
		return errOver
	}
	return nil
}

func (tx *memoryTx) Record(p orgsync.Push) (orgsync.Recorded, error) {
	if err := tx.check(); err != nil {
		return orgsync.Recorded{}, err
	}
	key := memoryNonce{p.Kind, p.Nonce}
	if id, ok := tx.m.nonces[key]; ok {
		known := tx.m.pushes[id-1]
		known.Known = true
		return known, nil
	}
	id := orgsync.JournalID(len(tx.m.pushes) + 1)
	recorded := orgsync.Recorded{ID: id, Digest: p.Digest}
	tx.m.pushes = append(tx.m.pushes, recorded)
	tx.undo = append(tx.undo, func() { tx.m.pushes = tx.m.pushes[:id-1] })
	set(tx, tx.m.nonces, key, id)
	return recorded, nil
}

func (tx *memoryTx) Settle(id orgsync.JournalID, answer orgsync.Answer, tally orgsync.Tally) error {
	if id < 1 || int(id) > len(tx.m.pushes) {
		return orgsync.ErrNotFound
	}
	before := tx.m.pushes[id-1]
	tx.undo = append(tx.undo, func() { tx.m.pushes[id-1] = before })
	tx.m.pushes[id-1].Answer = answer
	return tx.Count(tally)
}

func (tx *memoryTx) Count(tally orgsync.Tally) error {
	if err := tx.check(); err != nil {
		return err
	}
	before := tx.s.tally
	tx.undo = append(tx.undo, func() { tx.s.tally = before })
	for v, n := range tally {
		tx.s.tally[v] += n
	}
	return nil
}

func (tx *memoryTx) Instances() ([]orgsync.Instance, error) {
	return sorted(tx.s.instances, func(a, b orgsync.Instance) int { return cmp.Compare(a.ID, b.ID) }), tx.check()
}

func (tx *memoryTx) PutInstance(i orgsync.Instance) error {
	set(tx, tx.s.instances, i.ID, i)
	return tx.check()
}

func (tx *memoryTx) PutTenant(t orgsync.Tenant) error {
	before := tx.s.tenant
	tx.undo = append(tx.undo, func() { tx.s.tenant = before })
	tx.s.tenant = &t
	return tx.check()
}

func (tx *memoryTx) Credential(i orgsync.InstanceID, a orgsync.AppID) (orgsync.Credential, error) {
	c, ok := tx.s.credentials[memoryCredential{i, a}]
	if !ok {
		c = orgsync.Credential{Instance: i, App: a}
	}
	return c, tx.check()
}

func (tx *memoryTx) PutCredential(c orgsync.Credential) error {
	set(tx, tx.s.credentials, memoryCredential{c.Instance, c.App}, c)
	return tx.check()
}

func (tx *memoryTx) Grants(names []orgsync.UserName) (map[orgsync.UserName][]orgsync.Grant, error) {
	found := map[orgsync.UserName][]orgsync.Grant{}
	for _, name := range names {
		if rows := tx.s.grants[name]; len(rows) > 0 {
			found[name] = sorted(rows, func(a, b orgsync.Grant) int {
				return cmp.Or(cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.App, b.App))
			})
		}
	}
	return found, tx.check()
}

func (tx *memoryTx) PutGrants(grants []orgsync.Grant) error {
	for _, g := range grants {
		if tx.s.grants[g.User] == nil {
			set(tx, tx.s.grants, g.User, map[memoryGrant]orgsync.Grant{})
		}
		set(tx, tx.s.grants[g.User], memoryGrant{g.User, g.Instance, g.App}, g)
	}
	return tx.check()
}

func (tx *memoryTx) PutUsers(users []orgsync.User) error {
	for _, u := range users {
		u.Grants = slices.Clone(u.Grants)
		set(tx, tx.s.users, u.Name, u)
	}
	return tx.check()
}

func (tx *memoryTx) UserNames(after orgsync.UserName, limit int) ([]orgsync.UserName, error) {
	names := slices.Sorted(maps.Keys(tx.s.grants))
	from, found := slices.BinarySearch(names, after)
	if found {
		from++
	}
	return slices.Clone(names[from:min(from+limit, len(names))]), tx.check()
}

func (tx *memoryTx) Assertions(codes []orgsync.OrgCode) (map[orgsync.OrgCode][]orgsync.Assertion, error) {
	wanted := setOf(codes)
	found := map[orgsync.OrgCode][]orgsync.Assertion{}
	for _, a := range sorted(tx.s.assertions, func(a, b orgsync.Assertion) int { return cmp.Compare(a.Instance, b.Instance) }) {
		if wanted[a.Code] {
			found[a.Code] = append(found[a.Code], a)
		}
	}
	return found, tx.check()
}

func (tx *memoryTx) PutAssertions(as []orgsync.Assertion) error {
	for _, a := range as {
		set(tx, tx.s.assertions, memoryAssertion{a.Code, a.Instance}, a)
	}
	return tx.check()
}

func (tx *memoryTx) Departments(codes []orgsync.OrgCode) (map[orgsync.OrgCode]orgsync.Department, error) {
	found := map[orgsync.OrgCode]orgsync.Department{}
	for _, code := range codes {
		if d, ok := tx.s.departments[code]; ok {
			found[code] = d
		}
	}
	return found, tx.check()
}

func (tx *memoryTx) PutDepartments(ds []orgsync.Department) error {
	for _, d := range ds {
		set(tx, tx.s.departments, d.Code, d)
	}
	return tx.check()
}

func (tx *memoryTx) Children(codes []orgsync.OrgCode) ([]orgsync.Department, error) {
	wanted := setOf(codes)
	var found []orgsync.Department
	for _, d := range sorted(tx.s.departments, byCode) {
		if d.Live && wanted[d.Parent] {
			found = append(found, d)
		}
	}
	return found, tx.check()
}

func (tx *memoryTx) Codes() ([]orgsync.OrgCode, error) {
	known := map[orgsync.OrgCode]bool{}
	for code := range tx.s.departments {
		known[code] = true
	}
	for key := range tx.s.assertions {
		known[key.code] = true
	}
	return slices.Sorted(maps.Keys(known)), tx.check()
}

func (tx *memoryTx) Parked(ids []string) (map[string]orgsync.ParkedChange, error) {
	found := map[string]orgsync.ParkedChange{}
	for _, id := range ids {
		if c, ok := tx.s.parked[id]; ok {
			found[id] = c
		}
	}
	return found, tx.check()
}

func (tx *memoryTx) Park(changes []orgsync.ParkedChange) error {
	for _, c := range changes {
		set(tx, tx.s.parked, c.ID, c)
	}
	return tx.check()
}

func (tx *memoryTx) Unpark(ids []string) error {
	for _, id := range ids {
		remove(tx, tx.s.parked, id)
	}
	return tx.check()
}

func byCode(a, b orgsync.Department) int { return cmp.Compare(a.Code, b.Code) }

func sorted[K comparable, V any](rows map[K]V, compare func(a, b V) int) []V {
	return slices.SortedFunc(maps.Values(rows), compare)
}

func setOf[T comparable](items []T) map[T]bool {
	s := make(map[T]bool, len(items))
	for _, item := range items {
		s[item] = true
	}
	return s
}
