package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migration
var migrations embed.FS

const (
	sqliteMigrations   = "migration/sqlite"
	postgresMigrations = "migration/postgres"
	// migrationLock is the table in which processes that migrate wait for each other. A
	// lock of the session would not hold behind a pooler (PgBouncer, transaction mode).
	migrationLock = "kitbridge_migration_lock"
	// How long a process waits for another one that migrates.
	migrationWait, migrationPoll = 5 * time.Minute, 250 * time.Millisecond
	// busyPoll is how often SQLite is asked again that would not wait.
	busyPoll = 20 * time.Millisecond
)

// migrateSQLite brings the schema up to date, or refuses one that does not fit.
func migrateSQLite(ctx context.Context, a address, allowed bool) (err error) {
	if err := createPrivate(a.path); err != nil {
		return err
	}
	db, err := openSQLite(a.path, upkeeping)
	if err != nil {
		return err
	}
	p, err := newProvider(goose.DialectSQLite3, db, sqliteMigrations)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	have, want, err := versionsSQLite(ctx, p)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if fits, err := checkSchema(have, want, allowed); fits || err != nil {
		return err
	}
	// Another process may be doing the same: then a step fails here that is done there. As
	// long as somebody gets on, there is nothing wrong.
	for {
		_, failed := p.Up(ctx)
		if failed == nil {
			return nil
		}
		before := have
		if have, want, err = versionsSQLite(ctx, p); err != nil || have == before {
			return fmt.Errorf("migrate: %w", failed)
		}
		if have == want {
			return nil
		}
	}
}

// versionsSQLite reads the schema's version and the program's. SQLite does not wait for
// another process that turns on the log of the same new file, so it is asked again for as
// long as it waits for a transaction.
func versionsSQLite(ctx context.Context, p *goose.Provider) (have, want int64, err error) {
	poll := time.NewTicker(busyPoll)
	defer poll.Stop()
	for range busyMillis * time.Millisecond / busyPoll {
		if have, want, err = p.GetVersions(ctx); !isBusy(err) {
			return have, want, err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
	return have, want, err
}

// isBusy says whether another process held the file.
func isBusy(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code()&0xff == sqlite3.SQLITE_BUSY || e.Code()&0xff == sqlite3.SQLITE_LOCKED)
}

// migratePostgres brings the schema up to date, or refuses one that does not fit. A schema
// that fits is only looked at: that needs no right to change it.
func (s *Store) migratePostgres(ctx context.Context, a address, allowed bool) (err error) {
	p := openPostgres(a.server, 1)
	have, want, err := schemaVersions(ctx, p, a)
	if err = errors.Join(err, p.close()); err != nil {
		return err
	}
	if fits, err := checkSchema(have, want, allowed); fits || err != nil {
		return err
	}
	locker, err := lock.NewPostgresTableLocker(lock.WithTableName(migrationLock), lock.WithTableLogger(s.logger),
		lock.WithTableLockTimeout(migrationPoll, uint64(migrationWait/migrationPoll)))
	if err != nil {
		return err
	}
	provider, err := newProvider(goose.DialectPostgres, stdlib.OpenDB(*a.server), postgresMigrations, goose.WithLocker(locker))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, provider.Close()) }()
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", unavailable(err))
	}
	return nil
}

func newProvider(dialect goose.Dialect, db *sql.DB, folder string, more ...goose.ProviderOption) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, db, files, append(more, goose.WithDisableGlobalRegistry(true))...)
}

// checkSchema says whether the schema is this program's. An older one is an error
// unless it may be changed, a newer one always.
func checkSchema(have, want int64, allowed bool) (bool, error) {
	switch {
	case have > want:
		return false, fmt.Errorf("%w: it is at %d and this program knows %d only; use the newer program", ErrSchema, have, want)
	case have == want:
		return true, nil
	case !allowed:
		return false, fmt.Errorf("%w: it is at %d and this program needs %d; run kitbridge migrate --config FILE, with the file that serve uses",
			ErrSchema, have, want)
	}
	return false, nil
}

// newestMigration is the schema version that this program needs.
func newestMigration(folder string) (int64, error) {
	names, err := fs.Glob(migrations, folder+"/*.sql")
	if err != nil {
		return 0, err
	}
	var newest int64
	for _, name := range names {
		v, err := goose.NumericComponent(name)
		if err != nil {
			return 0, err
		}
		newest = max(newest, v)
	}
	return newest, nil
}
