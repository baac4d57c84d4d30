package sqlsink

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	dialTimeout  = 5 * time.Second
	queryTimeout = 30 * time.Second // one transaction of at most batch keys
	// A server that ends idle connections does so later.
	connectionLife = 3 * time.Minute
	connections    = 4
	// idleConnections is what database/sql keeps unasked.
	idleConnections = 2
)

// connect prepares a pool for the address and dials nobody. Errors never quote the
// address. MySQL and MariaDB share an address form; which it is shows later.
func connect(address string) (*sql.DB, Dialect, error) {
	if file, ok := strings.CutPrefix(address, "sqlite:"); ok {
		db, err := connectSQLite(file)
		return db, SQLite, err
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, "", fmt.Errorf("url: cannot be read; write special characters of user and password as %%XX: %w", orgsync.ErrInvalid)
	}
	var db *sql.DB
	var d Dialect
	switch u.Scheme {
	case "mysql":
		d = MySQL
		db, err = connectMySQL(u)
	case "postgres", "postgresql":
		d = PostgreSQL
		db, err = connectPostgreSQL(address)
	default:
		err = errors.New("must begin with mysql://, postgres:// or sqlite: to be used")
	}
	if err != nil {
		return nil, "", fmt.Errorf("url: %w: %w", err, orgsync.ErrInvalid)
	}
	db.SetConnMaxLifetime(connectionLife)
	db.SetMaxOpenConns(connections)
	return db, d, nil
}

func connectSQLite(file string) (*sql.DB, error) {
	if file == "" {
		return nil, fmt.Errorf("url: sqlite: names no file: %w", orgsync.ErrInvalid)
	}
	q := url.Values{
		"mode":    {"rw"},        // only makeFile makes it
		"_txlock": {"immediate"}, // the lock on kit_meta
		// The product's foreign keys hold for us too.
		"_pragma": {"busy_timeout(5000)", "foreign_keys(1)"},
	}
	dsn := "file:" + (&url.URL{Path: file}).EscapedPath() + "?" + q.Encode()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("url: the file cannot be used: %w", orgsync.ErrInvalid)
	}
	db.SetMaxOpenConns(connections)
	return db, nil
}

func connectMySQL(u *url.URL) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.Net = "tcp"
	port := u.Port()
	if port == "" {
		port = "3306"
	}
	cfg.Addr = net.JoinHostPort(u.Hostname(), port)
	cfg.DBName = strings.TrimPrefix(u.Path, "/")
	if u.Hostname() == "" || cfg.DBName == "" {
		return nil, errors.New("names no host or no database")
	}
	for name, values := range u.Query() {
		if name != "tls" || len(values) != 1 {
			return nil, fmt.Errorf("has the parameter %q; only tls is known, once", name)
		}
		cfg.TLSConfig = values[0]
	}
	cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = dialTimeout, queryTimeout, queryTimeout
	cfg.Logger = &mysql.NopLogger{}
	cfg.Collation = "utf8mb4_bin" // known to both; the columns have their own
	cfg.Params = map[string]string{
		// Strict: what does not fit is refused, not cut.
		"sql_mode":                 "'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
		"time_zone":                "'+00:00'",
		"innodb_lock_wait_timeout": "10", // seconds; whoever waits longer tries again later
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, errors.New("has a tls mode that is not known; use tls=true")
	}
	return sql.OpenDB(connector), nil
}

func connectPostgreSQL(address string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		// Not err: it may quote the address.
		return nil, errors.New("is not understood; write postgres://user:password@host:5432/database")
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = dialTimeout
	}
	cfg.RuntimeParams["timezone"] = "UTC"
	return stdlib.OpenDB(*cfg), nil
}
