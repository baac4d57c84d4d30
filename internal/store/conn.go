package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// querier is what reads: a transaction, or a pool whose every statement sees the last
// commit before it began.
type querier interface {
	query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// conn runs the statements of a transaction, each prepared once. Exec and query texts
// are constants, so the cache is as large as the program is.
type conn interface {
	querier
	exec(ctx context.Context, query string, args ...any) (int64, error)
	// insert inserts rows whose values stand one after the other. Of two with one key
	// the later one stays. after are the parameters of the tail.
	insert(ctx context.Context, i insertion, values []any, after ...any) error
}

// transactor runs functions in transactions. fn may be run more than once. Once a
// transaction has begun the caller's going away does not undo it.
type transactor interface {
	inTx(ctx context.Context, d durability, fn func(ctx context.Context, c conn) error) error
}

var errClosed = errors.New("the database is closed")

// writer is the one connection to SQLite that writes, so that transactions of this process wait
// in Go and not in the database's busy loop.
type writer struct {
	db    *sql.DB
	token chan struct{} // holds one token; who has it owns the rest
	// yields holds one token too. A soft transaction takes it first, so that of those that
	// nobody waits for at most one stands before one that the marketplace waits for.
	yields chan struct{}
	// commits holds a token after a commit, until somebody has taken notice.
	commits chan struct{}
	over    chan struct{} // closed when the writer is
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	soft    bool // the connection is set not to wait for the disk
	rests   int  // rounds of upkeep since the last transaction
}

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	w := &writer{db: db, token: make(chan struct{}, 1), yields: make(chan struct{}, 1), commits: make(chan struct{}, 1), over: make(chan struct{}), conn: c, stmts: map[string]*sql.Stmt{}}
	w.token <- struct{}{}
	w.yields <- struct{}{}
	return w, nil
}

func (w *writer) close() error {
	select {
	case <-w.over:
		return nil // closed before
	case <-w.token: // for good
	}
	close(w.over)
	errs := make([]error, 0, len(w.stmts)+2)
	for _, stmt := range w.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
}

// durable transactions are on the disk when they return. soft ones survive a crash of
// the process, but a power loss may take back the last of them; PostgreSQL makes them
// durable too.
type durability bool

const (
	durable durability = true
	soft    durability = false
)

// inTx implements [transactor].
func (w *writer) inTx(ctx context.Context, d durability, fn func(ctx context.Context, c conn) error) error {
	return unavailable(w.try(ctx, d, fn))
}

func (w *writer) try(ctx context.Context, d durability, fn func(ctx context.Context, c conn) error) (err error) {
	leave, err := w.enter(ctx, d)
	if err != nil {
		return err
	}
	defer leave()
	w.rests = 0
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if err := w.setDurability(ctx, d); err != nil {
		return err
	}
	if _, err := w.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	committed := false
	defer func() {
		if committed {
			return
		}
		// An error, or a panic of fn: nothing of it stays.
		if _, failed := w.exec(ctx, "ROLLBACK"); failed != nil && err != nil {
			err = errors.Join(err, fmt.Errorf("roll back: %w", failed))
		}
	}()
	if err := fn(ctx, w); err != nil {
		return err
	}
	if _, err := w.exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	committed = true
	select {
	case w.commits <- struct{}{}:
	default:
	}
	return nil
}

// rest gives the memory of the connection's pages back when there was no transaction for
// some rounds of upkeep. It waits for nobody.
func (w *writer) rest(ctx context.Context) error {
	select {
	case <-w.token:
	default:
		return nil // it is at work, or closed
	}
	defer func() { w.token <- struct{}{} }()
	w.rests++
	if w.rests != restAfter {
		return nil
	}
	if _, err := w.conn.ExecContext(ctx, "PRAGMA shrink_memory"); err != nil {
		return fmt.Errorf("give memory back: %w", err)
	}
	return nil
}

// enter waits until the connection is the caller's.
func (w *writer) enter(ctx context.Context, d durability) (leave func(), err error) {
	yield := func() {}
	if d == soft {
		if err := w.take(ctx, w.yields); err != nil {
			return nil, err
		}
		yield = func() { w.yields <- struct{}{} }
	}
	if err := w.take(ctx, w.token); err != nil {
		yield()
		return nil, err
	}
	return func() {
		w.token <- struct{}{} // who waits for it has it now, before the next soft one asks
		yield()
	}, nil
}

func (w *writer) take(ctx context.Context, token chan struct{}) error {
	select {
	case <-token:
		return nil
	case <-w.over:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) setDurability(ctx context.Context, d durability) error {
	if w.soft == (d == soft) {
		return nil
	}
	query := "PRAGMA synchronous = FULL"
	if d == soft {
		query = "PRAGMA synchronous = NORMAL"
	}
	if _, err := w.conn.ExecContext(ctx, query); err != nil {
		return fmt.Errorf("set durability: %w", err)
	}
	w.soft = d == soft
	return nil
}

func (w *writer) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := w.stmts[query]; ok {
		return s, nil
	}
	s, err := w.conn.PrepareContext(ctx, sqliteText(query))
	if err != nil {
		return nil, err
	}
	w.stmts[query] = s
	return s, nil
}

func (w *writer) exec(ctx context.Context, query string, args ...any) (int64, error) {
	s, err := w.stmt(ctx, query) //nolint:sqlclosecheck // kept until close
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (w *writer) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := w.stmt(ctx, query) //nolint:sqlclosecheck // kept until close
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (w *writer) insert(ctx context.Context, i insertion, values []any, after ...any) error {
	return insertInChunks(ctx, w, i, values, after)
}

// reader is the pool of SQLite that reads.
type reader struct {
	db *sql.DB
	mu sync.RWMutex
	// stmts stands under mu.
	stmts map[string]*sql.Stmt
}

func newReader(db *sql.DB) *reader { return &reader{db: db, stmts: map[string]*sql.Stmt{}} }

func (r *reader) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	errs := make([]error, 0, len(r.stmts)+1)
	for _, stmt := range r.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, r.db.Close())...)
}

func (r *reader) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	r.mu.RLock()
	s, ok := r.stmts[query]
	r.mu.RUnlock()
	if ok {
		return s, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.stmts[query]; ok {
		return s, nil
	}
	// Not the caller's context: the statement outlives the call.
	s, err := r.db.PrepareContext(context.WithoutCancel(ctx), sqliteText(query)) //nolint:sqlclosecheck // kept until close
	if err != nil {
		return nil, err
	}
	r.stmts[query] = s
	return s, nil
}

func (r *reader) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := r.stmt(ctx, query) //nolint:sqlclosecheck // kept until close
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// bounder is a querier whose answers may stay away.
type bounder interface {
	// bound gives ctx a deadline if it has none.
	bound(ctx context.Context) (context.Context, context.CancelFunc)
}

// collect runs a query and scans its rows.
func collect[T any](ctx context.Context, q querier, scan func(*sql.Rows) (T, error), query string, args ...any) (_ []T, err error) {
	if b, ok := q.(bounder); ok {
		var cancel context.CancelFunc
		ctx, cancel = b.bound(ctx)
		defer cancel()
	}
	rows, err := q.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var found []T
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, item)
	}
	return found, unavailable(rows.Err())
}
