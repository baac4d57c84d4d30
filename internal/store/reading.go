package store

import (
	"context"
	"errors"
	"fmt"
)

// ErrNoDatabase is returned where a database is needed and there is none yet.
var ErrNoDatabase = errors.New("there is no database yet")

// errReading is what a write to a store gets that was opened by [OpenReading].
var errReading = errors.New("the database was opened for reading only")

const (
	selectSchemaVersion = "SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied"
	sqliteHasVersions   = "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'goose_db_version'"
	postgresHasVersions = "SELECT COUNT(to_regclass('goose_db_version'))"
)

// onlyReading is the transactor of a store that was opened for reading.
type onlyReading struct{}

func (onlyReading) inTx(context.Context, durability, func(context.Context, conn) error) error {
	return errReading
}

// OpenReading opens a database that another process may be working with. It creates,
// migrates and locks nothing, and whatever would write fails. The error may be an
// [ErrNoDatabase], [ErrSchema] or [ErrKeys].
func OpenReading(ctx context.Context, cfg Config) (*Store, error) {
	s, err := newStore(cfg)
	if err != nil {
		return nil, err
	}
	a, err := existing(cfg.URL)
	if err != nil {
		return nil, err
	}
	s.writer = onlyReading{}
	if a.server == nil {
		err = s.readSQLite(a)
	} else {
		s.readPostgres(a)
	}
	if err == nil {
		err = s.fits(ctx, a)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", a.name, err), s.Close())
	}
	return s, nil
}

// fits checks schema and keys as [Open] does, without writing.
func (s *Store) fits(ctx context.Context, a address) error {
	have, want, err := schemaVersions(ctx, s.readers, a)
	if err != nil {
		return err
	}
	if _, err := checkSchema(have, want, false); err != nil {
		return err
	}
	return s.knowsKeys(ctx)
}

// knowsKeys refuses a ring that lacks a key of the database.
func (s *Store) knowsKeys(ctx context.Context) error {
	known, err := collect(ctx, s.readers, scanText, selectRingKeys)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	return lacksNone(s.keys.Fingerprints(), known)
}

// SchemaVersions says at which version the schema of a database is, 0 if there is no
// database, and which one this program needs. It changes nothing.
func SchemaVersions(ctx context.Context, databaseURL string) (have, want int64, err error) {
	a, err := existing(databaseURL)
	if errors.Is(err, ErrNoDatabase) {
		want, err = newestMigration(sqliteMigrations)
		return 0, want, err
	}
	if err != nil {
		return 0, 0, err
	}
	var s Store
	if a.server == nil {
		err = s.readSQLite(a)
	} else {
		s.readPostgres(a)
	}
	if err == nil {
		have, want, err = schemaVersions(ctx, s.readers, a)
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return 0, 0, fmt.Errorf("database %s: %w", a.name, err)
	}
	return have, want, nil
}

func schemaVersions(ctx context.Context, q querier, a address) (have, want int64, err error) {
	folder, hasVersions := sqliteMigrations, sqliteHasVersions
	if a.server != nil {
		folder, hasVersions = postgresMigrations, postgresHasVersions
	}
	if want, err = newestMigration(folder); err != nil {
		return 0, 0, err
	}
	there, err := one(collect(ctx, q, scanNumber, hasVersions))
	if err == nil && there > 0 {
		have, err = one(collect(ctx, q, scanNumber, selectSchemaVersion))
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read schema version: %w", err)
	}
	return have, want, nil
}

// existing takes the URL of a database apart that is there, or it is an [ErrNoDatabase].
func existing(databaseURL string) (address, error) {
	a, err := parseAddress(databaseURL)
	if err != nil || a.server != nil {
		return a, err
	}
	fresh, err := IsNew(databaseURL)
	if err == nil && fresh {
		err = fmt.Errorf("database %s: %w; kitbridge serve makes it", a.name, ErrNoDatabase)
	}
	return a, err
}
