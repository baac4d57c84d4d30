package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"kitbridge": main,
		// readconfig shows what a command with --config does about a file, as every
		// such command does it before anything else.
		"readconfig": func() {
			cfg, warnings, err := loadConfig(os.Args[1], os.LookupEnv)
			for _, w := range warnings {
				fmt.Fprintln(os.Stderr, "warning: "+w.String())
			}
			if code := report(os.Stderr, err); code != exitOK {
				os.Exit(code)
			}
			fmt.Printf("%+v\ntoken has %d characters\n", cfg, len(cfg.Admin.Token.Reveal()))
		},
		"preparedb":    prepareDatabase,
		"diewithchild": dieWithChild,
	})
}

func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true})
}

// runHere executes a command line in this process.
func runHere(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = run(context.Background(), args, process{env: lookup(), stdin: strings.NewReader(""), stdout: &out, stderr: &errs})
	return code, out.String(), errs.String()
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"nothing", nil, exitOK, ""},
		{"help", []string{"--help"}, exitOK, ""},
		{"unknown command", []string{"versoin"}, exitConfig, "kitbridge: unknown command \"versoin\" for \"kitbridge\"\n\nDid you mean this?\n\tversion\n"},
		{"unknown flag", []string{"version", "--colour"}, exitConfig, "kitbridge: unknown flag: --colour; see kitbridge version --help\n"},
		{"slip in a flag", []string{"status", "--confg", "a"}, exitConfig, "kitbridge: unknown flag: --confg; did you mean --config?\n"},
		{"text for a number", []string{"simulate", "--users", "abc"}, exitConfig, "kitbridge: --users: \"abc\" is not a whole number; see kitbridge simulate --help\n"},
		{"slip in a command of a group", []string{"held", "aprove", "7"}, exitConfig, "kitbridge: unknown command \"aprove\" for \"kitbridge held\"; did you mean approve?\n"},
		{"no command of a group", []string{"held", "xyzzy"}, exitConfig, "kitbridge: unknown command \"xyzzy\" for \"kitbridge held\"; see kitbridge held --help\n"},
		{"no dialect", []string{"sql", "schema"}, exitConfig, "kitbridge: --dialect is missing; write mysql, mariadb, postgres or sqlite\n"},
		{"unknown dialect", []string{"sql", "schema", "--dialect", "oracle"}, exitConfig, "kitbridge: --dialect: \"oracle\" is not known; write mysql, mariadb, postgres or sqlite\n"},
		{"slip in a dialect", []string{"sql", "schema", "--dialect", "postgresql"}, exitConfig, "kitbridge: --dialect: \"postgresql\" is not known; did you mean postgres?\n"},
		{"argument too many", []string{"version", "now"}, exitConfig, "kitbridge: kitbridge version takes no arguments, but got \"now\"; see kitbridge version --help\n"},
		{"failure", []string{"init", "--dir", "/dev/null/a"}, exitFailed, "kitbridge: folder for the new files: mkdir /dev/null: not a directory\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := runHere(t, test.args...)
			if code != test.code {
				t.Errorf("exit code = %d, want %d", code, test.code)
			}
			if diff := cmp.Diff(test.stderr, stderr); diff != "" {
				t.Errorf("stderr (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEveryCommandTeaches: help says what a command is for and shows it in use.
func TestEveryCommandTeaches(t *testing.T) {
	t.Parallel()
	var look func(commands []*cobra.Command)
	look = func(commands []*cobra.Command) {
		for _, c := range commands {
			if c.Short == "" || c.Long == "" || !strings.Contains(c.Example, c.CommandPath()) {
				t.Errorf("%s: needs a short text, a long one and an example", c.CommandPath())
			}
			for line := range strings.Lines(c.Long) {
				if len([]rune(line)) > 90 {
					t.Errorf("%s: a line of help is too long for a terminal: %s", c.CommandPath(), line)
				}
			}
			look(c.Commands())
		}
	}
	look(newRootCommand(process{env: lookup()}).Commands())
}

func TestVersionOf(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{
		Main: debug.Module{Version: "v1.2.3"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"},
		},
	}
	got := versionOf(info)
	if got.Version != "v1.2.3" || got.Revision != "abc" || got.Time != "2026-01-02T03:04:05Z" || !got.Modified {
		t.Errorf("versionOf = %+v", got)
	}
	if got := versionOf(nil); got.Version != "unknown" || got.Go == "" || got.Platform == "" {
		t.Errorf("versionOf(nil) = %+v", got)
	}
	code, stdout, _ := runHere(t, "version", "--json")
	var parsed map[string]any
	if err := json.Unmarshal([]byte(stdout), &parsed); err != nil || code != exitOK {
		t.Fatalf("version --json: exit %d, %v: %s", code, err, stdout)
	}
	for _, key := range []string{"version", "revision", "time", "modified", "go", "platform"} {
		if _, ok := parsed[key]; !ok {
			t.Errorf("version --json has no %s", key)
		}
	}
}
