package store

import (
	"database/sql"
	"fmt"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	selectPersons = "SELECT id, user_name, status, org_code, data, grants FROM person WHERE scope = ? AND user_name IN " + inList
	// A row without grants was never spoken of in an authSync.
	selectUserNames = "SELECT user_name FROM person WHERE scope = ? AND user_name > ? AND length(grants) > 0 ORDER BY user_name LIMIT ?"
)

func insertPersons() insertion {
	return insertion{
		head:    "INSERT INTO person (scope, user_name, status, org_code, data, grants)",
		columns: []columnType{numbers, texts, numbers, texts, blobs, blobs},
		key:     2,
	}
}

// updatePersons changes rows that are there. One that is moved tells the index of its
// members; the others must not, as that would be a page more to write for each.
func updatePersons(moved bool) insertion {
	i := insertion{
		head:    "INSERT INTO person (id, scope, user_name, status, org_code, data, grants)",
		columns: []columnType{numbers, numbers, texts, numbers, texts, blobs, blobs},
		key:     1,
		tail:    "ON CONFLICT (id) DO UPDATE SET data = excluded.data, grants = excluded.grants",
	}
	if moved {
		i.tail += ", status = excluded.status, org_code = excluded.org_code"
	}
	return i
}

// person is a row: a user's grants and the projection of them.
type person struct {
	id     int64 // 0: there is no row yet
	name   orgsync.UserName
	status orgsync.Status
	org    string
	data   []byte // the projection, encoded
	grants []orgsync.Grant

	place string // status and department as the row has them
	dirty bool   // the row is to be written
}

func (p *person) placeNow() string { return string(rune(p.status)) + p.org }

// persons are the rows that a transaction works at. What is put waits here until other
// rows are asked for or the transaction ends, so that grants and projection are written
// together.
type persons struct {
	rows  map[orgsync.UserName]*person
	order []*person // as they came
}

func (tx *tx) Grants(names []orgsync.UserName) (map[orgsync.UserName][]orgsync.Grant, error) {
	if err := tx.writePersons(); err != nil {
		return nil, err
	}
	if err := tx.readPersons(names); err != nil {
		return nil, err
	}
	grants := make(map[orgsync.UserName][]orgsync.Grant, len(names))
	for _, name := range names {
		if p := tx.persons.rows[name]; p != nil && len(p.grants) > 0 {
			grants[name] = append([]orgsync.Grant(nil), p.grants...)
		}
	}
	return grants, nil
}

// readPersons adds the rows of these users to those at hand.
func (tx *tx) readPersons(names []orgsync.UserName) error {
	list, err := jsonList(names)
	if err != nil {
		return err
	}
	rows, err := collect(tx.ctx, tx.c, scanPerson, selectPersons, tx.id, list)
	if err != nil {
		return fmt.Errorf("read users: %w", err)
	}
	for _, p := range rows {
		tx.persons.add(p)
	}
	for _, name := range names {
		if tx.persons.rows[name] == nil {
			tx.persons.add(&person{name: name})
		}
	}
	return nil
}

func (ps *persons) add(p *person) {
	if ps.rows == nil {
		ps.rows = make(map[orgsync.UserName]*person)
	}
	ps.rows[p.name] = p
	ps.order = append(ps.order, p)
}

func scanPerson(rows *sql.Rows) (*person, error) {
	var p person
	var grants sql.RawBytes
	if err := rows.Scan(&p.id, &p.name, &p.status, &p.org, &p.data, &grants); err != nil {
		return nil, err
	}
	var err error
	p.place = p.placeNow()
	p.grants, err = decodeGrants(grants, p.name)
	return &p, err
}

// personsOf returns the rows of these users, and marks them as to be written.
func (tx *tx) personsOf(names []orgsync.UserName) ([]*person, error) {
	var missing []orgsync.UserName
	for _, name := range names {
		if tx.persons.rows[name] == nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		if err := tx.readPersons(missing); err != nil {
			return nil, err
		}
	}
	found := make([]*person, 0, len(names))
	for _, name := range names {
		p := tx.persons.rows[name]
		p.dirty = true
		found = append(found, p)
	}
	return found, nil
}

func (tx *tx) PutGrants(grants []orgsync.Grant) error {
	names := make([]orgsync.UserName, 0, len(grants))
	for _, g := range grants {
		names = append(names, g.User)
	}
	rows, err := tx.personsOf(names)
	if err != nil {
		return err
	}
	for n, g := range grants {
		rows[n].put(g)
	}
	return nil
}

// put keeps the grants sorted by instance and application.
func (p *person) put(g orgsync.Grant) {
	n := 0
	for ; n < len(p.grants); n++ {
		have := &p.grants[n]
		if have.Instance == g.Instance && have.App == g.App {
			*have = g
			return
		}
		if have.Instance > g.Instance || have.Instance == g.Instance && have.App > g.App {
			break
		}
	}
	p.grants = append(p.grants, orgsync.Grant{})
	copy(p.grants[n+1:], p.grants[n:])
	p.grants[n] = g
}

func (tx *tx) PutUsers(users []orgsync.User) error {
	names := make([]orgsync.UserName, 0, len(users))
	for _, u := range users {
		names = append(names, u.Name)
	}
	rows, err := tx.personsOf(names)
	if err != nil {
		return err
	}
	for n, u := range users {
		rows[n].status, rows[n].org, rows[n].data = u.Status, u.Attributes.Value(orgsync.AttrOrgCode), encodeUser(u)
	}
	return nil
}

// writePersons writes what was put, and forgets the rows.
func (tx *tx) writePersons() error {
	var created, stayed, moved []any
	for _, p := range tx.persons.order {
		if !p.dirty {
			continue
		}
		data, grants := p.data, encodeGrants(p.grants)
		if data == nil {
			data = []byte{}
		}
		row := []any{tx.id, string(p.name), int64(p.status), p.org, data, grants}
		switch {
		case p.id == 0:
			created = append(created, row...)
		case p.place == p.placeNow():
			stayed = append(append(stayed, p.id), row...)
		default:
			moved = append(append(moved, p.id), row...)
		}
	}
	tx.persons = persons{}
	for _, part := range []struct {
		how    insertion
		values []any
	}{{insertPersons(), created}, {updatePersons(false), stayed}, {updatePersons(true), moved}} {
		if err := tx.c.insert(tx.ctx, part.how, part.values); err != nil {
			return fmt.Errorf("write users: %w", err)
		}
	}
	return nil
}

func (tx *tx) UserNames(after orgsync.UserName, limit int) ([]orgsync.UserName, error) {
	if err := tx.writePersons(); err != nil {
		return nil, err
	}
	return collect(tx.ctx, tx.c, scanKey[orgsync.UserName], selectUserNames, tx.id, string(after), limit)
}

func scanKey[T ~string](rows *sql.Rows) (T, error) {
	var s string
	err := rows.Scan(&s)
	return T(s), err
}
