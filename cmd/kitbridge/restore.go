package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/console"
	"github.com/kitbridge/kitbridge/internal/keyring"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

const restoreLong = `Put a backup in the place of the SQLite database. Stop serve first. What was
there is moved aside, not deleted. The key file must be the one that the backup
was made with.

What was pushed after the backup was made is missing, and the marketplace does not
send it again by itself. So after a restore, in this order:

  1. Start serve. All sessions have ended. kitbridge status, /readyz and the log
     say since when pushes are missing, and which tenants there were.
  2. Have each of these buyers, or the marketplace, push everything again:
     departments and users, removals too.
  3. A sink that holds more than the backup knows is closed until then. When the
     pushes are in: kitbridge take-over SINK
  4. kitbridge restore --settled: the gap is not told any more.

A PostgreSQL database, or a file that was put back by other means than this
command, is declared restored with --declare: that ends all sessions and begins to
tell the gap. Files of kitbridge backup are noticed by themselves; others when a
sink turns out to hold more than the database knows.`

func newRestoreCommand(p process) *cobra.Command {
	var file string
	var declare, settled bool
	c := &cobra.Command{
		Use:     "restore [FILE | --declare | --settled] --config FILE",
		Short:   "Put a backup in the database's place",
		Long:    restoreLong,
		Example: "  kitbridge restore /var/backups/kitbridge-2026-11-21.db\n  kitbridge restore --declare\n  kitbridge restore --settled",
		GroupID: operating,
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if ways := len(args) + int(number(declare)) + int(number(settled)); ways != 1 {
				return &usageError{errors.New("restore wants one of FILE, --declare and --settled; see kitbridge restore --help")}
			}
			switch {
			case settled:
				return withDatabase(c.Context(), p, file, toWrite, func(s *store.Store, _ Config) error { return settleRestored(c.Context(), p.stdout, s) })
			case declare:
				return withDatabase(c.Context(), p, file, toWrite, func(s *store.Store, _ Config) error { return declareRestored(c.Context(), p.stdout, s) })
			}
			cfg, _, err := loadConfig(file, p.env)
			if err != nil {
				return err
			}
			return restore(c.Context(), p, cfg, args[0])
		},
	}
	configFlag(c, &file)
	c.Flags().BoolVar(&declare, "declare", false, "the database was put back by other means: end all sessions and tell the gap")
	c.Flags().BoolVar(&settled, "settled", false, "what was missing was pushed again: tell the gap no more")
	return c
}

// restore puts the file in the database's place and declares it restored.
func restore(ctx context.Context, p process, cfg Config, file string) (err error) {
	ring, err := keyring.Load(cfg.KeyFile)
	if err != nil {
		return &usageError{fmt.Errorf("%w; a backup can be read only with the key file that it was made with: put that in its place first", keyFault(cfg.KeyFile, err))}
	}
	settings := store.Config{
		URL: cfg.Database.Reveal(), Migrate: true, Keys: ring, App: sso.AppID(cfg.SSO.AppID), Now: time.Now,
		Logger: newLogger(p.stderr, Log{Level: "warn", Format: "text"}),
	}
	old, err := store.Restore(ctx, settings, file, ".before-restore-"+time.Now().UTC().Format("20060102T150405Z"))
	if err != nil {
		return restoreFault(cfg, file, err)
	}
	s, err := store.Open(ctx, settings)
	if err != nil {
		return databaseFault(cfg, err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.DeclareRestored(ctx, "restore"); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "The database is that of %s now.\n", file)
	if old != "" {
		fmt.Fprintf(p.stdout, "What was there is %s.\n", old)
	}
	return printRestoration(ctx, p.stdout, s)
}

func restoreFault(cfg Config, file string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotSQLite):
		return &usageError{errors.New("database: it is on a PostgreSQL server: restore it with its own tools, then run kitbridge restore --declare")}
	case errors.Is(err, store.ErrServed):
		return &usageError{errors.New("another process works with the database: stop kitbridge serve first")}
	case errors.Is(err, store.ErrKeys):
		return &usageError{fmt.Errorf("%w; put the key file of the backup in the place of %s first, or add its line to it", err, cfg.KeyFile)}
	case errors.Is(err, store.ErrNoBackup):
		return &usageError{fmt.Errorf("%s is no backup of a kitbridge database", file)}
	case errors.Is(err, store.ErrSchema), errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return &usageError{err}
	}
	return err
}

