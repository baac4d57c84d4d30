package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/pressly/goose/v3"
)

// ErrNoDatabase is returned where a database is needed and there is none yet.
var ErrNoDatabase = errors.New("there is no database yet")

// errReading is what a write to a store gets that was opened by [OpenReading].
var errReading = errors.New("the database was opened for reading only")

const selectSchemaVersion = "SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied = 1"

// OpenReading opens a database that another process may be working with. It creates,
// migrates and locks nothing, and whatever would write fails. The error may be an
// [ErrNoDatabase], [ErrSchema] or [ErrKeys].
func OpenReading(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Keys == nil || cfg.Now == nil || cfg.Logger == nil {
		return nil, errors.New("store: Keys, Now and Logger are required")
	}
	path, err := existing(cfg.URL)
	if err != nil {
		return nil, err
	}
	db, err := openSQLite(path, reading)
	if err != nil {
		return nil, err
	}
	s := &Store{readers: newReader(db), keys: cfg.Keys, app: cfg.App, now: cfg.Now, logger: cfg.Logger}
	if err := s.fits(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), s.Close())
	}
	return s, nil
}

// fits checks schema and keys as [Open] does, without writing.
func (s *Store) fits(ctx context.Context) error {
	want, err := newestMigration()
	if err != nil {
		return err
	}
	var have int64
	if err := s.readers.row(ctx, selectSchemaVersion, nil, &have); err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	switch {
	case have > want:
		return fmt.Errorf("%w: it is at %d and this program knows %d only; use the newer program", ErrSchema, have, want)
	case have < want:
		return fmt.Errorf("%w: it is at %d and this program needs %d; run kitbridge migrate", ErrSchema, have, want)
	}
	known, err := collect(ctx, s.readers, scanText, selectRingKeys)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	for _, print := range known {
		if !slices.Contains(s.keys.Fingerprints(), print) {
			return fmt.Errorf("%w: it was sealed with key %s, which the key file lacks", ErrKeys, print)
		}
	}
	return nil
}

// SchemaVersions says at which version the schema of a database is, 0 if there is no
// database, and which one this program needs. It changes nothing.
func SchemaVersions(ctx context.Context, databaseURL string) (have, want int64, err error) {
	if want, err = newestMigration(); err != nil {
		return 0, 0, err
	}
	path, err := existing(databaseURL)
	if errors.Is(err, ErrNoDatabase) {
		return 0, want, nil
	}
	if err != nil {
		return 0, 0, err
	}
	db, err := openSQLite(path, reading)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var table string
	err = db.QueryRowContext(ctx, "SELECT name FROM sqlite_schema WHERE name = 'goose_db_version'").Scan(&table)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, want, nil
	}
	if err == nil {
		err = db.QueryRowContext(ctx, selectSchemaVersion).Scan(&have)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("database %s: read schema version: %w", path, err)
	}
	return have, want, nil
}

// existing is the path of a database that is there, or an [ErrNoDatabase].
func existing(databaseURL string) (string, error) {
	path, err := sqlitePath(databaseURL)
	if err != nil {
		return "", err
	}
	fresh, err := IsNew(databaseURL)
	switch {
	case err != nil:
		return "", err
	case fresh:
		return "", fmt.Errorf("database %s: %w; kitbridge serve makes it", path, ErrNoDatabase)
	}
	return path, nil
}

// newestMigration is the schema version that this program needs.
func newestMigration() (int64, error) {
	names, err := fs.Glob(migrations, "migration/sqlite/*.sql")
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
