package store

import (
	"database/sql"
	"fmt"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	selectAssertions = "SELECT code, instance, version, name, parent, journal FROM assertion WHERE scope = ? AND code IN " +
		inList + " ORDER BY code, instance"
	departmentColumns = "code, denied, live, name, parent, journal, placed, reason"
	selectDepartments = "SELECT " + departmentColumns + " FROM department WHERE scope = ? AND code IN " + inList
	selectChildren    = "SELECT " + departmentColumns + " FROM department WHERE scope = ? AND parent IN " + inList +
		" AND live = 1 ORDER BY code"
	selectCodes = `SELECT code FROM department WHERE scope = ? UNION SELECT code FROM assertion WHERE scope = ?
	ORDER BY code`
)

func insertAssertions() insertion {
	return insertion{
		head:    "INSERT INTO assertion (scope, code, instance, version, name, parent, journal)",
		columns: []columnType{numbers, texts, texts, blobs, texts, texts, numbers},
		key:     3,
		tail: "ON CONFLICT (scope, code, instance) DO UPDATE SET version = excluded.version, name = excluded.name," +
			" parent = excluded.parent, journal = excluded.journal",
	}
}

func insertDepartments() insertion {
	return insertion{
		head:    "INSERT INTO department (scope, code, denied, live, name, parent, journal, placed, reason)",
		columns: []columnType{numbers, texts, blobs, numbers, texts, texts, numbers, numbers, texts},
		key:     2,
		tail: "ON CONFLICT (scope, code) DO UPDATE SET denied = excluded.denied, live = excluded.live, name = excluded.name," +
			" parent = excluded.parent, journal = excluded.journal, placed = excluded.placed, reason = excluded.reason",
	}
}

func (tx *tx) Assertions(codes []orgsync.OrgCode) (map[orgsync.OrgCode][]orgsync.Assertion, error) {
	list, err := jsonList(codes)
	if err != nil {
		return nil, err
	}
	rows, err := collect(tx.ctx, tx.c, func(rows *sql.Rows) (a orgsync.Assertion, err error) {
		return a, rows.Scan(&a.Code, &a.Instance, blob(&a.Version), &a.Name, &a.Parent, &a.Journal)
	}, selectAssertions, tx.id, list)
	if err != nil {
		return nil, fmt.Errorf("read assertions: %w", err)
	}
	found := make(map[orgsync.OrgCode][]orgsync.Assertion, len(codes))
	for _, a := range rows {
		found[a.Code] = append(found[a.Code], a)
	}
	return found, nil
}

func (tx *tx) PutAssertions(as []orgsync.Assertion) error {
	values := make([]any, 0, len(as)*7)
	for _, a := range as {
		values = append(values, tx.id, string(a.Code), string(a.Instance), bytesOf(a.Version), a.Name, string(a.Parent), int64(a.Journal))
	}
	if err := tx.c.insert(tx.ctx, insertAssertions(), values); err != nil {
		return fmt.Errorf("write assertions: %w", err)
	}
	return nil
}

func (tx *tx) Departments(codes []orgsync.OrgCode) (map[orgsync.OrgCode]orgsync.Department, error) {
	list, err := jsonList(codes)
	if err != nil {
		return nil, err
	}
	rows, err := collect(tx.ctx, tx.c, scanDepartment, selectDepartments, tx.id, list)
	if err != nil {
		return nil, fmt.Errorf("read departments: %w", err)
	}
	found := make(map[orgsync.OrgCode]orgsync.Department, len(rows))
	for _, d := range rows {
		found[d.Code] = d
	}
	return found, nil
}

func scanDepartment(rows *sql.Rows) (d orgsync.Department, err error) {
	return d, rows.Scan(&d.Code, blob(&d.Denied), &d.Live, &d.Name, &d.Parent, &d.Journal, &d.Placed, &d.Reason)
}

func (tx *tx) PutDepartments(ds []orgsync.Department) error {
	values := make([]any, 0, len(ds)*9)
	for _, d := range ds {
		values = append(values, tx.id, string(d.Code), bytesOf(d.Denied), d.Live, d.Name, string(d.Parent), int64(d.Journal),
			d.Placed, d.Reason)
	}
	if err := tx.c.insert(tx.ctx, insertDepartments(), values); err != nil {
		return fmt.Errorf("write departments: %w", err)
	}
	return nil
}

func (tx *tx) Children(codes []orgsync.OrgCode) ([]orgsync.Department, error) {
	list, err := jsonList(codes)
	if err != nil {
		return nil, err
	}
	return collect(tx.ctx, tx.c, scanDepartment, selectChildren, tx.id, list)
}

func (tx *tx) Codes() ([]orgsync.OrgCode, error) {
	return collect(tx.ctx, tx.c, scanKey[orgsync.OrgCode], selectCodes, tx.id, tx.id)
}
