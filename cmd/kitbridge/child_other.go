//go:build !linux

package main

import "syscall"

// childAttr is for a server that only this process uses. Ctrl-C in a terminal does not
// reach it, as we stop it when the bridge is done.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
