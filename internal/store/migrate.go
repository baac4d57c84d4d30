package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migration
var migrations embed.FS

// migrateSQLite brings the schema up to date, or refuses one that does not fit.
func migrateSQLite(ctx context.Context, path string, allowed bool) (err error) {
	files, err := fs.Sub(migrations, "migration/sqlite")
	if err != nil {
		return err
	}
	db, err := openSQLite(path, upkeeping)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return errors.Join(err, db.Close())
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if fits, err := checkSchema(ctx, p, allowed); fits || err != nil {
		return err
	}
	_, failed := p.Up(ctx)
	if failed == nil {
		return nil
	}
	// Another process may have done the same at the same time; then all is well.
	if fits, err := checkSchema(ctx, p, allowed); fits && err == nil {
		return nil
	}
	return fmt.Errorf("migrate: %w", failed)
}

// checkSchema says whether the schema is this program's. An older one is an error
// unless it may be changed, a newer one always.
func checkSchema(ctx context.Context, p *goose.Provider, allowed bool) (bool, error) {
	have, want, err := p.GetVersions(ctx)
	switch {
	case err != nil:
		return false, fmt.Errorf("read schema version: %w", err)
	case have > want:
		return false, fmt.Errorf("%w: it is at %d and this program knows %d only; use the newer program", ErrSchema, have, want)
	case have == want:
		return true, nil
	case !allowed:
		return false, fmt.Errorf("%w: it is at %d and this program needs %d; run kitbridge migrate", ErrSchema, have, want)
	}
	return false, nil
}
