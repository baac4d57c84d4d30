//go:build !linux

package peers

import "syscall"

// sysProcAttr changes nothing here: only Linux offers a death signal, and only
// there do our tests run as root.
func sysProcAttr(string) (*syscall.SysProcAttr, error) { return &syscall.SysProcAttr{}, nil }

// giveTo does nothing here, as sysProcAttr does not change the identity.
func giveTo(string, string) error { return nil }
