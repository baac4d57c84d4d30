package peers

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Product is the name of the database that every [DatabaseServer] begins with,
// and the account kitbridge with its password owns it.
const (
	Product          = "product"
	DatabaseUser     = "kitbridge"
	DatabasePassword = "kitbridge-sql" //nolint:gosec // opens a server on loopback that lives as long as a test
)

// Database is one empty database on a [DatabaseServer].
type Database struct {
	// URL is its address as kitbridge.yaml has it, mysql://… or postgres://….
	URL string
	// DSN is its address as the Go driver wants it: go-sql-driver/mysql's own
	// form (with parseTime), or the URL for pgx.
	DSN string
}

// DatabaseServer is a private MariaDB or PostgreSQL.
type DatabaseServer struct {
	*Process
	port      int
	databases int // made so far, beside Product
	address   func(port int, database string) Database
	// create makes a database that DatabaseUser owns.
	create func(ctx context.Context, database string) error
	// createOn is create with the tables' data in a directory.
	createOn func(ctx context.Context, database, dir string) error
	// administer runs statements as the server's administrator.
	administer func(ctx context.Context, script string) error
}

// Product returns the database that exists from the start.
func (s *DatabaseServer) Product() Database { return s.address(s.port, Product) }

// Fresh makes one more database, for tests that share a server. It is not safe
// for concurrent use: make the databases before running subtests in parallel.
func (s *DatabaseServer) Fresh() Database {
	s.tb.Helper()
	s.databases++
	name := fmt.Sprintf("fresh_%d", s.databases)
	if err := s.create(s.tb.Context(), name); err != nil {
		s.tb.Fatal(err)
	}
	return s.address(s.port, name)
}

// Administer runs statements as the server's administrator, for example to take rights
// away or to make it read-only.
func (s *DatabaseServer) Administer(script string) {
	s.tb.Helper()
	if err := s.administer(s.tb.Context(), script); err != nil {
		s.tb.Fatal(err)
	}
}

// begin starts the server for the first time, on a port of its choice, and
// makes the database [Product].
func (s *DatabaseServer) begin(command func(port int) []string) {
	s.tb.Helper()
	err := retry(func() (err error) {
		if s.port, err = freePort(s.tb.Context()); err != nil {
			return err
		}
		s.program.Args = command(s.port)
		return s.launch()
	})
	if err != nil {
		s.tb.Fatal(err)
	}
	if err := s.create(s.tb.Context(), Product); err != nil {
		s.tb.Fatal(err)
	}
}

// runTool runs one of a server's own programs as the account that owns dir.
func runTool(ctx context.Context, account, dir, stdin string, args ...string) error {
	attr, err := sysProcAttr(account)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // our own arguments
	cmd.Dir, cmd.SysProcAttr, cmd.Stdin = dir, attr, strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", args[0], err, out)
	}
	return nil
}
