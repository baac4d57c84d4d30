package keyring

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Added returns the ring with one new random key. As the newest it seals from then on; as the
// oldest it only opens, so that it can be given to every process before one of them seals
// with it.
func (r *Ring) Added(asNewest bool) (*Ring, error) {
	fresh, err := Generate()
	if err != nil {
		return nil, err
	}
	if asNewest {
		return newRing(append(fresh.keys(), r.keys()...)), nil
	}
	return newRing(append(append([]*key{}, r.keys()...), fresh.keys()...)), nil
}

// Promoted returns the ring with its last key as the newest.
func (r *Ring) Promoted() *Ring {
	all := r.keys()
	last := len(all) - 1
	return newRing(append([]*key{all[last]}, all[:last]...))
}

// SealedBy is the fingerprint of the key that sealed a value, empty if it is none.
func SealedBy(sealed []byte) string {
	if len(sealed) < headerSize || sealed[0] != sealV1 {
		return ""
	}
	return hex.EncodeToString(sealed[1:headerSize])
}

// Replace puts the ring in the place of a key file, at one blow: whoever reads it finds the
// old file or the new one, whole, after a power loss too. Owner and mode stay. The error
// answers errors.Is(err, fs.ErrExist) if somebody else is about to do the same.
func (r *Ring) Replace(path string) error {
	path, err := filepath.EvalSymlinks(path) // the file itself, not what points to it
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	fresh := path + ".new"
	if err := r.WriteNew(fresh); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%w; another rotation is under way, or was cut off: then delete that file", err)
		}
		return err
	}
	// From here on a crash leaves the old file, and beside it one that nobody uses.
	if err = errors.Join(keepOwner(fresh, info), os.Chmod(fresh, info.Mode().Perm())); err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("key file %s: %w", path, err), os.Remove(fresh))
	}
	return syncFolder(filepath.Dir(path))
}
