package keyring_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/keyring"
)

func TestReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "ring.key"), filepath.Join(dir, "link.key")
	if err := os.WriteFile(path, []byte(line(1)), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("ring.key", link); err != nil {
		t.Fatal(err)
	}
	old := mustLoad(t, line(1))
	sealed := old.Seal([]byte("secret"), nil)
	both, err := old.Added(true)
	if err != nil {
		t.Fatal(err)
	}
	if err := both.Replace(link); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link became a file: %v, %v", info, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v, want that of before", info.Mode(), err)
	}
	again, err := keyring.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(both.Fingerprints(), again.Fingerprints()); diff != "" {
		t.Errorf("file (-want +got)\n%s", diff)
	}
	if got, err := again.Open(sealed, nil); err != nil || string(got) != "secret" {
		t.Errorf("what the old key sealed opens as %q, %v", got, err)
	}
	if by := keyring.SealedBy(again.Seal(nil, nil)); by != again.Fingerprints()[0] || by == keyring.SealedBy(sealed) {
		t.Errorf("the new ring seals with %s, want its newest key", by)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("left over: %v, %v", entries, err)
	}
	if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := old.Replace(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Replace beside another = %v, want fs.ErrExist", err)
	}
	if kept, err := keyring.Load(path); err != nil || len(kept.Fingerprints()) != 2 {
		t.Errorf("after a refused Replace the file holds %v, %v", kept, err)
	}
}

// TestPrepared: a key that is prepared opens and does not seal, until it is promoted.
func TestPrepared(t *testing.T) {
	t.Parallel()
	old := mustLoad(t, line(1))
	prepared, err := old.Added(false)
	if err != nil {
		t.Fatal(err)
	}
	if by := keyring.SealedBy(prepared.Seal(nil, nil)); by != old.Fingerprints()[0] {
		t.Errorf("a prepared ring seals with %s, want the old key", by)
	}
	promoted := prepared.Promoted()
	sealed := promoted.Seal([]byte("secret"), nil)
	if got, err := prepared.Open(sealed, nil); err != nil || string(got) != "secret" {
		t.Errorf("a process that was prepared opens %q, %v", got, err)
	}
	if _, err := old.Open(sealed, nil); !errors.Is(err, keyring.ErrUnknownKey) {
		t.Errorf("one that was not: %v, want ErrUnknownKey", err)
	}
	if by := keyring.SealedBy([]byte{9, 9}); by != "" {
		t.Errorf("SealedBy of no sealed value = %q", by)
	}
}
