package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/keyring"
)

const (
	configName  = "kitbridge.yaml"
	keyRingName = "kitbridge.key"
	rsaKeyName  = "kitbridge-credential.pem"
	// rsaBits is the least the marketplace takes for an application credential.
	rsaBits = 3072
)

//go:embed kitbridge.yaml
var sampleConfig []byte

const initLong = `Write what a new bridge needs into a folder:

  kitbridge.yaml            the configuration, with the keys that most need, explained
  kitbridge.key             the key ring that seals secrets in the database
  kitbridge-credential.pem  the RSA-3072 key of the application credential

and print the public half of the last one as the marketplace's form wants it.

What exists is kept, and only what is missing is written; so run it again to see
the public key again. With --force kitbridge.yaml is replaced, but never a key:
what was sealed or registered with the old one would be lost. For new keys, move
the old files away yourself.`

func newInitCommand(p process) *cobra.Command {
	var dir string
	var force bool
	c := &cobra.Command{
		Use:     "init",
		Short:   "Write a configuration and keys to begin with",
		Long:    initLong,
		Example: "  kitbridge init --dir /etc/kitbridge",
		GroupID: firstSteps,
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			return initFolder(p.stdout, dir, force)
		},
	}
	c.Flags().StringVar(&dir, "dir", ".", "folder to write into; made if missing")
	c.Flags().BoolVar(&force, "force", false, "replace an existing kitbridge.yaml (never a key)")
	return c
}

// initFolder writes those of the three files that are missing and tells what to do next.
func initFolder(out io.Writer, dir string, force bool) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("folder for the new files: %w", err)
	}
	config, ring, credential := filepath.Join(dir, configName), filepath.Join(dir, keyRingName), filepath.Join(dir, rsaKeyName)
	var done []string
	for _, file := range []struct {
		path    string
		replace bool
		write   func(path string) error
	}{
		{ring, false, writeRing},
		{credential, false, writeRSAKey},
		{config, force, func(path string) error { return writeConfig(path, force) }},
	} {
		there, err := exists(file.path)
		switch {
		case err != nil:
			return err
		case there && !file.replace:
			done = append(done, "  kept     "+file.path)
			continue
		case there:
			done = append(done, "  replaced "+file.path)
		default:
			done = append(done, "  wrote    "+file.path)
		}
		if err := file.write(file.path); err != nil {
			return err
		}
	}
	public, err := publicKey(credential)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, nextSteps, strings.Join(done, "\n"), public, config)
	return err
}

const nextSteps = `%[1]s

Public key of the application credential, for the field 公钥 in the seller
centre (应用凭证管理), one line:

%[2]s

Next:
  1. In %[3]s set public_url, marketplace.keys.kit (the access key that
     the seller centre binds to the joint-operation sync interfaces) and a sink;
     docs/configuration.md explains every key.
  2. Back up both key files, apart from the database.
  3. kitbridge serve --config %[3]s
`

// exists says whether there is anything at path.
func exists(path string) (bool, error) {
	switch _, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for %s: %w", path, err)
	default:
		return true, nil
	}
}

func writeRing(path string) error {
	ring, err := keyring.Generate()
	if err != nil {
		return err
	}
	return ring.WriteNew(path)
}

// writeRSAKey makes a key and writes it as PEM (PKCS #8, RFC 5208).
func writeRSAKey(path string) error {
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return fmt.Errorf("make RSA key: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode RSA key: %w", err)
	}
	return writeNew(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// publicKey returns the public half of the RSA key at path as base64 of its
// SubjectPublicKeyInfo (RFC 5280, section 4.1): a PEM without its header lines, which is
// what the marketplace's form wants.
func publicKey(path string) (string, error) {
	key, err := readPrivateKey(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", fmt.Errorf("encode public key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(public), nil
}

// writeConfig writes the sample. A file that it replaces is there, old or new, at
// every moment.
func writeConfig(path string, replace bool) error {
	if !replace {
		return writeNew(path, sampleConfig)
	}
	fresh := path + ".new"
	if err := writeNew(fresh, sampleConfig); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return errors.Join(fmt.Errorf("replace %s: %w", path, err), os.Remove(fresh))
	}
	return nil
}

// writeNew writes a new file that only its owner may read, and its bytes to the
// disk. After an error there is none.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator's own choice of folder
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(path))
	}
	return nil
}
