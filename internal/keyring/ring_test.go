package keyring_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/internal/keyring"
)

// line is a key file's line for a key of equal bytes.
func line(b byte) string {
	return "kitbridge-key-v1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)) + "\n"
}

func load(tb testing.TB, text string) (*keyring.Ring, error) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "ring.key")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	ring, err := keyring.Load(path)
	if err != nil {
		err = errors.New(strings.ReplaceAll(err.Error(), path, "FILE"))
	}
	return ring, err
}

func mustLoad(tb testing.TB, text string) *keyring.Ring {
	tb.Helper()
	ring, err := load(tb, text)
	if err != nil {
		tb.Fatal(err)
	}
	return ring
}

func TestSealOpen(t *testing.T) {
	t.Parallel()
	ring := mustLoad(t, line(1))
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		aad := rapid.SliceOf(rapid.Byte()).Draw(t, "aad")
		sealed := ring.Seal(plain, aad)
		got, err := ring.Open(sealed, aad)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("Open(Seal(%x)) = %x, %v", plain, got, err)
		}
		if bytes.Equal(sealed, ring.Seal(plain, aad)) {
			t.Fatalf("two seals of %x are equal: the nonce repeats", plain)
		}
		if _, err := ring.Open(sealed, append(aad, 0)); !errors.Is(err, keyring.ErrCorrupt) {
			t.Fatalf("Open with other aad: %v, want %v", err, keyring.ErrCorrupt)
		}
		// No single changed bit, and no shortened value, is opened.
		bit := rapid.IntRange(0, len(sealed)*8-1).Draw(t, "bit")
		changed := bytes.Clone(sealed)
		changed[bit/8] ^= 1 << (bit % 8)
		if _, err := ring.Open(changed, aad); !errors.Is(err, keyring.ErrCorrupt) && !errors.Is(err, keyring.ErrUnknownKey) {
			t.Fatalf("Open with bit %d changed: %v", bit, err)
		}
		short := rapid.IntRange(0, len(sealed)-1).Draw(t, "length")
		if _, err := ring.Open(sealed[:short], aad); !errors.Is(err, keyring.ErrCorrupt) {
			t.Fatalf("Open of the first %d bytes: %v, want %v", short, err, keyring.ErrCorrupt)
		}
	})
}

func TestRotation(t *testing.T) {
	t.Parallel()
	older, both, newer := mustLoad(t, line(1)), mustLoad(t, line(2)+line(1)), mustLoad(t, line(2))
	sealed := older.Seal([]byte("secret"), nil)
	if got, err := both.Open(sealed, nil); err != nil || string(got) != "secret" {
		t.Errorf("a ring with a newer key opens an older value: %q, %v", got, err)
	}
	if _, err := newer.Open(sealed, nil); !errors.Is(err, keyring.ErrUnknownKey) {
		t.Errorf("a ring without the key: %v, want %v", err, keyring.ErrUnknownKey)
	}
	if _, err := newer.Open(both.Seal([]byte("secret"), nil), nil); err != nil {
		t.Errorf("the newest key does not seal: %v", err)
	}
	want := append(newer.Fingerprints(), older.Fingerprints()...)
	if diff := cmp.Diff(want, both.Fingerprints()); diff != "" {
		t.Errorf("fingerprints, newest first (-want +got):\n%s", diff)
	}
}

// TestKnownValues keeps the format: what an older build sealed must stay readable.
func TestKnownValues(t *testing.T) {
	t.Parallel()
	ring := mustLoad(t, line(7))
	// SHA-256 of 32 bytes 0x07, first 8 bytes: printf '\7%.0s' {1..32} | sha256sum.
	if diff := cmp.Diff([]string{wantFingerprint}, ring.Fingerprints()); diff != "" {
		t.Errorf("fingerprint (-want +got):\n%s", diff)
	}
	sealed, err := base64.StdEncoding.DecodeString(wantSealed)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ring.Open(sealed, []byte("table/row"))
	if err != nil || string(got) != "client secret" {
		t.Errorf("Open of a value sealed long ago: %q, %v", got, err)
	}
	cookie, err := ring.Derive("cookie")
	if err != nil || len(cookie) != 1 || fmt.Sprintf("%x", cookie[0]) != wantCookieKey {
		t.Errorf("Derive(cookie) = %x, %v; want %s", cookie, err, wantCookieKey)
	}
}

