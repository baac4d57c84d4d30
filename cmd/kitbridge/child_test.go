package main

import (
	"os"
	"os/exec"
	"syscall"
)

// dieWithChild starts a child that holds our output open for a minute, and kills this
// process in the way that lets nothing be tidied up.
func dieWithChild() {
	child := exec.Command("sleep", "60")
	child.Stdout = os.Stdout
	child.SysProcAttr = childAttr()
	if err := child.Start(); err != nil {
		os.Exit(exitFailed)
	}
	_, _ = os.Stdout.WriteString("started")
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
}
