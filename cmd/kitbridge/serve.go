package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/keyring"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 120 * time.Second
	// shutdownTimeout is how long requests under way may take to finish.
	shutdownTimeout = 15 * time.Second
	maxHeaderBytes  = 64 << 10
)

const serveLong = `Run the bridge: take the marketplace's messages in, keep the sinks equal to them
and sign people in, until SIGTERM or Ctrl-C.

SIGHUP reads the configuration again; so does a change of it, within seconds. New
keys of the marketplace, private keys, clock_skew, sso.tenants and log.level take
effect at once, the rest after a restart. If anything in it is wrong, all stays as
it was.

It stops in order: no new connections, requests under way finish, what is being
delivered is recorded, the database is closed. What was acknowledged is never
lost, however the process ends.

Exit codes: 0 stopped as told, 1 failed, 2 the configuration is wrong.`

func newServeCommand(p process) *cobra.Command {
	var file string
	var takeOvers []string
	c := &cobra.Command{
		Use:     "serve [--config FILE] [--take-over SINK]...",
		Short:   "Run the bridge",
		Long:    serveLong,
		Example: "  kitbridge serve --config /etc/kitbridge/kitbridge.yaml",
		GroupID: firstSteps,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, warnings, err := loadConfig(file, p.env)
			if err != nil {
				return err
			}
			if err := checkSinkNames("--take-over", cfg, takeOvers); err != nil {
				return err
			}
			level := new(slog.LevelVar)
			level.Set(levelOf(cfg.Log))
			log := newLoggerAt(p.stderr, cfg.Log.Format, level)
			logWarnings(c.Context(), log, warnings)
			hangups := make(chan os.Signal, 1) // from here on SIGHUP ends nothing
			signal.Notify(hangups, syscall.SIGHUP)
			defer signal.Stop(hangups)
			return serve(c.Context(), cfg, log, func(b *bridge) {
				for _, name := range takeOvers {
					b.keepers[name].takeOver.Store(true)
				}
				r := newReloader(b.inForce, func() reading { return read(file, p.env) }, func(s push.Settings) { b.settings.Store(&s) }, level, log)
				r.follow = func(ctx context.Context, ring *keyring.Ring) error { return b.ring.follow(ctx, b.store, ring) }
				r.tenants = b.useTenants
				b.reload = func(ctx context.Context) {
					ticker := time.NewTicker(lookEvery)
					defer ticker.Stop()
					r.run(ctx, hangups, ticker.C)
				}
			})
		},
	}
	c.Flags().StringVar(&file, "config", configName, "the configuration file")
	c.Flags().StringArrayVar(&takeOvers, "take-over", nil, "make this sink ours, once, although another bridge keeps it (repeatable; see take-over --help)")
	return c
}

// gcPercent trades memory for the time that a push waits: most of what one allocates is
// dead when it is answered, so collecting less often is the cheaper (runtime/debug). The
// variable GOGC has the last word.
const gcPercent = 300

// serve opens the bridge, prepares it, listens and runs until ctx ends.
func serve(ctx context.Context, cfg Config, log *slog.Logger, prepare func(*bridge)) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	b, err := openBridge(ctx, cfg, log, nil)
	if err != nil {
		return err
	}
	prepare(b)
	b.tellRestoration(ctx)
	public, admin, err := listen(ctx, cfg)
	if err != nil {
		return errors.Join(err, b.close())
	}
	log.InfoContext(ctx, "serving", "public", public.Addr().String(), "admin", admin.Addr().String(), "version", version())
	return b.run(ctx, public, admin)
}

func version() string { return build().Version }

// build is which build this process runs.
func build() buildVersion {
	info, _ := debug.ReadBuildInfo()
	return versionOf(info)
}

// listen opens both listeners or none.
func listen(ctx context.Context, cfg Config) (public, admin net.Listener, err error) {
	var lc net.ListenConfig
	if public, err = lc.Listen(ctx, "tcp", cfg.Listen); err != nil {
		return nil, nil, listenFault("listen", cfg.Listen, err)
	}
	if admin, err = lc.Listen(ctx, "tcp", cfg.Admin.Listen); err != nil {
		return nil, nil, errors.Join(listenFault("admin.listen", cfg.Admin.Listen, err), public.Close())
	}
	return public, admin, nil
}

