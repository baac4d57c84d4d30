package peers_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kitbridge/kitbridge/internal/peers"
)

func TestDisk(t *testing.T) {
	t.Parallel()
	d := peers.NewDisk(t, 1)
	write := func() error { return os.WriteFile(filepath.Join(d.Dir(), "file"), make([]byte, 100<<10), 0o600) }
	if err := write(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(d.Dir(), "file")); err != nil {
		t.Fatal(err)
	}
	d.Fill()
	if err := write(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write to a full disk = %v, want ENOSPC", err)
	}
	d.Free()
	if err := write(); err != nil {
		t.Errorf("write after Free = %v", err)
	}
}

// TestDatabaseOnDisk: only the tables' data are on the small disk.
func TestDatabaseOnDisk(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		driver string
		start  func(testing.TB) *peers.DatabaseServer
	}{{"mysql", peers.MariaDB}, {"pgx", peers.PostgreSQL}} {
		t.Run(tt.driver, func(t *testing.T) {
			t.Parallel()
			server := tt.start(t)
			database, disk := server.FreshOn(32)
			db := open(t, tt.driver, database)
			execute(t, db, "CREATE TABLE kept (n INTEGER PRIMARY KEY, text TEXT)")
			disk.Fill()
			insert := func(n int) error {
				for i := range 200 { // more than any page that is there already holds
					if _, err := db.ExecContext(t.Context(), fmt.Sprintf("INSERT INTO kept VALUES (%d, '%s')", n+i, rand.Text()+strings.Repeat("x", 1900))); err != nil {
						return err
					}
				}
				return nil
			}
			if err := insert(0); err == nil {
				t.Error("a full disk took everything")
			}
			disk.Free()
			if err := insert(1000); err != nil {
				t.Errorf("after Free: %v", err)
			}
			server.Stop()
			server.Start()
		})
	}
}
