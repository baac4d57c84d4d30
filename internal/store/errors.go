package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/kitbridge/kitbridge/orgsync"
)

// unavailable makes the error of a server that does not answer an
// orgsync.ErrUnavailable, and leaves all others as they are.
func unavailable(err error) error {
	if err == nil || !isLost(err) || errors.Is(err, orgsync.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", orgsync.ErrUnavailable, err)
}

// isLost says whether the server, or the way to it, is the reason.
func isLost(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return isServerState(e.Code)
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return isFileState(e.Code())
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return !errors.Is(err, context.Canceled)
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err)
}

// isServerState says whether a SQLSTATE speaks of the server and not of the statement
// (PostgreSQL documentation, appendix A): lost connections (class 08), lack of resources
// (53), a shutdown or a start (57P01 to 57P03), a standby after a fail-over (25006), a
// transaction that idled too long (25P03).
func isServerState(code string) bool {
	switch code {
	case "57P01", "57P02", "57P03", "57P05", "25006", "25P03":
		return true
	}
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53")
}

// The primary result codes that speak of a file and not of the statement (SQLite, Result
// and Error Codes).
const (
	sqliteBusy     = 5
	sqliteLocked   = 6
	sqliteReadOnly = 8
	sqliteIOErr    = 10
	sqliteFull     = 13
	sqliteCantOpen = 14
)

// isFileState says whether a result code of SQLite speaks of the file, the disk or another
// process, so that the same may succeed later.
func isFileState(code int) bool {
	switch code & 0xff {
	case sqliteBusy, sqliteLocked, sqliteReadOnly, sqliteIOErr, sqliteFull, sqliteCantOpen:
		return true
	}
	return false
}

// isConflict says whether a transaction that runs again may succeed: a serialization
// failure or a deadlock.
func isConflict(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01")
}
