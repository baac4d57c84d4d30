package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/kitbridge/kitbridge/internal/store"
)

// databaseFault names the key of the configuration that an error of the database is about,
// and what to do. What starting again does not help is a usageError; other errors, and nil,
// are returned as they are.
func databaseFault(cfg Config, err error) error {
	path, isFile := strings.CutPrefix(cfg.Database.Reveal(), sqlitePrefix)
	broken, isSQLite := errors.AsType[*sqlite.Error](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrKeys):
		return &usageError{fmt.Errorf("key_file: %w; the file in use is %s: put the old key's line back below the new one, or the whole old file from its backup", err, cfg.KeyFile)}
	case errors.Is(err, store.ErrSchema), errors.Is(err, store.ErrNoDatabase):
		return &usageError{err}
	case isFile && isSQLite && broken.Code() == sqlite3.SQLITE_NOTADB:
		return &usageError{fmt.Errorf("database: %s is no SQLite database; correct the path, move the file away to begin anew, or put a backup in its place", path)}
	case isFile && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)):
		return &usageError{fmt.Errorf("database: there is no folder %s; make it, for the account that runs kitbridge, or correct the path", filepath.Dir(path))}
	case isFile && errors.Is(err, fs.ErrPermission):
		return &usageError{fmt.Errorf("database: this user may not write %s; change the owner of the file and its folder, or correct the path", path)}
	}
	return err
}

// keyFault is databaseFault for an error of reading the key file.
func keyFault(file string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return &usageError{fmt.Errorf("key_file: %s may not be read by this user; make the account that runs kitbridge its owner", file)}
	case errors.Is(err, fs.ErrNotExist):
		return &usageError{fmt.Errorf("key_file: there is no file %s; the database needs the key it was made with: put that file back, or for a new PostgreSQL database make one with kitbridge init and give it to every replica", file)}
	}
	return &usageError{errors.New("key_file: " + ofKeyFile(err))}
}

// ofKeyFile is what an error about a key file says beside that.
func ofKeyFile(err error) string {
	return strings.TrimLeft(strings.TrimPrefix(err.Error(), "key file"), ": ")
}

// listenFault says what to do about an address that cannot be listened on; key is that of
// the configuration.
func listenFault(key, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: %s is in use by another process; is kitbridge running already? Stop the other one, or choose another port", key, address)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: this user may not listen on %s; choose a port from 1024 on, with your web server before it, or allow it (AmbientCapabilities=CAP_NET_BIND_SERVICE)", key, address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s: this machine has no address %s; write one of its own, or 127.0.0.1", key, address)
	}
	return fmt.Errorf("%s: %w", key, err)
}