// run serves until ctx ends or a part fails, then stops in order and closes the bridge.
func (b *bridge) run(ctx context.Context, public, admin net.Listener) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	// The background outlives the requests: what they commit is still delivered.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	servers := []*http.Server{newServer(b.public, b.log), newServer(b.admin, b.log)}
	// A proxy that ends TLS before us may pass its browsers' HTTP/2 on.
	servers[0].Protocols = new(http.Protocols)
	servers[0].Protocols.SetHTTP1(true)
	servers[0].Protocols.SetUnencryptedHTTP2(true)
	var parts sync.WaitGroup
	start := func(run func() error) {
		parts.Go(func() {
			if err := run(); err != nil && !errors.Is(err, http.ErrServerClosed) {
				fail(err)
			}
		})
	}
	start(func() error { return servers[0].Serve(public) })
	start(func() error { return servers[1].Serve(admin) })
	start(func() error { return b.dispatcher.Run(background) })
	start(func() error { return b.store.Run(background) })
	start(func() error { b.releaseDue(background); return nil })
	start(func() error { b.tend(background); return nil })
	start(func() error { b.tellLeft(background); return nil })
	for _, d := range b.drifters {
		start(func() error { b.watchDrift(background, d); return nil })
	}
	if b.reload != nil {
		start(func() error { b.reload(background); return nil })
	}
	<-ctx.Done()
	b.log.InfoContext(ctx, "stopping")
	// 1. No new connections; requests under way finish.
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	var faults []error
	for _, s := range servers {
		if err := s.Shutdown(deadline); err != nil {
			faults = append(faults, fmt.Errorf("requests did not finish in time: %w", err), s.Close())
		}
	}
	// 2. Deliveries under way are recorded. From here on nothing writes.
	stop()
	parts.Wait()
	// 3. The sinks and, last, the database.
	faults = append(faults, b.close())
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		faults = append([]error{cause}, faults...)
	}
	return errors.Join(faults...)
}

// dueEvery is how often messages from the future are looked at.
const dueEvery = time.Second

// releaseDue applies messages that fell due, until ctx ends. Revocations are among them,
// so it shares its goroutine with nothing that could take long.
func (b *bridge) releaseDue(ctx context.Context) {
	due := time.NewTicker(dueEvery)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-due.C:
			if err := b.acceptor.ReleaseDue(ctx, now); err != nil && ctx.Err() == nil {
				b.log.WarnContext(ctx, "messages that are due were not applied", "error", err.Error())
			}
		}
	}
}

// tend deletes what was kept long enough, until ctx ends. It begins at once: a process
// that is restarted every half hour must not keep bodies for ever.
func (b *bridge) tend(ctx context.Context) {
	purge := time.NewTicker(purgeEvery(b.config.Sinks))
	defer purge.Stop()
	for {
		b.forgetBodies(ctx)
		b.purgeEnded(ctx, time.Now())
		b.purge(ctx)
		b.expire(ctx, time.Now())
		select {
		case <-ctx.Done():
			return
		case <-purge.C:
		}
	}
}

// purge deletes the rows of users and tenants that were removed long enough ago.
func (b *bridge) purge(ctx context.Context) {
	for _, p := range b.purgers {
		n, err := p.Purge(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			b.log.WarnContext(ctx, "purge failed", "sink", p.Name(), "error", err.Error())
		case n > 0:
			b.log.InfoContext(ctx, "purged", "sink", p.Name(), "rows", n)
		}
	}
}

// forgetBodies drops the bodies of the journal that were kept long enough.
func (b *bridge) forgetBodies(ctx context.Context) {
	n, err := b.store.ForgetBodies(ctx, time.Now().Add(-b.config.Journal.Retention))
	switch {
	case err != nil && ctx.Err() == nil:
		b.log.WarnContext(ctx, "bodies of the journal were not dropped", "error", err.Error())
	case n > 0:
		b.log.InfoContext(ctx, "bodies of the journal dropped", "pushes", n)
	}
}

func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           survivePanics(h, log),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// survivePanics answers 503 where a handler broke down, and says so where somebody looks:
// the server's own line about it is as quiet as its lines about strangers' connections.
func survivePanics(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // the value itself, by its contract
				panic(p)
			}
			// Only the kind: the value may hold what was being worked on.
			log.ErrorContext(r.Context(), "a request broke down", "path", r.URL.Path, "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, "the service is in trouble", http.StatusServiceUnavailable)
		}()
		next.ServeHTTP(w, r)
	})
}
