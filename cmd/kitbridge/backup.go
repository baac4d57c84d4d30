package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/store"
)

const backupLong = `Write a copy of the SQLite database to a new file, as of one moment, while
serve runs. A file that is there is never overwritten.

The secrets in the copy are sealed with the key file: without it the copy is
useless. Keep both, apart from each other: who has both has the client secrets of
all buyers. Sessions are left out: after a restore people sign in again.

What is pushed after the backup is not in it. See kitbridge restore --help.

A PostgreSQL database is backed up with pg_dump or a base backup.`

func newBackupCommand(p process) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:     "backup FILE --config FILE",
		Short:   "Copy the database while serve runs",
		Long:    backupLong,
		Example: "  kitbridge backup /var/backups/kitbridge-$(date +%F).db",
		GroupID: operating,
		Args:    someArgs("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, _, err := loadConfig(file, p.env)
			if err != nil {
				return err
			}
			if err := backupFault(cfg, args[0], store.Backup(c.Context(), cfg.Database.Reveal(), args[0], time.Now())); err != nil {
				return err
			}
			_, err = fmt.Fprintf(p.stdout, "Database copied to %s.\nIt can be read only with the key file %s: keep a copy of that too, elsewhere.\n", args[0], cfg.KeyFile)
			return err
		},
	}
	configFlag(c, &file)
	return c
}

// backupFault says what to do about an error of Backup.
func backupFault(cfg Config, file string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotSQLite):
		return &usageError{errors.New("database: it is on a PostgreSQL server: use pg_dump or a base backup, and keep a copy of the key file " + cfg.KeyFile)}
	case errors.Is(err, fs.ErrExist):
		return &usageError{fmt.Errorf("%s is there already and is not overwritten: choose another name", file)}
	case errors.Is(err, fs.ErrNotExist):
		return &usageError{fmt.Errorf("there is no folder %s; make it, or correct the path", filepath.Dir(file))}
	case errors.Is(err, fs.ErrPermission):
		return &usageError{fmt.Errorf("this user may not write %s", file)}
	case errors.Is(err, store.ErrNoDatabase):
		return &usageError{err}
	}
	return err
}