func declareRestored(ctx context.Context, w io.Writer, s *store.Store) error {
	if err := s.DeclareRestored(ctx, "restore --declare"); err != nil {
		return err
	}
	return printRestoration(ctx, w, s)
}

func settleRestored(ctx context.Context, w io.Writer, s *store.Store) error {
	settled, err := s.SettleRestoration(ctx)
	if err != nil {
		return err
	}
	if !settled {
		fmt.Fprintln(w, "No restoration is told; nothing was changed.")
		return nil
	}
	fmt.Fprintln(w, "The gap is not told any more.")
	return nil
}

// printRestoration prints what is missing, if anything is.
func printRestoration(ctx context.Context, w io.Writer, s *store.Store) error {
	r, err := readRestoration(ctx, s)
	if err != nil || r == nil {
		return err
	}
	fmt.Fprintln(w)
	writeRestoration(w, *r)
	return nil
}

// readRestoration reads the restoration that nobody settled yet; nil if there is none.
func readRestoration(ctx context.Context, s *store.Store) (*console.Restored, error) {
	found, err := s.Restoration(ctx)
	if errors.Is(err, orgsync.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := &console.Restored{At: found.At, LastPushAt: found.LastPush, FoundBy: found.FoundBy, Tenants: []console.RestoredTenant{}}
	for _, t := range found.Tenants {
		r.Tenants = append(r.Tenants, console.RestoredTenant{
			TenantID: string(t.ID), Name: t.Name, LastPushAt: t.LastPush, PushedSince: t.LastPush.After(found.At),
		})
	}
	return r, nil
}

// gapText says what is missing and what to do.
func gapText(r console.Restored) string {
	silent := 0
	for _, t := range r.Tenants {
		if !t.PushedSince {
			silent++
		}
	}
	since := "all pushes before " + r.At.Format(time.RFC3339) + " may be missing"
	if !r.LastPushAt.IsZero() {
		since = "pushes from " + r.LastPushAt.Format(time.RFC3339) + " to " + r.At.Format(time.RFC3339) + " may be missing"
	}
	return fmt.Sprintf("this database was restored (%s): %s; have them all pushed again (%d of %d tenants have pushed nothing since), "+
		"take over the sinks that are closed, then run: kitbridge restore --settled", r.FoundBy, since, silent, len(r.Tenants))
}

func writeRestoration(w io.Writer, r console.Restored) {
	fmt.Fprintf(w, "RESTORED: %s\n", visible(gapText(r)))
	var rows [][]string
	for _, t := range r.Tenants {
		last := "never"
		if !t.LastPushAt.IsZero() {
			last = t.LastPushAt.Format(time.RFC3339)
		}
		again := "no"
		if t.PushedSince {
			again = "yes"
		}
		rows = append(rows, []string{t.TenantID, t.Name, last, again})
	}
	columns(w, []string{"TENANT", "NAME", "LAST PUSH", "SINCE"}, rows)
}

// tellRestoration logs the gap at start.
func (b *bridge) tellRestoration(ctx context.Context) {
	r, err := readRestoration(ctx, b.store)
	switch {
	case err != nil && ctx.Err() == nil:
		b.log.WarnContext(ctx, "whether the database was restored is not known", "error", err.Error())
	case err == nil && r != nil:
		b.log.LogAttrs(ctx, slog.LevelWarn, "the database was restored", slog.String("found_by", r.FoundBy),
			slog.Time("last_push_at", r.LastPushAt), slog.Time("restored_at", r.At), slog.Int("tenants", len(r.Tenants)), slog.String("do", gapText(*r)))
	}
}
