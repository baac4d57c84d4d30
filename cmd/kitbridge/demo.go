package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/market"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

const demoLong = `Run everything in one process, without any set-up: a bridge on SQLite, a
simulated marketplace with two buyers and their auth centre, and a small legacy
product behind the sign-in. If slapd is installed, a private directory too.

All of it lives in a temporary folder and ends with Ctrl-C.

To try the sign-in before a product of your own, give --public-url: the address of
your web server, which asks this bridge about each request. docs/sign-in.md tells how.

With --defect the auth centre is wrong in one way, to see what people and the log
are told then; see kitbridge demo --defect list.`

// demoOptions is what the command line may change.
type demoOptions struct {
	listen    string
	publicURL string
	ldap      string
	log       bool
	defect    string
}

func newDemoCommand(p process) *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use:     "demo",
		Short:   "See it work: two buyers, a product and a sign-in, in one process",
		Long:    demoLong,
		Example: "  kitbridge demo\n  kitbridge demo --defect id-token-no-sub --log",
		GroupID: firstSteps,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.defect == "list" {
				return listDefects(p.stdout)
			}
			return runDemo(c.Context(), o, p)
		},
	}
	c.Flags().StringVar(&o.listen, "listen", "127.0.0.1:8080", "address of the product; port 0 takes a free one")
	c.Flags().StringVar(&o.publicURL, "public-url", "", "where browsers come, if a web server of yours on this machine stands before it, such as http://127.0.0.1:8000")
	c.Flags().StringVar(&o.ldap, "ldap", "", "an existing directory instead of a private one: ldap://BINDDN:PASSWORD@HOST:PORT/BASEDN, percent-encoded")
	c.Flags().StringVar(&o.defect, "defect", "", "make the auth centre wrong in one way, by a name of --defect list")
	c.Flags().BoolVar(&o.log, "log", false, "show the bridge's log")
	return c
}

// demo is a running demonstration.
type demo struct {
	dir       string
	config    Config
	log       *slog.Logger
	key       *rsa.PrivateKey
	publicURL string // where browsers come
	public    net.Listener
	admin     net.Listener
	centre    net.Listener
	buyers    []*market.Buyer
	auth      *ssotest.Centre
	defect    ssotest.Defect
	directory *demoDirectory
	product   *demoProduct
}

