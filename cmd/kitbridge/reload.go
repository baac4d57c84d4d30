package main

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"time"

	"github.com/kitbridge/kitbridge/internal/keyring"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

// lookEvery is how often the configuration is read again without being asked to. What
// differs counts when two looks find the same, so that no half-written file does.
const lookEvery = 2 * time.Second

// isLive says whether a key of the configuration takes effect while the bridge runs. All
// others want a restart.
func isLive(key string) bool {
	switch key {
	case "marketplace.keys.kit", "marketplace.keys.base", "marketplace.keys.v1", "marketplace.private_key_files", "marketplace.clock_skew", "log.level", "sso.tenants":
		return true
	default:
		return false
	}
}

// reading is what one look at the configuration and the keys that it names found.
type reading struct {
	config   Config
	keys     []*rsa.PrivateKey
	ring     *keyring.Ring
	warnings []Warning
	err      error // every fault; then the rest is void
}

// read reads everything anew. It changes nothing.
func read(file string, env func(string) (string, bool)) reading {
	var r reading
	if r.config, r.warnings, r.err = loadConfig(file, env); r.err == nil {
		r.keys, r.err = readPrivateKeys(r.config.Marketplace.PrivateKeyFiles)
	}
	if r.err == nil {
		r.ring, r.err = keyring.Load(r.config.KeyFile)
		if errors.Is(r.err, os.ErrNotExist) { // what is in force stays in force
			r.ring, r.err = nil, nil
		}
		r.err = keyFault(r.config.KeyFile, r.err)
	}
	return r
}

// equal says whether two looks found the same, by contents.
func (r reading) equal(o reading) bool {
	if r.err != nil || o.err != nil {
		return r.err != nil && o.err != nil && r.err.Error() == o.err.Error()
	}
	return reflect.DeepEqual(r.config, o.config) && sameKeys(r.keys, o.keys) && sameRing(r.ring, o.ring)
}

// sameRing compares by fingerprints, in their order.
func sameRing(a, b *keyring.Ring) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.Equal(a.Fingerprints(), b.Fingerprints())
}

func sameKeys(a, b []*rsa.PrivateKey) bool {
	return slices.EqualFunc(a, b, func(a, b *rsa.PrivateKey) bool { return a.Equal(b) })
}

// reloader brings a changed configuration into a running bridge: whole or, if anything is
// wrong with it, not at all. It is used by one goroutine.
type reloader struct {
	read    func() reading
	install func(push.Settings)
	level   *slog.LevelVar
	log     *slog.Logger
	follow  func(context.Context, *keyring.Ring) error  // nil: the key ring stays as it is
	tenants func(context.Context, []StaticTenant) error // nil: they stay as they are

	started Config   // what the parts that want a restart were made of
	current reading  // in force
	last    reading  // the latest that was judged; faulty perhaps
	pending *reading // differs, and was seen once
}

// newReloader returns a reloader for a bridge that runs with what was read.
func newReloader(inForce reading, read func() reading, install func(push.Settings), level *slog.LevelVar, log *slog.Logger) *reloader {
	return &reloader{
		read: read, install: install, level: level, log: log,
		started: inForce.config, current: inForce, last: inForce,
	}
}

// run follows the configuration until ctx ends. A hang-up counts at once.
func (r *reloader) run(ctx context.Context, hangups <-chan os.Signal, ticks <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			r.judge(ctx, r.read())
		case <-ticks:
			r.look(ctx)
		}
	}
}

// look judges what differs when it stays so until the next look.
func (r *reloader) look(ctx context.Context) {
	now := r.read()
	switch {
	case now.equal(r.last):
		r.pending = nil
	case r.pending != nil && now.equal(*r.pending):
		r.judge(ctx, now)
	default:
		r.pending = &now
	}
}

// judge brings a reading into force, or logs each of its faults.
func (r *reloader) judge(ctx context.Context, now reading) {
	r.last, r.pending = now, nil
	if now.err != nil {
		for _, f := range faultsOf(now.err) {
			r.log.ErrorContext(ctx, "configuration is faulty; the old one stays in force", faultAttrs(f)...)
		}
		return
	}
	changed := changedKeys(r.current.config, now.config)
	const files = "marketplace.private_key_files"
	if !sameKeys(r.current.keys, now.keys) && !slices.Contains(changed, files) {
		changed = append(changed, files) // other keys under the same names
	}
	if r.follow != nil && now.ring != nil && now.config.KeyFile == r.started.KeyFile {
		if err := r.follow(ctx, now.ring); err != nil {
			r.last = r.current // looked at again: the database may be back by then
			r.log.ErrorContext(ctx, "the key file is not taken over; the old one stays in force", "error", err.Error())
			return
		}
		if !sameRing(r.current.ring, now.ring) {
			changed = append(changed, "key_file")
		}
	}
	if r.tenants != nil && slices.Contains(changed, "sso.tenants") {
		if err := r.tenants(ctx, now.config.SSO.Tenants); err != nil {
			if _, faulty := errors.AsType[*usageError](err); !faulty {
				r.last = r.current // looked at again: the database may be back by then
			}
			r.log.ErrorContext(ctx, "the tenants of the configuration are not taken over", "error", err.Error())
			return
		}
	}
	restart := slices.DeleteFunc(changedKeys(r.started, now.config), isLive)
	r.current = now
	r.install(pushSettings(now.config.Marketplace, now.keys))
	r.level.Set(levelOf(now.config.Log))
	if len(changed) > 0 {
		logWarnings(ctx, r.log, now.warnings)
	}
	level := slog.LevelInfo
	if len(restart) > 0 {
		level = slog.LevelWarn
	}
	r.log.LogAttrs(ctx, level, "configuration reloaded", slog.Any("changed", orEmpty(changed)), slog.Any("restart_needed", orEmpty(restart)))
}

// orEmpty makes no list an empty one, for scripts that read the log.
func orEmpty(list []string) []string { return append([]string{}, list...) }

// pushSettings are the parts of the endpoint that can change while it runs.
func pushSettings(m Marketplace, keys []*rsa.PrivateKey) push.Settings {
	return push.Settings{
		Verifier: push.Verifier{Keys: revealAll(m.Keys.Kit), Skew: m.ClockSkew},
		Token:    push.TokenVerifier{Keys: revealAll(m.Keys.V1)},
		Base:     push.BaseVerifier{Keys: revealAll(m.Keys.Base), Skew: m.ClockSkew},
		Opener:   push.Opener{Keys: keys},
	}
}

// logWarnings logs what is accepted but deserves a look.
func logWarnings(ctx context.Context, log *slog.Logger, warnings []Warning) {
	for _, w := range warnings {
		log.WarnContext(ctx, "configuration", "at", fmt.Sprintf("%s:%d", w.File, w.Line), "key", w.Key, "warning", w.Text)
	}
}

// faultsOf takes joined faults apart.
func faultsOf(err error) []error {
	if all, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		return all.Unwrap()
	}
	return []error{err}
}

func faultAttrs(err error) []any {
	if f, ok := errors.AsType[fault](err); ok {
		return []any{"at", fmt.Sprintf("%s:%d", f.File, f.Line), "key", f.Key, "error", f.Text}
	}
	return []any{"error", err.Error()}
}

// changedKeys lists the keys in which two configurations differ, in the order of the
// file's description; of a list of sections only the list.
func changedKeys(a, b Config) []string {
	return appendChanged(nil, "", reflect.ValueOf(a), reflect.ValueOf(b))
}

func appendChanged(changed []string, path string, a, b reflect.Value) []string {
	for i := range a.NumField() {
		f, ok := fieldOf(a.Type().Field(i))
		if !ok {
			continue
		}
		key := join(path, f.name)
		switch sub := a.Field(i).Type(); {
		case sub.Kind() == reflect.Struct && !isScalar(sub):
			changed = appendChanged(changed, key, a.Field(i), b.Field(i))
		case !same(a.Field(i), b.Field(i)):
			changed = append(changed, key)
		}
	}
	return changed
}
