package peers

import (
	"fmt"
	"syscall"
)

const errNoSpace = syscall.ENOSPC

func mountSmall(dir string, mebibytes int) error {
	return syscall.Mount("kitbridge-test", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", mebibytes))
}

// unmount takes the disk out of the tree at once; it goes when the last file is closed.
func unmount(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }
