package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes. Commands with more of them document theirs.
const (
	exitOK     = 0
	exitFailed = 1
	exitConfig = 2 // the configuration or the command line is wrong: starting again won't help
)

// process is what a command may use of the process it runs in, so that tests
// can run it without one.
type process struct {
	// env looks an environment variable up.
	env            func(name string) (value string, ok bool)
	stdin          io.Reader
	stdout, stderr io.Writer
}

// firstSteps is the group of commands that a newcomer needs.
const firstSteps = "first"

const rootLong = `kitbridge lets an existing SaaS product be sold on the Huawei Cloud Marketplace
as a joint-operation (联营) product, without touching the product's own login or
user tables.

It receives the marketplace's signed messages about tenants, users and
departments, keeps LDAP directories and SQL tables equal to them, and signs
people in through their own company's auth centre.

Exit codes: 0 done, 1 failed, 2 the configuration or the command line is wrong
(check: 1 for a faulty configuration), 3 (only of plan) there is something to do.`

// run executes one command line and returns the process's exit code. It writes
// errors to p.stderr, one line each, and returns early when ctx ends.
func run(ctx context.Context, args []string, p process) int {
	root := newRootCommand(p)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	return report(p.stderr, err)
}

func newRootCommand(p process) *cobra.Command {
	root := &cobra.Command{
		Use:           "kitbridge",
		Short:         "Marketplace messages in; directories, tables and sign-in out",
		Long:          rootLong,
		Version:       build().String(), // makes the flag --version
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetVersionTemplate("{{.Version}}")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(flagFault)
	root.AddGroup(
		&cobra.Group{ID: firstSteps, Title: "First steps:"},
		&cobra.Group{ID: operating, Title: "Operating a bridge:"},
	)
	root.AddCommand(
		newBackupCommand(p),
		newCheckCommand(p),
		newDeadCommand(p),
		newDemoCommand(p),
		newExplainCommand(p),
		newExportCommand(p),
		newHeldCommand(p),
		newImportCommand(p),
		newInitCommand(p),
		newKeysCommand(p),
		newMigrateCommand(p),
		newPlanCommand(p),
		newPurgeCommand(p),
		newReconcileCommand(p),
		newRestoreCommand(p),
		newServeCommand(p),
		newSessionsCommand(p),
		newSimulateCommand(p),
		newSQLCommand(p),
		newStatusCommand(p),
		newTakeOverCommand(p),
		newVersionCommand(p),
	)
	root.Example = examplesOf(root, firstSteps)
	return root
}

// examplesOf joins the examples of a group's commands, so that the help of the
// root shows only commands that exist.
func examplesOf(root *cobra.Command, group string) string {
	var lines []string
	for _, c := range root.Commands() {
		if c.GroupID == group && c.Example != "" {
			lines = append(lines, c.Example)
		}
	}
	return strings.Join(lines, "\n")
}

// usageError marks a wrong command line, or files beside the configuration that do not
// fit it.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// silentExit ends a command with a code of its own that needs no words.
type silentExit int

func (e silentExit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// report writes err for a person and returns the exit code that it stands for.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	if code, ok := errors.AsType[silentExit](err); ok {
		return int(code)
	}
	// Faults of the configuration begin with file:line:col, which editors and
	// scripts follow; a name in front would break that.
	if faults, ok := errors.AsType[*configError](err); ok {
		fmt.Fprintln(w, faults.Error())
		return exitConfig
	}
	fmt.Fprintf(w, "kitbridge: %s\n", strings.TrimSpace(err.Error()))
	if _, ok := errors.AsType[*usageError](err); ok || isUnknownCommand(err) {
		return exitConfig
	}
	return exitFailed
}

// isUnknownCommand recognises cobra's errors about a wrong command line that it
// has no type for.
func isUnknownCommand(err error) bool {
	return strings.HasPrefix(err.Error(), "unknown command ")
}

// noArgs refuses arguments to a command that takes none.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &usageError{fmt.Errorf("%s takes no arguments, but got %q; see %s --help", c.CommandPath(), args[0], c.CommandPath())}
}
