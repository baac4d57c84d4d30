package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// MigrateTo makes a database as an older program left it.
func MigrateTo(ctx context.Context, databaseURL string, version int64) (err error) {
	a, err := parseAddress(databaseURL)
	if err != nil {
		return err
	}
	dialect, folder := goose.DialectSQLite3, sqliteMigrations
	var db *sql.DB
	if a.server != nil {
		dialect, folder, db = goose.DialectPostgres, postgresMigrations, stdlib.OpenDB(*a.server)
	} else if db, err = openSQLite(a.path, upkeeping); err != nil {
		return err
	}
	p, err := newProvider(dialect, db, folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	_, err = p.UpTo(ctx, version)
	return err
}