func TestDerive(t *testing.T) {
	t.Parallel()
	ring := mustLoad(t, line(2)+line(1))
	seen := map[string]string{}
	for _, purpose := range []string{"cookie", "attempt", ""} {
		keys, err := ring.Derive(purpose)
		if err != nil || len(keys) != 2 {
			t.Fatalf("Derive(%q) = %d keys, %v; want 2", purpose, len(keys), err)
		}
		for i, k := range keys {
			name := fmt.Sprintf("%s/%d", purpose, i)
			if other, taken := seen[string(k)]; taken || len(k) != 32 {
				t.Errorf("key %s has %d bytes and equals %q", name, len(k), other)
			}
			seen[string(k)] = name
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"empty", "", "key file FILE: holds no key"},
		{"comments only", "# a\n\n", "key file FILE: holds no key"},
		{"no prefix", line(1) + "geheim\n", "key file FILE: line 2: want kitbridge-key-v1: and 32 bytes in base64"},
		{"other version", strings.Replace(line(1), "v1", "v2", 1), "key file FILE: line 1: want kitbridge-key-v1: and 32 bytes in base64"},
		{"short key", "\nkitbridge-key-v1:Z2VoZWlt\n", "key file FILE: line 2: want kitbridge-key-v1: and 32 bytes in base64"},
		{"same key twice", line(1) + "# x\n" + line(1), "key file FILE: line 3: this key stands above already"},
		{"too long", strings.Repeat("#", 65<<10), "key file FILE: longer than 65536 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := load(t, test.text)
			if err == nil || err.Error() != test.want {
				t.Errorf("Load: %v, want %s", err, test.want)
			}
		})
	}
}

func TestLoadLenient(t *testing.T) {
	t.Parallel()
	ring := mustLoad(t, "# newest\r\n  "+strings.TrimSpace(line(2))+" \r\n\r\n"+strings.TrimSpace(line(1)))
	if got := len(ring.Fingerprints()); got != 2 {
		t.Errorf("blanks, CRLF and comments: %d keys, want 2", got)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kitbridge.key")
	if _, err := keyring.Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load of no file: %v, want fs.ErrNotExist", err)
	}
	ring, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.WriteNew(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of a new key file: %v, %v; want 0600", info.Mode(), err)
	}
	again, err := keyring.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ring.Fingerprints(), again.Fingerprints()); diff != "" {
		t.Errorf("fingerprints after reading again (-written +read):\n%s", diff)
	}
	other, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if cmp.Equal(ring.Fingerprints(), other.Fingerprints()) {
		t.Error("two generated rings are the same")
	}
	if err := other.WriteNew(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("WriteNew over a file: %v, want fs.ErrExist", err)
	}
	if kept, err := keyring.Load(path); err != nil || !cmp.Equal(kept.Fingerprints(), ring.Fingerprints()) {
		t.Errorf("after a refused WriteNew the file holds %v, %v; want %v", kept, err, ring)
	}
	if err := other.WriteNew(filepath.Join(filepath.Dir(path), "no", "such")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("WriteNew without a folder: %v, want fs.ErrNotExist", err)
	}
}

func TestLoadRefusesOpenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kitbridge.key")
	for _, mode := range []fs.FileMode{0o604, 0o602, 0o644, 0o666} {
		if err := os.WriteFile(path, []byte(line(1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("key file %s: everybody may use it (mode %04o); run chmod 600", path, mode)
		if _, err := keyring.Load(path); err == nil || err.Error() != want {
			t.Errorf("Load with mode %04o: %v, want %s", mode, err, want)
		}
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Load(path); err != nil {
		t.Errorf("Load with mode 0640 (a group of its own): %v", err)
	}
}

func TestPrintsNoKey(t *testing.T) {
	t.Parallel()
	ring := mustLoad(t, line(0x41))
	var out bytes.Buffer
	for _, value := range []any{ring, *ring, struct{ Ring *keyring.Ring }{ring}, struct{ ring *keyring.Ring }{ring}} {
		_, _ = fmt.Fprintf(&out, "%v %+v %#v %s %x\n", value, value, value, value, value)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("ring", "ring", ring)
	for _, secret := range []string{"AAAA", "4141", "65 65", "0x41, 0x41", "QUFBQ"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("output shows key bytes (%s):\n%s", secret, out.String())
		}
	}
	if !strings.Contains(out.String(), ring.Fingerprints()[0]) {
		t.Errorf("output does not name the key:\n%s", out.String())
	}
}

func FuzzOpen(f *testing.F) {
	ring := mustLoad(f, line(1))
	f.Add(ring.Seal([]byte("a"), []byte("b")), []byte("b"))
	f.Add([]byte{}, []byte{})
	f.Add([]byte{1}, []byte{})
	f.Fuzz(func(t *testing.T, sealed, aad []byte) {
		if _, err := ring.Open(sealed, aad); err != nil && !errors.Is(err, keyring.ErrCorrupt) && !errors.Is(err, keyring.ErrUnknownKey) {
			t.Errorf("Open: %v, want ErrCorrupt or ErrUnknownKey", err)
		}
	})
}

const (
	wantFingerprint = "4bb06f8e4e3a7715"
	wantSealed      = "AUuwb45OOncVtgalPqt6/r4GY3BZlXkaYeiUbGvgIG1ufNxwuK/mKsVyItvW12s9cTM="
	wantCookieKey   = "8de03fb276cc11fd899f34d7cd035a38bfebce5ef99b95d415fac41e862be618"
)
