package peers

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// sysProcAttr makes a child die with this process and, when this process is
// root, run as the given account ("" for our own).
func sysProcAttr(account string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if account == "" || os.Geteuid() != 0 {
		return attr, nil
	}
	uid, gid, err := accountIDs(account)
	if err != nil {
		return nil, err
	}
	// The runtime sets the death signal after the identity, which would clear it.
	attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	return attr, nil
}

// giveTo makes the account own dir. It does nothing where sysProcAttr would
// not change the identity either.
func giveTo(dir, account string) error {
	if account == "" || os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := accountIDs(account)
	if err != nil {
		return err
	}
	return os.Chown(dir, int(uid), int(gid))
}

func accountIDs(account string) (uid, gid uint32, err error) {
	found, err := user.Lookup(account)
	if err != nil {
		return 0, 0, fmt.Errorf("look up the account to run as: %w", err)
	}
	u, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return 0, 0, fmt.Errorf("read user id of %s: %w", account, err)
	}
	g, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		return 0, 0, fmt.Errorf("read group id of %s: %w", account, err)
	}
	return uint32(u), uint32(g), nil
}
