package sqlsink

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrNotYet is a SQLite file that is not there yet and will be made when it is first written.
var ErrNotYet = errors.New("does not exist yet; serve makes it (is the path right?)")

// fileMode is that of a file that we make: people's telephone numbers and addresses stand in
// it. SQLite gives the files beside it the same mode. An existing file's mode is its owner's.
const fileMode = 0o600

// isMissing says whether the database is a SQLite file that is not there.
func (s *Sink) isMissing() bool {
	if s.file == "" {
		return false
	}
	_, err := os.Stat(s.file)
	return errors.Is(err, fs.ErrNotExist)
}

// notYet says what is to be said of a SQLite file that is not there.
func notYet(file string) error {
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		return errors.New("cannot be made: its folder cannot be used; make it, for the account that runs kitbridge, or correct the path")
	}
	return ErrNotYet
}

// makeFile makes an empty file, which is an empty database, unless it is there.
func makeFile(file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode) //nolint:gosec // the operator's own choice of file
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		reason := err.Error()
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			reason = e.Err.Error()
		}
		return &fault{reason: fmt.Sprintf("the database file cannot be made (%s); make its folder, for the account that runs kitbridge, or correct the path", reason), cause: err}
	}
	return nil
}
