package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/internal/market"
	"github.com/kitbridge/kitbridge/internal/peers"
)

// TestOperatorOnPostgreSQL: the commands work on a database server as on a file.
func TestOperatorOnPostgreSQL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if code, _, stderr := runHere(t, "init", "--dir", dir); code != exitOK {
		t.Fatal(stderr)
	}
	yaml := strings.Replace(worldYAML, `"sqlite:kitbridge.db"`, `"`+peers.PostgreSQL(t).Product().URL+`"`, 1) +
		`key_file: "` + filepath.Join(dir, keyRingName) + "\"\n"
	config := filepath.Join(dir, "server.yaml")
	if err := os.WriteFile(config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	// Nothing is made on a server but by migrate: serve refuses by default, and so do all.
	if code, _, stderr := runHere(t, "status", "--config", config); code != exitConfig || !strings.Contains(stderr, "run kitbridge migrate") {
		t.Errorf("status before migrate: exit %d, %s", code, stderr)
	}
	for _, want := range []string{"was at version 0 and is at version ", "Nothing to do"} {
		if code, stdout, stderr := runHere(t, "migrate", "--config", config); code != exitOK || !strings.Contains(stdout, want) {
			t.Fatalf("migrate: exit %d, %s%s; want %q", code, stdout, stderr, want)
		}
	}
	w := startWorldOn(t, yaml)
	b := market.DemoBuyers()[0]
	if err := w.send(t.Context(), b.Binding()...); err != nil {
		t.Fatal(err)
	}
	if got := w.imports(t, exitOK, legacyCSV, "--tenant", "chenguang"); got.Applied != 2 || got.Stale != 3 {
		t.Errorf("import without --apply = %+v", got)
	}
	if s := w.status(t); s.Journal.Accepted != 27 || s.Tenants[0].Users != 11 {
		t.Errorf("status = %+v", s)
	}
	w.imports(t, exitOK, legacyCSV, "--tenant", "chenguang", "--apply")
	if e := w.explained(t, "laowang@chenguang"); e.Verdict != "is enabled, with the role admin; their department legacy is not known" {
		t.Errorf("verdict = %q", e.Verdict)
	}
	records, err := parseRecords("export.csv", []byte(w.command(t, exitOK, "export", "--format", "csv")))
	if err != nil || len(records) != 13+14 {
		t.Errorf("export has %d records that can be imported, want 27: %v", len(records), err)
	}
	id, held := emptied(t, w, b)
	if !held {
		t.Fatal("an empty list is not held")
	}
	w.command(t, exitOK, "held", "reject", id)
}
