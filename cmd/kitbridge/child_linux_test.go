package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestChildDiesWithUs: a kill -9 of the demonstration leaves no slapd behind. The pipe
// ends when the last process that holds it does.
func TestChildDiesWithUs(t *testing.T) {
	t.Parallel()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ours.Close() }()
	c := exec.Command(executable)
	c.Args = []string{"diewithchild"} // TestMain goes by the name
	c.Stdout = theirs                 // a file: Run waits for the process only
	_ = c.Run()                       // it was killed
	if err := errors.Join(theirs.Close(), ours.SetReadDeadline(time.Now().Add(10*time.Second))); err != nil {
		t.Fatal(err)
	}
	if out, err := io.ReadAll(ours); err != nil || string(out) != "started" {
		t.Errorf("the child outlived its parent: output %q, %v", out, err)
	}
}