func runDemo(ctx context.Context, o demoOptions, p process) (err error) {
	defect, err := findDefect(o.defect)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "kitbridge-demo-")
	if err != nil {
		return fmt.Errorf("folder of the demonstration: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	log := slog.New(slog.DiscardHandler)
	if o.log {
		log = newLogger(p.stderr, Log{Level: "info", Format: "text"})
	}
	d := &demo{dir: dir, log: log, defect: defect, buyers: market.DemoBuyers()}
	if err := d.prepare(ctx, o); err != nil {
		return errors.Join(err, d.close())
	}
	defer func() { err = errors.Join(err, d.close()) }()
	return d.run(ctx, p.stdout)
}

// prepare opens the listeners and writes the files.
func (d *demo) prepare(ctx context.Context, o demoOptions) error {
	if err := d.listen(ctx, o.listen); err != nil {
		return err
	}
	var err error
	d.publicURL = d.address()
	if o.publicURL != "" {
		if d.publicURL, err = checkOrigin(o.publicURL); err != nil {
			return &usageError{fmt.Errorf("--public-url: %w", err)}
		}
	}
	if err = writeRSAKey(d.credential()); err != nil {
		return err
	}
	if d.key, err = readPrivateKey(d.credential()); err != nil {
		return err
	}
	if d.directory, err = openDemoDirectory(ctx, d.dir, o.ldap); err != nil {
		return err
	}
	d.auth, err = market.NewAuthCentre("http://"+d.centre.Addr().String(), d.publicURL+"/sso/callback", time.Now, d.buyers...)
	if err != nil {
		return err
	}
	d.auth.SetDefect(d.defect)
	if d.config, err = d.configure(); err != nil {
		return err
	}
	d.product, err = openDemoProduct(filepath.Join(d.dir, "product.db"))
	return err
}

func (d *demo) listen(ctx context.Context, address string) error {
	var lc net.ListenConfig
	var err error
	if d.public, err = lc.Listen(ctx, "tcp", address); err != nil {
		return fmt.Errorf("--listen: %w; choose another with --listen 127.0.0.1:8090, or a free one with --listen 127.0.0.1:0", err)
	}
	if d.admin, err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	d.centre, err = lc.Listen(ctx, "tcp", "127.0.0.1:0")
	return err
}

func (d *demo) credential() string { return filepath.Join(d.dir, rsaKeyName) }

// address is where the bridge itself is reached, whatever stands before it.
func (d *demo) address() string { return "http://" + d.public.Addr().String() }

// configure builds what a kitbridge.yaml would say.
func (d *demo) configure() (Config, error) {
	access, err := randomHex()
	if err != nil {
		return Config{}, err
	}
	token, err := randomHex()
	if err != nil {
		return Config{}, err
	}
	c := defaultConfig()
	c.Listen, c.Admin.Listen = d.public.Addr().String(), d.admin.Addr().String()
	c.PublicURL = d.publicURL
	if d.publicURL != d.address() {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	c.Database = NewSecret("sqlite:" + filepath.Join(d.dir, "kitbridge.db"))
	c.KeyFile = filepath.Join(d.dir, "kitbridge.key")
	c.Migrate = "auto"
	c.Marketplace.PrivateKeyFiles = []string{d.credential()}
	c.Marketplace.Keys.Kit = []Secret{NewSecret(access)}
	c.Admin.Token = NewSecret(token)
	demoProfile(&c.SSO, d.defect)
	c.SSO.AppID = d.buyers[0].AppID
	c.SSO.UnifiedLoginURL = d.auth.UnifiedLoginURL()
	c.SSO.AllowInsecureAuthCentres = true
	c.SSO.Chooser = "list"
	tables := defaultSink()
	tables.Name, tables.Type, tables.Tenants = "product", sinkSQL, []string{"*"}
	tables.URL = []Secret{NewSecret("sqlite:" + filepath.Join(d.dir, "product.db"))}
	c.Sinks = []Sink{tables}
	if d.directory != nil {
		c.Sinks = append(c.Sinks, d.directory.sink)
	}
	return c, nil
}

func randomHex() (string, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return hex.EncodeToString(b), nil
}

// run plays the marketplace against the bridge and serves until ctx ends.
func (d *demo) run(ctx context.Context, out io.Writer) error {
	b, err := openBridge(ctx, d.config, d.log, d.product)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	centre := newServer(d.auth, d.log)
	go func() {
		if err := centre.Serve(d.centre); !errors.Is(err, http.ErrServerClosed) {
			cancel(err)
		}
	}()
	defer func() { _ = centre.Close() }() // ends the goroutine above
	go func() {
		if err := d.play(ctx, b, out); err != nil && ctx.Err() == nil {
			cancel(fmt.Errorf("the simulated marketplace: %w", err))
		}
	}() // ends with ctx
	return b.run(ctx, d.public, d.admin)
}

// play sends what the marketplace sends when two buyers bind the product, then says
// what there is to see.
func (d *demo) play(ctx context.Context, b *bridge, out io.Writer) error {
	client, err := market.NewClient(market.Config{
		Target: d.address() + d.config.Marketplace.Path, Key: d.config.Marketplace.Keys.Kit[0].Reveal(),
		PublicKey: &d.key.PublicKey, Now: time.Now,
	})
	if err != nil {
		return err
	}
	for _, buyer := range d.buyers {
		if err := client.Bind(ctx, buyer); err != nil {
			return err
		}
	}
	trouble, err := settle(ctx, b)
	if err != nil {
		return err
	}
	script, err := d.writePushScript()
	if err != nil {
		return err
	}
	d.explain(out, script, trouble)
	return nil
}

// settle waits until the sinks hold what was pushed. It does not wait for one that
// refuses or keeps silent, but returns what is wrong with it.
func settle(ctx context.Context, b *bridge) (trouble string, err error) {
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := b.status(ctx)
		if err != nil {
			return "", err
		}
		var pending int64
		for _, s := range status.Sinks {
			pending += s.Pending
		}
		if pending == 0 {
			return "", nil
		}
		for _, ill := range b.degraded(ctx) {
			return ill.What + ": " + ill.Why, nil
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return fmt.Sprintf("%d entries are still to be written; --log shows more", pending), nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func (d *demo) close() error {
	var faults []error
	for _, l := range []net.Listener{d.public, d.admin, d.centre} {
		if l != nil {
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				faults = append(faults, err)
			}
		}
	}
	if d.product != nil {
		faults = append(faults, d.product.Close())
	}
	if d.directory != nil {
		faults = append(faults, d.directory.Close())
	}
	return errors.Join(faults...)
}
