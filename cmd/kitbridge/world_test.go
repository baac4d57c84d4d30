package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/market"
)

const (
	worldKey   = "0123456789abcdef-kit-key"
	worldToken = "0123456789abcdef0123456789abcdef"
	worldYAML  = `public_url: "https://app.example.com"
database: "sqlite:kitbridge.db"
marketplace:
  keys: {kit: ["` + worldKey + `"], v1: ["` + worldKey + `"]}
  private_key_files: ["` + rsaKeyName + `"]
sinks:
  - {name: product, type: sql, url: "sqlite:product.db"}
admin: {token: "` + worldToken + `"}
log: {level: error}
`
)

// world is a running bridge with what the operator's commands need to reach it.
type world struct {
	config        string // the path of kitbridge.yaml
	public, admin string // addresses
	publicKey     string
	market        *market.Client
	bridge        *bridge
}

// startWorld runs a bridge on a new database until the test ends.
func startWorld(t *testing.T) *world {
	t.Helper()
	return startWorldOn(t, worldYAML)
}

// startBoundWorld runs a bridge to which the first buyer of the demonstration is bound, with
// every sink up to date.
func startBoundWorld(t *testing.T) *world {
	t.Helper()
	w := startWorld(t)
	if err := w.send(t.Context(), market.DemoBuyers()[0].Binding()...); err != nil {
		t.Fatal(err)
	}
	if err := w.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// startWorldOn runs a bridge with another configuration.
func startWorldOn(t *testing.T, yaml string) *world {
	t.Helper()
	config := filepath.Join(t.TempDir(), configName)
	for name, text := range map[string][]byte{configName: []byte(yaml), rsaKeyName: credentialPEM()} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(config), name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w, stop, err := openWorld(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// credentialPEM is made once: a key of that size takes a while.
var credentialPEM = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

// openWorld runs the bridge of a configuration until stop is called.
func openWorld(ctx context.Context, config string) (w *world, stop func() error, err error) {
	cfg, _, err := loadConfig(config, lookup())
	if err != nil {
		return nil, nil, err
	}
	b, err := openBridge(ctx, cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return nil, nil, err
	}
	public, admin := httptest.NewServer(b.public), httptest.NewServer(b.admin)
	running, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- b.dispatcher.Run(running) }()
	stop = func() error {
		public.Close()
		admin.Close()
		cancel()
		err := <-done
		if errors.Is(err, context.Canceled) { // it had not begun yet
			err = nil
		}
		return errors.Join(err, b.close())
	}
	keys, err := readPrivateKeys(cfg.Marketplace.PrivateKeyFiles)
	if err != nil {
		return nil, nil, err
	}
	w = &world{config: config, public: public.URL + cfg.Marketplace.Path, admin: admin.URL, bridge: b, publicKey: spki(&keys[0].PublicKey)}
	w.market, err = market.NewClient(market.Config{
		Target: w.public, Key: cfg.Marketplace.Keys.Kit[0].Reveal(), PublicKey: &keys[0].PublicKey, Now: time.Now,
		HTTP: &http.Client{Timeout: 20 * time.Second},
	})
	return w, stop, err
}

func spki(k *rsa.PublicKey) string {
	der, _ := x509.MarshalPKIXPublicKey(k)
	return base64.StdEncoding.EncodeToString(der)
}

// settle waits until no sink is owed anything.
func (w *world) settle(ctx context.Context) error {
	for {
		status, err := w.bridge.store.Status(ctx)
		if err != nil {
			return err
		}
		var pending int64
		for _, s := range status.Sinks {
			pending += s.Pending
		}
		if pending == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// send delivers messages that must be accepted.
func (w *world) send(ctx context.Context, messages ...market.Message) error {
	for _, m := range messages {
		result, err := w.market.Send(ctx, m)
		if err != nil {
			return err
		}
		if !result.OK() {
			return fmt.Errorf("%T: %+v", m, result)
		}
	}
	return nil
}

// command runs a command line with the world's configuration and wants its exit code.
func (w *world) command(t *testing.T, want int, args ...string) string {
	t.Helper()
	code, stdout, stderr := runHere(t, append(args, "--config", w.config)...)
	if code != want {
		t.Fatalf("kitbridge %s: exit %d, want %d; stderr: %s\nstdout: %s", strings.Join(args, " "), code, want, stderr, stdout)
	}
	return stdout
}

// prepareDatabase is a program for scripts: it plays the marketplace to the bridge of the
// configuration that its argument names, until all is delivered and one list is held.
func prepareDatabase() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := func() error {
		w, stop, err := openWorld(ctx, os.Args[1])
		if err != nil {
			return err
		}
		b := market.DemoBuyers()[0]
		none := b.AllOrgSync()
		none.Departments = nil
		return errors.Join(w.send(ctx, append(b.Binding(), none)...), w.settle(ctx), stop())
	}()
	if code := report(os.Stderr, err); code != exitOK {
		os.Exit(code)
	}
}
