package keyring

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	linePrefix = "kitbridge-key-v1:"
	// maxFile is far beyond any list of keys that somebody still means.
	maxFile = 64 << 10
)

// Load reads a key file. Its errors name the file and the line, never a key; one
// of a missing file answers errors.Is(err, fs.ErrNotExist). A file that every
// user of the machine may read or write is refused.
func Load(path string) (*Ring, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's own choice of file
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		return nil, fmt.Errorf("key file %s: everybody may use it (mode %04o); run chmod 600", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("key file %s: longer than %d bytes", path, maxFile)
	}
	ring, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return ring, nil
}

func parse(text []byte) (*Ring, error) {
	var keys []*key
	number := 0
	for line := range bytes.Lines(text) {
		number++
		entry := strings.TrimSpace(string(line))
		if entry == "" || strings.HasPrefix(entry, "#") {
			continue
		}
		encoded, ok := strings.CutPrefix(entry, linePrefix)
		secret, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if !ok || err != nil || len(secret) != keySize {
			return nil, fmt.Errorf("line %d: want %s and %d bytes in base64", number, linePrefix, keySize)
		}
		k, err := newKey(secret)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(keys, func(o *key) bool { return o.id == k.id }) {
			return nil, fmt.Errorf("line %d: this key stands above already", number)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("holds no key")
	}
	return newRing(keys), nil
}

// WriteNew writes the ring to a new file that only its owner may read. When it
// returns nil, the file survives a power loss. It never replaces a file: the
// error then answers errors.Is(err, fs.ErrExist). After another error there is
// no file.
func (r *Ring) WriteNew(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator's own choice of file
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	_, err = f.WriteString(r.encode())
	// What is sealed with a key that a crash has taken away is lost, so both the
	// file and its name must be on the disk before the key is used.
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("key file %s: %w", path, err), os.Remove(path))
	}
	return nil
}

func (r *Ring) encode() string {
	var b strings.Builder
	b.WriteString("# Keys of kitbridge, newest first. Whoever has this file and the database reads every\n" +
		"# secret in it; without this file nobody does. Back it up, apart from the database.\n")
	for _, k := range r.keys() {
		b.WriteString(linePrefix + base64.StdEncoding.EncodeToString(k.secret) + "\n")
	}
	return b.String()
}

func syncFolder(path string) error {
	d, err := os.Open(path) //nolint:gosec // the folder of the file just written
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
