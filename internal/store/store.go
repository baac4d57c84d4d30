package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

// Keys seals what must not be read by whoever has the database only. It is safe for
// concurrent use.
type Keys interface {
	// Seal encrypts plain and binds it to aad.
	Seal(plain, aad []byte) []byte
	// Open is its inverse.
	Open(sealed, aad []byte) ([]byte, error)
	// Fingerprints names the keys.
	Fingerprints() []string
}

// Config says which database to open and how.
type Config struct {
	// URL is "sqlite:" and a path. Required.
	URL string
	// Migrate allows Open to bring an older schema up to date. Without it an older
	// schema is an ErrSchema.
	Migrate bool
	// Keys seals secrets. Required.
	Keys Keys
	// App is the application that people sign in to (sso.app_id). Empty means the
	// tenant's only one.
	App sso.AppID
	// Now is the clock. Required.
	Now func() time.Time
	// Logger receives what Run does. Required.
	Logger *slog.Logger
}

// Kinds of errors of Open.
var (
	// ErrSchema: the database's schema is older or newer than this program's.
	ErrSchema = errors.New("schema does not fit")
	// ErrKeys: the database was sealed with a key that the ring lacks.
	ErrKeys = errors.New("key missing")
)

// Store is an open database. It is safe for concurrent use.
type Store struct {
	writer  *writer
	readers *reader
	upkeep  *sql.DB
	keys    Keys
	app     sso.AppID
	now     func() time.Time
	logger  *slog.Logger
}

var (
	_ orgsync.Store   = (*Store)(nil)
	_ orgsync.Lanes   = (*Store)(nil)
	_ sso.Tenants     = (*Store)(nil)
	_ sso.Credentials = (*Store)(nil)
	_ sso.Accounts    = (*Store)(nil)
	_ sso.Sessions    = (*Store)(nil)
)

// Open opens the database, creates it if there is none, and checks that its schema and
// its keys fit. The error may be an ErrSchema or an ErrKeys.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Keys == nil || cfg.Now == nil || cfg.Logger == nil {
		return nil, errors.New("store: Keys, Now and Logger are required")
	}
	path, err := sqlitePath(cfg.URL)
	if err != nil {
		return nil, err
	}
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	if err := migrateSQLite(ctx, path, cfg.Migrate); err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	s := &Store{keys: cfg.Keys, app: cfg.App, now: cfg.Now, logger: cfg.Logger}
	if err := s.connect(ctx, path); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), s.Close())
	}
	if err := s.checkKeys(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), s.Close())
	}
	return s, nil
}

func (s *Store) connect(ctx context.Context, path string) error {
	db, err := openSQLite(path, writing)
	if err != nil {
		return err
	}
	if s.writer, err = newWriter(ctx, db); err != nil {
		return err
	}
	if db, err = openSQLite(path, reading); err != nil {
		return err
	}
	s.readers = newReader(db)
	s.upkeep, err = openSQLite(path, upkeeping)
	return err
}

// Close waits for the transaction that is under way and closes the database. Later calls
// fail; closing it again does nothing.
func (s *Store) Close() error {
	var errs []error
	if s.upkeep != nil {
		errs = append(errs, s.upkeep.Close())
	}
	if s.readers != nil {
		errs = append(errs, s.readers.close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	return errors.Join(errs...)
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.readers.row(ctx, "SELECT 1", nil, &one)
}
