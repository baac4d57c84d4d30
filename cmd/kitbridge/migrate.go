package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/sso"
)

const migrateLong = `Bring the schema of kitbridge's own database up to date with this program, and say
from which version to which. serve does so by itself unless the configuration has
migrate: refuse, which is the default for a database server.

Back the database up first: there is no way back to an older schema. A schema that
is newer than the program is left alone and an error. Running it again changes
nothing. The release before this one works on the new schema, so it may be run
while that one still serves.`

func newMigrateCommand(p process) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:     "migrate --config FILE",
		Short:   "Bring the database's schema up to date",
		Long:    migrateLong,
		Example: "  kitbridge migrate --config /etc/kitbridge/kitbridge.yaml",
		GroupID: operating,
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return migrate(c.Context(), p, file) },
	}
	configFlag(c, &file)
	return c
}

func migrate(ctx context.Context, p process, file string) error {
	cfg, _, err := loadConfig(file, p.env)
	if err != nil {
		return err
	}
	ring, err := openKeyRing(cfg)
	if err != nil {
		return err
	}
	from, to, err := store.SchemaVersions(ctx, cfg.Database.Reveal())
	if err != nil {
		return databaseFault(cfg, err)
	}
	s, err := store.Open(ctx, store.Config{
		URL: cfg.Database.Reveal(), Migrate: true, Keys: ring, App: sso.AppID(cfg.SSO.AppID), Now: time.Now,
		Logger: newLogger(p.stderr, Log{Level: "warn", Format: "text"}),
	})
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		return databaseFault(cfg, err)
	}
	if from == to {
		_, err = fmt.Fprintf(p.stdout, "The schema is at version %d, as this program needs it. Nothing to do.\n", to)
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "The schema was at version %d and is at version %d now.\n", from, to)
	return err
}
