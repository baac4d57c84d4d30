package sqlsink

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Config says which database is kept equal to the state, and for whom. All fields
// without a default are required.
type Config struct {
	// Name is the sink's name.
	Name string
	// URL is mysql://user:password@host:3306/database (with ?tls=true for TLS),
	// postgres://user:password@host:5432/database or sqlite:path. It holds a password
	// and never reaches a log or an error.
	URL string
	// Prefix begins the tables' names. Default kit_.
	Prefix string
	// Verify: the tables are only checked, never made. Then rights to SELECT, INSERT,
	// UPDATE and DELETE suffice.
	Verify bool
	// Tenants are the buyers whose people the database may hold: tenantIds, codes, or
	// "*" for all. None means nobody.
	Tenants []string
	// PurgeAfter is how long the row of a removed user is kept. Zero: until the next
	// purge.
	PurgeAfter time.Duration
	// FeedAfter is how long a row of the feed is kept. Zero: for good.
	FeedAfter time.Duration
	// Register says whether the tables, which remember whose they are, may be written.
	Register orgsync.Registrar
	// Now is the clock of updated_at and of the feed.
	Now func() time.Time
	// Logger is told when tables are made.
	Logger *slog.Logger
}

// Sink is an [orgsync.Sink] that keeps tables in a database. It is safe for concurrent
// use. [Sink.Close] ends it.
type Sink struct {
	cfg     Config
	db      *sql.DB
	dialect Dialect // MySQL may turn out to be MariaDB
	file    string  // of SQLite, else empty

	mu sync.Mutex
	// checked is the schema once the tables were found to be in order, else nil.
	// Guarded by mu, which is also held while they are looked at.
	checked *schema
}

// attempts is how often a transaction is tried that others stand in the way of.
const attempts = 3

// New checks the configuration. It dials nobody: the database is looked at when it is
// first needed, and again after it turned out to be different from what it was.
func New(cfg Config) (*Sink, error) {
	cfg.Prefix = cmp.Or(cfg.Prefix, "kit_")
	switch {
	case cfg.Name == "" || cfg.Register == nil || cfg.Now == nil || cfg.Logger == nil:
		return nil, fmt.Errorf("sql sink: Name, Register, Now and Logger are required: %w", orgsync.ErrInvalid)
	case cfg.PurgeAfter < 0:
		return nil, fmt.Errorf("sql sink %s: PurgeAfter is negative: %w", cfg.Name, orgsync.ErrInvalid)
	}
	if _, err := newSchema(SQLite, cfg.Prefix); err != nil {
		return nil, fmt.Errorf("sql sink %s: prefix: %w", cfg.Name, err)
	}
	db, d, err := connect(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("sql sink %s: %w", cfg.Name, err)
	}
	s := &Sink{db: db, dialect: d}
	if d == SQLite {
		s.file = strings.TrimPrefix(cfg.URL, "sqlite:")
	}
	cfg.URL = "" // its password is not needed again
	s.cfg = cfg
	return s, nil
}

// Name returns the sink's name.
func (s *Sink) Name() string { return s.cfg.Name }

// Close ends the connections. Work in progress fails.
func (s *Sink) Close() error { return s.db.Close() }

// Converge makes the rows of the keys equal to the view, and tells the feed. Keys that
// need nothing cost no lock and no write. Each transaction holds at most 500 keys; a
// row that the database refuses is an ErrRejected for its key alone. An error, always
// an ErrUnavailable unless the view failed, says that the keys without a result are
// still owed. What the sink holds of a tenant that it may not hold (any more) is treated as
// if that tenant had ended; of one of whom it holds nothing all keys are done.
func (s *Sink) Converge(ctx context.Context, view orgsync.View, keys []orgsync.Key) ([]orgsync.Result, error) {
	keys = unique(keys)
	tenant, err := view.Tenant(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the tenant's state: %w", err)
	}
	if !tenant.Announced {
		return done(keys), nil
	}
	if !s.holds(tenant) {
		if there, err := s.hasRows(ctx, tenant.ID); err != nil {
			return nil, fmt.Errorf("sql sink %s: %w", s.cfg.Name, err)
		} else if !there {
			return done(keys), nil
		}
	}
	sc, err := s.schema(ctx)
	if err != nil {
		return nil, fmt.Errorf("sql sink %s: %w", s.cfg.Name, err)
	}
	w := &work{sink: s, schema: sc, view: view}
	err = w.run(ctx, keys)
	if f, ok := errors.AsType[*fault](err); ok && f.stale {
		s.forget()
	}
	if err != nil {
		err = fmt.Errorf("sql sink %s: %w", s.cfg.Name, err)
	}
	return w.results, err
}

// holds says whether the tenant may be in this database. Nothing is there of a tenant
// that was never announced; of one that was purged nothing is to be.
func (s *Sink) holds(t orgsync.Tenant) bool {
	return t.Announced && slices.ContainsFunc(s.cfg.Tenants, func(name string) bool {
		return name == "*" || name == string(t.ID) || name == t.Code && t.Code != ""
	})
}

// hasRows says whether there are rows of the tenant. For a tenant that the sink may not hold
// no tables are made.
func (s *Sink) hasRows(ctx context.Context, tenant orgsync.TenantID) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	s.mu.Lock()
	known := s.checked != nil
	s.mu.Unlock()
	if !known {
		if s.isMissing() && !s.cfg.Verify {
			return false, nil
		}
		sc, err := s.identify(ctx)
		if err != nil {
			return false, err
		}
		if _, empty, err := sc.inspect(ctx, s.db); err != nil || empty {
			return false, err
		}
	}
	sc, err := s.schema(ctx)
	if err != nil {
		return false, err
	}
	there, err := s.hasAnyRow(ctx, sc, tenant)
	if f, ok := errors.AsType[*fault](err); ok && f.stale {
		s.forget()
	}
	return there, err
}

func (s *Sink) hasAnyRow(ctx context.Context, sc schema, tenant orgsync.TenantID) (bool, error) {
	rows, err := list[oneText](ctx, s.db, sc.anyRow(), []any{string(tenant), string(tenant)})
	return len(rows) > 0, err
}

// anyRow finds something of a tenant.
func (s schema) anyRow() string {
	id := s.quoted("tenant_id")
	return s.bind(fmt.Sprintf("SELECT %[1]s FROM %[2]s WHERE %[1]s = ? UNION ALL SELECT %[1]s FROM %[3]s WHERE %[1]s = ? LIMIT 1",
		id, s.name(tenantTable), s.name(userTable)))
}

// schema returns how to speak to the tables, which it looks at unless that was done.
func (s *Sink) schema(ctx context.Context) (schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.checked != nil {
		return *s.checked, nil
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	sc, err := s.prepare(ctx)
	if err != nil {
		return schema{}, err
	}
	s.checked = &sc
	return sc, nil
}

// forget makes the sink look at the database anew, through new connections: one of MySQL
// and MariaDB keeps the rights with which it began.
func (s *Sink) forget() {
	s.db.SetMaxIdleConns(0)
	s.db.SetMaxIdleConns(idleConnections)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checked = nil
}

func unique(keys []orgsync.Key) []orgsync.Key {
	seen := make(map[orgsync.Key]bool, len(keys))
	out := make([]orgsync.Key, 0, len(keys))
	for _, k := range keys {
		if !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}

func done(keys []orgsync.Key) []orgsync.Result {
	out := make([]orgsync.Result, len(keys))
	for n, k := range keys {
		out[n].Key = k
	}
	return out
}
