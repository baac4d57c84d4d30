package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Kinds of errors of Backup and Restore.
var (
	// ErrNotSQLite: the database is on a PostgreSQL server, which has tools of its own.
	ErrNotSQLite = errors.New("the database is on a PostgreSQL server")
	// ErrServed: another process works with the database.
	ErrServed = errors.New("another process works with the database")
	// ErrNoBackup: the file holds no database of this program.
	ErrNoBackup = errors.New("no backup of kitbridge")
)

// Backup writes the database of that URL, as of one moment, to a new file that only its
// owner may read, while other processes work with it. Sessions are left out. The file
// knows that it is a backup: [Open] of it, wherever it was put, declares the database
// restored. It is whole and on the disk when Backup returns, else it is not there. A file
// of that name is never overwritten: then the error is an fs.ErrExist.
func Backup(ctx context.Context, databaseURL, file string, now time.Time) (err error) {
	a, err := existing(databaseURL)
	if err != nil {
		return err
	}
	if a.server != nil {
		return ErrNotSQLite
	}
	if _, err := os.Lstat(file); err == nil {
		return &os.PathError{Op: "backup", Path: file, Err: os.ErrExist}
	}
	part, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(part.Name())) }()
	if err := part.Close(); err != nil {
		return err
	}
	if err := copyInto(ctx, a.path, part.Name()); err != nil {
		return fmt.Errorf("copy database %s: %w", a.name, err)
	}
	if err := stamp(ctx, part.Name(), now); err != nil {
		return fmt.Errorf("finish the backup: %w", err)
	}
	if err := syncPath(part.Name()); err != nil {
		return err
	}
	// From here on the file is whole. A link, unlike a rename, replaces nothing.
	if err := os.Link(part.Name(), file); err != nil {
		return err
	}
	return syncPath(filepath.Dir(file))
}

// copyInto copies a database as one of its readers sees it (VACUUM INTO,
// https://sqlite.org/lang_vacuum.html): writers do not wait.
func copyInto(ctx context.Context, from, to string) error {
	db, err := openSQLite(from, upkeeping)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
	return errors.Join(err, db.Close())
}

// stamp makes the file know what it is.
func stamp(ctx context.Context, file string, now time.Time) error {
	db, err := openPlain(file)
	if err != nil {
		return err
	}
	for _, change := range []struct {
		query string
		args  []any
	}{{deleteSessions, nil}, {emptyDeposits, nil}, {"UPDATE bridge SET backup_at = ?", []any{now.UnixMilli()}}} {
		if err == nil {
			_, err = db.ExecContext(ctx, change.query, change.args...)
		}
	}
	return errors.Join(err, db.Close())
}

// openPlain opens a file as SQLite does by itself: one file, no log beside it. What is
// deleted is overwritten.
func openPlain(file string) (*sql.DB, error) {
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: file, RawQuery: url.Values{
		"mode": {"rw"}, "_pragma": {"secure_delete(1)", "synchronous(FULL)"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// syncPath waits until a file or folder is on the disk.
func syncPath(name string) error {
	f, err := os.Open(name) //nolint:gosec // a file of ours
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Restore puts a copy of file in the database's place, in the order:
//
//  1. Look whether file is a whole database of this program with keys that the ring has.
//  2. Look whether any process works with the database: an [ErrServed] if so.
//  3. Copy file beside the database. After a crash the database is as it was.
//  4. Move the old database aside; its new name is returned, empty if there was none.
//     After a crash from here on there is no database, and the old one beside it.
//  5. Move the copy into its place.
//
// The database is not declared restored: open it and call [Store.DeclareRestored].
func Restore(ctx context.Context, cfg Config, file, suffix string) (old string, err error) {
	a, err := parseAddress(cfg.URL)
	if err != nil {
		return "", err
	}
	if a.server != nil {
		return "", ErrNotSQLite
	}
	fresh := a.path + ".restoring"
	if err := copyFile(file, fresh); err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeIfThere(fresh))
		}
	}()
	if err := inspectBackup(ctx, cfg.Keys, fresh); err != nil {
		return "", err
	}
	if old, err = moveAside(ctx, a.path, suffix); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, a.path); err != nil {
		return old, err
	}
	return old, syncPath(filepath.Dir(a.path))
}

// copyFile copies a file that must hold a database by itself. A log beside it would hold
// its newest transactions.
func copyFile(from, to string) error {
	if info, err := os.Stat(from + "-wal"); err == nil && info.Size() > 0 {
		return fmt.Errorf("%s-wal lies beside the file: it was copied from a running service and is not whole without it; "+
			"make backups with kitbridge backup", from)
	}
	in, err := os.Open(from) //nolint:gosec // the operator's own choice of file
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // it was only read
	if err := removeIfThere(to); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // beside the database
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

func removeIfThere(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// inspectBackup looks whether a file is whole, ours, not newer than this program, and
// sealed with keys that we have.
func inspectBackup(ctx context.Context, keys Keys, file string) (err error) {
	db, err := openPlain(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code() == sqlite3.SQLITE_NOTADB {
			return ErrNoBackup
		}
		return fmt.Errorf("read the backup: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("the backup is damaged: %s", verdict)
	}
	r := newReader(db)
	have, want, err := schemaVersions(ctx, r, address{path: file})
	if err != nil {
		return err
	}
	if have == 0 {
		return ErrNoBackup
	}
	if _, err := checkSchema(have, want, true); err != nil {
		return err
	}
	known, err := collect(ctx, r, scanText, selectRingKeys)
	if err != nil {
		return err
	}
	return lacksNone(keys.Fingerprints(), known)
}

// moveAside renames a database that nobody works with. To leave the mode WAL a process
// must be alone with the file (https://sqlite.org/wal.html, section 2.2), and then there
// is no log beside it.
func moveAside(ctx context.Context, path, suffix string) (string, error) {
	old := path + suffix
	if _, err := os.Lstat(old); err == nil {
		return "", &os.PathError{Op: "move the database to", Path: old, Err: os.ErrExist}
	}
	_, err := os.Stat(path)
	there := err == nil
	if there {
		if err := beAlone(ctx, path); err != nil {
			return "", err
		}
	}
	// A log without its database too: it would be taken for the copy's.
	for _, part := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(path+part, old+part); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	if !there {
		return "", nil
	}
	return old, nil
}

// beAlone is an [ErrServed] if another process has the database open. A database that is
// broken is nobody's: that is why somebody restores.
func beAlone(ctx context.Context, path string) error {
	db, err := openPlain(path)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "PRAGMA journal_mode = DELETE")
	err = errors.Join(err, db.Close())
	e, ok := errors.AsType[*sqlite.Error](err)
	switch {
	case !ok:
		return err
	case isBusy(err):
		return ErrServed
	case e.Code()&0xff == sqlite3.SQLITE_NOTADB, e.Code()&0xff == sqlite3.SQLITE_CORRUPT:
		return nil
	}
	return err
}
