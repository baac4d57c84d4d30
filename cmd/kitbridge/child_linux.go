package main

import "syscall"

// childAttr is for a server that only this process uses. Ctrl-C in a terminal does not
// reach it, as we stop it when the bridge is done, and it ends when this process dies of
// whatever (PR_SET_PDEATHSIG of prctl(2)).
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
