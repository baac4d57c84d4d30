package peers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Disk is a small file system of its own that a test can fill.
type Disk struct {
	tb  testing.TB
	dir string
}

// NewDisk mounts a disk of so many MiB for the duration of the test, which takes root and
// Linux. Where it cannot be had the test is skipped and says why; where the environment
// says CI=true that is a failure, since a promise would stay untested.
func NewDisk(tb testing.TB, mebibytes int) *Disk {
	tb.Helper()
	return newDisk(tb, "disk", "", mebibytes)
}

func newDisk(tb testing.TB, name, account string, mebibytes int) *Disk {
	tb.Helper()
	d := &Disk{tb: tb, dir: mustDir(tb, name, account)}
	if err := mountSmall(d.dir, mebibytes); err != nil {
		const needs = "this test needs a small file system of its own, and mounting one (tmpfs) failed; run it as root on Linux: %v"
		if os.Getenv("CI") == "true" { //nolint:forbidigo // whether the tests may be incomplete is the environment's to say
			tb.Fatalf(needs, err)
		}
		tb.Skipf(needs, err)
	}
	tb.Cleanup(func() {
		if err := unmount(d.dir); err != nil {
			tb.Logf("unmount %s: %v", d.dir, err)
		}
	})
	if err := giveTo(d.dir, account); err != nil {
		tb.Fatal(err)
	}
	return d
}

// Dir is its directory.
func (d *Disk) Dir() string { return d.dir }

// Fill takes all the space that is left.
func (d *Disk) Fill() {
	d.tb.Helper()
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.tb.Fatal(err)
	}
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	closed := f.Close()
	if !errors.Is(err, errNoSpace) || closed != nil {
		d.tb.Fatalf("fill %s: %v", d.dir, errors.Join(err, closed))
	}
}

// Free gives back what Fill took.
func (d *Disk) Free() {
	d.tb.Helper()
	if err := os.Remove(d.ballast()); err != nil {
		d.tb.Fatal(err)
	}
}

func (d *Disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// FreshOn is [DatabaseServer.Fresh] with the data of the tables on a small disk of its own.
// What the server needs to live, its logs above all, stays elsewhere.
func (s *DatabaseServer) FreshOn(mebibytes int) (Database, *Disk) {
	s.tb.Helper()
	disk := newDisk(s.tb, "data", s.program.account, mebibytes)
	s.databases++
	name := fmt.Sprintf("fresh_%d", s.databases)
	if err := s.createOn(s.tb.Context(), name, disk.dir); err != nil {
		s.tb.Fatal(err)
	}
	return s.address(s.port, name), disk
}
