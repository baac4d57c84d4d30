package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/keyring"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

// operating is the group of commands for those who run a bridge.
const operating = "operating"

// configFlag gives a command the flag --config.
func configFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "config", configName, "the configuration file")
}

// jsonFlag gives a command the flag --json.
func jsonFlag(c *cobra.Command, asJSON *bool) {
	c.Flags().BoolVar(asJSON, "json", false, "print JSON, for scripts")
}

// access is what a command may do with the database.
type access int

const (
	// toRead creates, migrates and locks nothing: it works beside a running serve.
	toRead access = iota
	// toWrite may write, beside a running serve too, but does not migrate.
	toWrite
)

// openDatabase opens the database that a configuration names. It must be there.
func openDatabase(ctx context.Context, p process, cfg Config, a access) (*store.Store, error) {
	ring, err := keyring.Load(cfg.KeyFile)
	err = keyFault(cfg.KeyFile, err)
	if fresh, failed := store.IsNew(cfg.Database.Reveal()); failed == nil && fresh {
		err = fmt.Errorf("%w; kitbridge serve makes it", store.ErrNoDatabase)
	}
	if err != nil {
		return nil, &usageError{err}
	}
	settings := store.Config{
		URL: cfg.Database.Reveal(), Keys: ring, App: sso.AppID(cfg.SSO.AppID), Now: time.Now,
		Logger: newLogger(p.stderr, Log{Level: "warn", Format: "text"}),
	}
	// Reading first: it looks whether all is there and fits, and Open would create.
	s, err := store.OpenReading(ctx, settings)
	if err == nil && a == toWrite {
		if err = s.Close(); err == nil {
			s, err = store.Open(ctx, settings)
		}
	}
	return s, databaseFault(cfg, err)
}

// withDatabase reads the configuration, opens its database, runs do and closes it.
func withDatabase(ctx context.Context, p process, file string, a access, do func(*store.Store, Config) error) (err error) {
	cfg, _, err := loadConfig(file, p.env) // its warnings are serve's
	if err != nil {
		return err
	}
	s, err := openDatabase(ctx, p, cfg, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return do(s, cfg)
}

// newOperatorAcceptor decides about messages as serve does. serve finds the work for
// the sinks by itself.
func newOperatorAcceptor(s *store.Store, cfg Config) *orgsync.Acceptor {
	guard := cfg.Marketplace.DeletionGuard
	return orgsync.NewAcceptor(s, orgsync.Policy{
		Guard: orgsync.Guard{Count: guard.Count, Percent: guard.Percent, Max: guard.Max},
		Hosts: cfg.SSO.AuthCentres.Hosts,
	}, nil)
}

// someArgs refuses a wrong number of arguments and says which are wanted.
func someArgs(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return &usageError{fmt.Errorf("%s wants %s; see %s --help", c.CommandPath(), strings.Join(names, " "), c.CommandPath())}
	}
}
