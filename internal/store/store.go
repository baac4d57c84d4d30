package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
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
	// URL is "sqlite:" and a path, or "postgres://" and the rest of a connection URI
	// (PostgreSQL documentation, section 34.1.1.2). Required.
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
	writer  transactor
	readers querier
	lines   lines
	upkeep  *sql.DB         // of SQLite only
	commits <-chan struct{} // of SQLite only
	rest    func(context.Context) error
	parts   []func() error // what Close closes, in this order
	keys    Keys
	app     sso.AppID
	now     func() time.Time
	logger  *slog.Logger

	stopped standstills
	folder  string // of SQLite's files, else ""
	// begun: this process has begun an era.
	begun atomic.Bool
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
// its keys fit. A PostgreSQL database must be there, but may be empty. The error may be an
// ErrSchema, an ErrKeys or an orgsync.ErrUnavailable.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	s, err := newStore(cfg)
	if err != nil {
		return nil, err
	}
	a, err := parseAddress(cfg.URL)
	if err != nil {
		return nil, err
	}
	if err := s.open(ctx, a, cfg.Migrate); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", a.name, err), s.Close())
	}
	return s, nil
}

func newStore(cfg Config) (*Store, error) {
	if cfg.Keys == nil || cfg.Now == nil || cfg.Logger == nil {
		return nil, errors.New("store: Keys, Now and Logger are required")
	}
	return &Store{
		lines: lines{open: map[orgsync.Scope]*line{}},
		keys:  cfg.Keys, app: cfg.App, now: cfg.Now, logger: cfg.Logger,
		rest: func(context.Context) error { return nil },
	}, nil
}

func (s *Store) open(ctx context.Context, a address, mayMigrate bool) error {
	connect, migrate := s.connectSQLite, migrateSQLite
	if a.server != nil {
		connect, migrate = s.connectPostgres, s.migratePostgres
	}
	if err := migrate(ctx, a, mayMigrate); err != nil {
		return err
	}
	if err := connect(ctx, a); err != nil {
		return err
	}
	if err := s.learnKeys(ctx, s.keys); err != nil {
		return err
	}
	return s.noticeBackup(ctx)
}

func (s *Store) connectSQLite(ctx context.Context, a address) error {
	db, err := openSQLite(a.path, writing)
	if err != nil {
		return err
	}
	w, err := newWriter(ctx, db)
	if err != nil {
		return err
	}
	s.writer, s.parts, s.folder = watched{w, s}, append(s.parts, w.close), filepath.Dir(a.path)
	s.commits, s.rest = w.commits, w.rest
	if err := s.readSQLite(a); err != nil {
		return err
	}
	if s.upkeep, err = openSQLite(a.path, upkeeping); err != nil {
		return err
	}
	s.parts = append([]func() error{s.upkeep.Close}, s.parts...)
	return nil
}

// readSQLite opens what reads. It is closed before what writes, which moves the log into
// the file.
func (s *Store) readSQLite(a address) error {
	db, err := openSQLite(a.path, reading)
	if err != nil {
		return err
	}
	r := newReader(db)
	s.readers, s.parts = r, append([]func() error{r.close}, s.parts...)
	return nil
}

func (s *Store) connectPostgres(_ context.Context, a address) error {
	w := openPostgres(a.server, writingConnections)
	s.writer, s.parts = watched{w, s}, append(s.parts, w.close)
	s.readPostgres(a)
	return nil
}

func (s *Store) readPostgres(a address) {
	r := openPostgres(a.server, readingConnections)
	s.readers, s.parts = r, append(s.parts, r.close)
}

// Close waits for the transaction that is under way and closes the database. Later calls
// fail; closing it again does nothing.
func (s *Store) Close() error {
	errs := make([]error, 0, len(s.parts))
	for _, closePart := range s.parts {
		errs = append(errs, closePart())
	}
	return errors.Join(errs...)
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	_, err := collect(ctx, s.readers, scanNumber, "SELECT 1")
	return err
}
