package sqlsink

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Every error of a driver is translated once, here. No text of a database is passed on
// unless it is known to quote no value: "Duplicate entry 'li@example.com' for key …"
// must not reach a log. Neither may the address with its password.

// refusal is a row that the database will not have as it is.
type refusal struct{ reason string }

func (r *refusal) Error() string        { return r.reason }
func (r *refusal) Is(target error) bool { return target == orgsync.ErrRejected }

// fault is a database that did not do its work.
type fault struct {
	reason string
	cause  error // never in the text, but errors.Is sees it; may be nil
	// again: the same transaction may succeed at once.
	again bool
	// stale: the tables are not what they were when they were checked.
	stale bool
}

func (f *fault) Error() string        { return f.reason }
func (f *fault) Is(target error) bool { return target == orgsync.ErrUnavailable }
func (f *fault) Unwrap() error        { return f.cause }

// translate makes a driver's error a refusal or a fault.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return translateMySQL(e)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return translatePostgreSQL(e)
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return translateSQLite(e)
	}
	return translateConnection(err)
}

func translateConnection(err error) error {
	f := &fault{reason: fmt.Sprintf("the database connection failed (%T)", err)}
	if errors.Is(err, context.Canceled) {
		return &fault{reason: "the work was stopped", cause: context.Canceled}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &fault{reason: "the database did not answer in time", cause: context.DeadlineExceeded}
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		f.reason = "the database's certificate is not trusted: " + e.Err.Error()
		return f
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		f.reason = "cannot reach the database: " + e.Error()
		return f
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		f.reason = "cannot reach the database: " + e.Error()
		return f
	}
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) {
		f.reason = "the connection to the database was lost"
	}
	return f
}

// translateMySQL sorts by SQLSTATE class where MySQL and MariaDB give a telling one, else
// by number (MySQL Server Error Reference; MariaDB Error Codes).
func translateMySQL(e *mysql.MySQLError) error {
	state := string(e.SQLState[:])
	code := fmt.Sprintf("error %d", e.Number)
	switch e.Number {
	case 1213, 1205: // deadlock, lock wait timeout
		return &fault{reason: "another transaction holds the tables (" + code + ")", again: true}
	case 1146, 1054, 1049: // no such table, column, database: no values in these texts
		return &fault{reason: e.Message + " (" + code + ")", stale: true}
	case 1044, 1045, 1142, 1143, 1227, 1370, 1698:
		return &fault{reason: e.Message + " (" + code + "); check user, password and GRANTs", stale: true}
	case 1290, 1792, 1836:
		return &fault{reason: "the database takes no writes now: it is read-only (" + code + ")"}
	case 1040, 1203, 1226:
		return &fault{reason: "the database has no free connection (" + code + "); raise max_connections"}
	case 1021, 1114:
		return &fault{reason: "the database's disk or table is full (" + code + "); make room"}
	case 1053, 1077, 1079, 1927:
		return &fault{reason: "the database is shutting down (" + code + ")"}
	case 3, 1004, 1005, 1026, 1030:
		// "Got error 28 …", "(Errcode: 28 "No space left on device")": a number of the
		// operating system, and names of files.
		if strings.Contains(e.Message, "error 28 ") || strings.Contains(e.Message, "rrno: 28 ") || strings.Contains(e.Message, "rrcode: 28 ") {
			return &fault{reason: "the database's disk is full (" + code + "); make room"}
		}
	case 1062:
		// The value comes first, the index last.
		_, index, _ := cutLast(e.Message, "for key ")
		return &refusal{"another row has the same value in the unique index " + index + " (" + code + ")"}
	case 1451:
		return &refusal{"a foreign key of another table holds the row (" + code + ")"}
	case 1366, 1364, 3819, 1265:
		return &refusal{"a column does not take the value (" + code + ")"}
	}
	switch {
	case strings.HasPrefix(state, "22"):
		return &refusal{"a column does not take the value (" + code + ")"}
	case strings.HasPrefix(state, "23"):
		return &refusal{"a constraint does not allow the row (" + code + ")"}
	case strings.HasPrefix(state, "45"):
		return &refusal{"a trigger does not allow the row (" + code + ")"}
	}
	return &fault{reason: "the database failed with " + code + " (SQLSTATE " + state + ")"}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if n := strings.LastIndex(s, sep); n >= 0 {
		return s[:n], s[n+len(sep):], true
	}
	return s, "", false
}

// translatePostgreSQL sorts by SQLSTATE (PostgreSQL documentation, appendix A).
func translatePostgreSQL(e *pgconn.PgError) error {
	code := " (SQLSTATE " + e.Code + ")"
	switch e.Code {
	case "40001", "40P01", "55P03":
		return &fault{reason: "another transaction holds the tables" + code, again: true}
	case "42P01", "42703", "3D000", "3F000":
		return &fault{reason: e.Message + code, stale: true}
	case "42501", "28P01", "28000":
		return &fault{reason: e.Message + code + "; check user, password and GRANTs", stale: true}
	case "25006":
		return &fault{reason: "the database takes no writes now: it is read-only" + code}
	case "53100":
		return &fault{reason: "the database's disk is full" + code + "; make room"}
	case "53300":
		return &fault{reason: "the database has no free connection" + code + "; raise max_connections, or the role's limit"}
	case "57P01", "57P02", "57P03":
		return &fault{reason: "the database is shutting down or starting" + code}
	case "23503":
		return &refusal{"the foreign key " + e.ConstraintName + " holds the row" + code}
	case "23505":
		return &refusal{"another row has the same value in the unique index " + e.ConstraintName + code}
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "22":
		return &refusal{"a column does not take the value" + code}
	case "23", "44":
		return &refusal{"the constraint " + e.ConstraintName + e.ColumnName + " does not allow the row" + code}
	case "P0":
		return &refusal{"a trigger does not allow the row" + code}
	}
	return &fault{reason: "the database failed" + code}
}

// translateSQLite sorts by result code (SQLite, Result and Error Codes).
func translateSQLite(e *sqlite.Error) error {
	const (
		generic, busy, locked, readOnly, full, cantOpen, tooBig, constraint, mismatch = 1, 5, 6, 8, 13, 14, 18, 19, 20
		foreignKey, trigger                                                           = 787, 1811
	)
	code := fmt.Sprintf(" (SQLite %d)", e.Code())
	switch e.Code() {
	case trigger:
		return &refusal{"a trigger does not allow the row" + code}
	case foreignKey:
		return &refusal{"a foreign key of another table holds the row" + code}
	}
	switch e.Code() & 0xff {
	case constraint:
		// The text names columns only: "UNIQUE constraint failed: kit_user.email".
		return &refusal{e.Error()}
	case tooBig, mismatch:
		return &refusal{"a column does not take the value" + code}
	case busy, locked:
		return &fault{reason: "another process holds the database" + code, again: true}
	case readOnly:
		return &fault{reason: "the database file is read-only" + code}
	case full:
		return &fault{reason: "the disk is full" + code}
	case cantOpen:
		return &fault{reason: "the database file cannot be opened; check that it exists and its mode" + code, stale: true}
	case generic: // "no such table: kit_user"
		return &fault{reason: e.Error(), stale: true}
	}
	return &fault{reason: "the database failed" + code}
}
