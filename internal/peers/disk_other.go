//go:build !linux

package peers

import (
	"errors"
	"syscall"
)

const errNoSpace = syscall.ENOSPC

func mountSmall(string, int) error { return errors.ErrUnsupported }

func unmount(string) error { return errors.ErrUnsupported }
