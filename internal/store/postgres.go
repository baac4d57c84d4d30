package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// Connections of one process: to write, and apart from them to read, so that those
	// who wait for a tenant keep no decision waiting.
	writingConnections = 8
	readingConnections = 8
	// connectTimeout bounds the attempt to reach one server.
	connectTimeout = 5 * time.Second
	// txTimeout bounds one attempt at a transaction, waiting for the tenant included.
	txTimeout = 30 * time.Second
	// readTimeout bounds a query of who set no deadline.
	readTimeout = 15 * time.Second
	// idleTransaction is after how long the server gives up a transaction whose process
	// fell silent, and with it the tenant that it holds.
	idleTransaction = "30s"
	// maxIdleTime is how long an unused connection is kept.
	maxIdleTime = 5 * time.Minute
	// attempts is how often a transaction is tried that the server refused because of
	// another one.
	attempts = 8
)

// postgresConfig takes a URL apart. Its error does not quote the URL, which holds a
// password.
func postgresConfig(databaseURL string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, errors.New("database: is no readable address of PostgreSQL, or names a file that cannot be read")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	// A server that vanished without a word is noticed in half a minute.
	config.DialFunc = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3,
	}}).DialContext
	if config.ValidateConnect == nil {
		// Decisions are made on the primary, never on what has not arrived yet.
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	return config, nil
}

// openPostgres opens a pool. It does not connect yet.
func openPostgres(config *pgx.ConnConfig, connections int) *pool {
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, "SET idle_in_transaction_session_timeout = '"+idleTransaction+"'")
		return err
	}))
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxIdleTime(maxIdleTime)
	return &pool{db: db, texts: map[string]string{}}
}

// pool is connections to PostgreSQL. The driver prepares each statement once on each
// connection.
type pool struct {
	db *sql.DB
	mu sync.RWMutex
	// texts are the statements as PostgreSQL has them. It stands under mu.
	texts map[string]string
}

func (p *pool) close() error { return p.db.Close() }

func (p *pool) text(query string) string {
	p.mu.RLock()
	text, ok := p.texts[query]
	p.mu.RUnlock()
	if !ok {
		text = postgresText(query)
		p.mu.Lock()
		p.texts[query] = text
		p.mu.Unlock()
	}
	return text
}

// bound implements [bounder]. A server that took a question and never answers, or a way to
// it that forgot the connection, must not hold anybody for ever.
func (p *pool) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, readTimeout)
}

// query implements [querier]. A connection that was lost since its last use is replaced:
// reading twice harms nobody.
func (p *pool) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	converted, err := postgresArgs(args)
	if err != nil {
		return nil, err
	}
	text := p.text(query)
	rows, err := p.db.QueryContext(ctx, text, converted...)
	if err != nil && isLost(err) && ctx.Err() == nil {
		rows, err = p.db.QueryContext(ctx, text, converted...)
	}
	return rows, unavailable(err)
}

// inTx implements [transactor]. Every transaction is durable. One that the server refused
// because of another is run again.
func (p *pool) inTx(ctx context.Context, _ durability, fn func(ctx context.Context, c conn) error) error {
	for attempt := 1; ; attempt++ {
		began, err := p.try(ctx, fn)
		again := isConflict(err) || !began && isLost(err)
		if !again || attempt == attempts || !pause(ctx, attempt) {
			return unavailable(err)
		}
	}
}

// try runs a transaction once and says whether it began.
func (p *pool) try(ctx context.Context, fn func(ctx context.Context, c conn) error) (began bool, err error) {
	c, err := p.db.Conn(ctx)
	if err != nil {
		return false, fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = c.Close() }() // back into the pool
	if err := ctx.Err(); err != nil {
		return false, err
	}
	ctx, cancel := outlive(ctx, txTimeout)
	defer cancel()
	tx, err := c.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return false, fmt.Errorf("begin: %w", err)
	}
	committed := false
	defer func() {
		if !committed { // an error, or a panic of fn: nothing of it stays
			_ = tx.Rollback()
		}
	}()
	if err := fn(ctx, &postgresTx{tx, p}); err != nil {
		return true, err
	}
	if err := tx.Commit(); err != nil {
		return true, fmt.Errorf("commit: %w", err)
	}
	committed = true
	return true, nil
}

// outlive is a context that goes on when the caller's is cancelled, but not beyond its
// deadline: whoever gave one has to answer somebody by then.
func outlive(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	lasting, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	deadline, ok := ctx.Deadline()
	if !ok {
		return lasting, cancel
	}
	lasting, cancelEarlier := context.WithDeadline(lasting, deadline)
	return lasting, func() { cancelEarlier(); cancel() }
}

// pause waits longer from attempt to attempt, and says whether the caller still does.
func pause(ctx context.Context, attempt int) bool {
	most := 5 * time.Millisecond << attempt
	t := time.NewTimer(most/2 + rand.N(most/2)) //nolint:gosec // spreading attempts needs no secrecy
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// postgresTx is one transaction.
type postgresTx struct {
	tx   *sql.Tx
	pool *pool
}

func (t *postgresTx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	converted, err := postgresArgs(args)
	if err != nil {
		return 0, err
	}
	return t.run(ctx, query, converted)
}

func (t *postgresTx) run(ctx context.Context, query string, args []any) (int64, error) {
	r, err := t.tx.ExecContext(ctx, t.pool.text(query), args...)
	if err != nil {
		return 0, unavailable(err)
	}
	return r.RowsAffected()
}

func (t *postgresTx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	converted, err := postgresArgs(args)
	if err != nil {
		return nil, err
	}
	rows, err := t.tx.QueryContext(ctx, t.pool.text(query), converted...)
	return rows, unavailable(err)
}

func (t *postgresTx) insert(ctx context.Context, i insertion, values []any, after ...any) error {
	if len(values) == 0 {
		return nil
	}
	columns, err := i.arrayArgs(values)
	if err != nil {
		return err
	}
	rest, err := postgresArgs(after)
	if err != nil {
		return err
	}
	_, err = t.run(ctx, i.arrays(), append(columns, rest...))
	return err
}
