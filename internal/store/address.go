package store

import (
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
)

// address is a database URL taken apart.
type address struct {
	name   string          // for messages: it holds no password
	path   string          // of SQLite's file
	server *pgx.ConnConfig // of PostgreSQL; nil for SQLite
}

func parseAddress(databaseURL string) (address, error) {
	if scheme, _, _ := strings.Cut(databaseURL, "://"); scheme != "postgres" && scheme != "postgresql" {
		path, err := sqlitePath(databaseURL)
		return address{name: path, path: path}, err
	}
	config, err := postgresConfig(databaseURL)
	if err != nil {
		return address{}, err
	}
	return address{name: fmt.Sprintf("%s on %s", config.Database, config.Host), server: config}, nil
}

// IsNew says whether the database has yet to be created. What seals it may be created
// together with it, and only then: with another key an old one could not be read. A
// PostgreSQL database is never new: another process may be about to use it.
func IsNew(databaseURL string) (bool, error) {
	a, err := parseAddress(databaseURL)
	if err != nil || a.server != nil {
		return false, err
	}
	info, err := os.Stat(a.path)
	switch {
	case os.IsNotExist(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("database: %w", err)
	}
	return info.Size() == 0, nil
}
