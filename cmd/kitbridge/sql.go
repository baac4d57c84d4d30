package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/sqlsink"
)

const sqlSchemaLong = `Print the statements that make the tables a SQL sink fills, for a database where
kitbridge may not make them itself (schema: verify). Run them as an account that
may create tables; kitbridge then needs SELECT, INSERT, UPDATE and DELETE only.

They may be run again: what exists is left as it is.

Dialects: mysql (8 or later), mariadb (10.5 or later), postgres, sqlite.`

func newSQLCommand(p process) *cobra.Command {
	group := &cobra.Command{
		Use:     "sql",
		Short:   "The tables in the product's database",
		Long:    "Commands about the tables that a SQL sink keeps in the product's own database.",
		Example: "  kitbridge sql schema --dialect mariadb",
		GroupID: operating,
		Args:    cobra.ArbitraryArgs,
		RunE:    groupOnly,
	}
	var dialect, prefix string
	schema := &cobra.Command{
		Use:     "schema --dialect D",
		Short:   "Print the statements that make the tables",
		Long:    sqlSchemaLong,
		Example: "  kitbridge sql schema --dialect mariadb | mariadb product\n  kitbridge sql schema --dialect postgres --prefix crm_",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := knownDialect(dialect); err != nil {
				return err
			}
			if _, err := checkIdentifier(prefix); err != nil {
				return &usageError{fmt.Errorf("--prefix: %w", err)}
			}
			statements, err := sqlsink.DDL(sqlsink.Dialect(dialect), prefix)
			if err != nil {
				return &usageError{fmt.Errorf("sql schema: %w", err)}
			}
			_, err = fmt.Fprintf(p.stdout, "%s;\n", strings.Join(statements, ";\n\n"))
			return err
		},
	}
	schema.Flags().StringVar(&dialect, "dialect", "", "mysql, mariadb, postgres or sqlite (required)")
	schema.Flags().StringVar(&prefix, "prefix", "kit_", "what the tables' names begin with")
	group.AddCommand(schema)
	return group
}

// knownDialect refuses what is no dialect of SQL that a sink speaks.
func knownDialect(name string) error {
	names := []string{string(sqlsink.MySQL), string(sqlsink.MariaDB), string(sqlsink.PostgreSQL), string(sqlsink.SQLite)}
	if slices.Contains(names, name) {
		return nil
	}
	if name == "" {
		return &usageError{fmt.Errorf("--dialect is missing; write %s", oneOf(names))}
	}
	if near := nearest(name, names); near != "" {
		return &usageError{fmt.Errorf("--dialect: %q is not known; did you mean %s?", visible(name), near)}
	}
	return &usageError{fmt.Errorf("--dialect: %q is not known; write %s", visible(name), oneOf(names))}
}
