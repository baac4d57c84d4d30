package store

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// role is what a connection to SQLite is for.
type role int

const (
	writing role = iota
	reading
	upkeeping
)

const (
	readerConnections = 8
	// readerIdle is how long a connection that nobody needs is kept.
	readerIdle = 15 * time.Second
	// busyMillis is how long one process waits for another's transaction.
	busyMillis = 10_000
	// autoCheckpointPages is how much (in pages of 4 KiB) may gather in the log before
	// a commit itself pays for moving it into the file. Run does that much earlier,
	// on nobody's clock.
	autoCheckpointPages = 16_384
	// logLimit is the size in bytes to which the log is cut back.
	logLimit = 16 << 20
)

// sqlitePath takes "sqlite:kitbridge.db", "sqlite:/var/lib/kitbridge.db" or
// "sqlite:///var/lib/kitbridge.db" apart.
func sqlitePath(text string) (string, error) {
	path, ok := strings.CutPrefix(text, "sqlite:")
	if !ok {
		scheme, _, _ := strings.Cut(text, ":")
		return "", fmt.Errorf("database: %s: is not supported, want sqlite:PATH or postgres://…", scheme)
	}
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		path = rest
	}
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return "", fmt.Errorf("database: %q names no file", text)
	}
	return filepath.Abs(path)
}

// createPrivate makes the file before SQLite does: it holds personal data, and the log
// beside it inherits its mode.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600) //nolint:gosec // the operator's own choice of file
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return f.Close()
}

func openSQLite(path string, r role) (*sql.DB, error) {
	pragmas := []string{
		"busy_timeout(" + strconv.Itoa(busyMillis) + ")",
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"foreign_keys(1)",
		"journal_size_limit(" + strconv.Itoa(logLimit) + ")",
		"temp_store(MEMORY)",
	}
	connections := 1
	switch r {
	case writing:
		pragmas = append(pragmas, "wal_autocheckpoint("+strconv.Itoa(autoCheckpointPages)+")", "cache_size(-16384)")
	case reading:
		pragmas = append(pragmas, "query_only(1)", "cache_size(-2048)")
		connections = readerConnections
	case upkeeping:
	}
	dsn := url.URL{
		Scheme: "file", OmitHost: true, Path: path,
		RawQuery: url.Values{"_pragma": pragmas, "_txlock": {"immediate"}, "_dqs": {"0"}}.Encode(),
	}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	if r == reading {
		db.SetConnMaxIdleTime(readerIdle) // each keeps pages in memory
	}
	return db, nil
}
