package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/market"
	"github.com/kitbridge/kitbridge/internal/store"
)

// rewrite changes the world's configuration, as an operator would before a restart.
func (w *world) rewrite(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(w.config)
	if err != nil || !strings.Contains(string(text), from) {
		t.Fatalf("%q does not stand in %s: %v", from, text, err)
	}
	if err := os.WriteFile(w.config, []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestLeftTables: of tables that are not meant for a tenant any more plan, check and explain
// say so, before and after its people are disabled.
func TestLeftTables(t *testing.T) {
	t.Parallel()
	w := startBoundWorld(t)
	w.rewrite(t, `"sqlite:product.db"`, `"sqlite:product.db", tenants: [nobody]`)
	const not = "this sink is not meant for the tenant any more (sinks[].tenants): its people are disabled, and deleted purge_after later"
	if got := w.command(t, codePlanned, "plan"); !strings.Contains(got, not) || !strings.Contains(got, " disable user zhangsan ") {
		t.Errorf("plan: %s", got)
	}
	if got := w.command(t, exitOK, "reconcile"); !strings.Contains(got, not) {
		t.Errorf("reconcile: %s", got)
	}
	var enabled int
	if err := w.product(t).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM kit_user WHERE enabled").Scan(&enabled); err != nil || enabled != 0 {
		t.Errorf("%d are enabled, %v", enabled, err)
	}
	if got := w.command(t, exitOK, "plan"); !strings.Contains(got, not) {
		t.Errorf("plan when all are disabled: %s", got)
	}
	_, check, _ := runHere(t, "check", "--config", w.config)
	for _, want := range []string{
		"WARNING  sink product: tenants: nobody: no message has named such a tenant, by id or code; ",
		"WARNING  sink product: tenant " + string(demoTenant) + ": " + not,
	} {
		if !strings.Contains(check, want) {
			t.Errorf("check lacks %q:\n%s", want, check)
		}
	}
	if got := w.command(t, exitOK, "explain", "zhangsan@chenguang"); !strings.Contains(got, "excluded: "+excludedText) {
		t.Errorf("explain: %s", got)
	}
}

// TestPlanLeftUnreachable: whether tables that do not answer hold the tenant is not known, and
// that is no reason to say that there is nothing to do.
func TestPlanLeftUnreachable(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	if err := w.send(t.Context(), market.DemoBuyers()[0].Binding()...); err != nil {
		t.Fatal(err)
	}
	w.rewrite(t, `"sqlite:product.db"`, `"postgres://u:p@127.0.0.1:1/x", tenants: [nobody]`)
	wantNotCompared(t, w, 1)
}

// TestPlanUnreachable: a sink that does not answer is not equal, in no format.
func TestPlanUnreachable(t *testing.T) {
	t.Parallel()
	w := startBoundWorld(t)
	w.rewrite(t, `"sqlite:product.db"}`, `"sqlite:product.db"}
  - {name: gone, type: sql, url: "postgres://u:p@127.0.0.1:1/x"}`)
	wantNotCompared(t, w, 2)
}

// wantNotCompared wants plan to say that the last of the sinks could not be compared.
func wantNotCompared(t *testing.T, w *world, sinks int) {
	t.Helper()
	want := []string{"nothing could be compared (compared: 0 tenants and sinks; not compared: 1)\n", "sink product, "}
	if sinks > 1 {
		want = []string{"nothing to do where it could be compared (compared: 1 tenant and sink; not compared: 1)\n", "sink gone, "}
	}
	want = append(want, "tenant "+string(demoTenant)+": could not be compared: ", "cannot reach the database")
	text := w.command(t, exitFailed, "plan")
	for _, part := range want {
		if !strings.Contains(text, part) {
			t.Errorf("the text lacks %q:\n%s", part, text)
		}
	}
	var saved savedPlan
	if err := json.Unmarshal([]byte(w.command(t, exitFailed, "plan", "--format", "json")), &saved); err != nil {
		t.Fatal(err)
	}
	if len(saved.Plans) != sinks-1 || len(saved.Errors) != 1 || saved.Errors[0].Tenant != demoTenant || !strings.Contains(saved.Errors[0].Error, "cannot reach the database") {
		t.Errorf("the JSON says %+v", saved)
	}
}

// lockedBuffer may be read while it is written.
type lockedBuffer struct {
	mu     sync.Mutex
	text   bytes.Buffer // guarded by mu
	serves chan struct{}
}

// Write implements [io.Writer].
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if bytes.Contains(p, []byte("sink is not meant for")) {
		close(b.serves)
	}
	return b.text.Write(p)
}

// TestServeTellsWhoLeft: serve says it at its start, each once, and nothing of a sink that is meant for all.
func TestServeTellsWhoLeft(t *testing.T) {
	t.Parallel()
	w := startBoundWorld(t)
	out := &lockedBuffer{serves: make(chan struct{})}
	w.bridge.log = newLogger(out, Log{Level: "info", Format: "json"})
	if untold := w.bridge.warnOfTenants(t.Context(), w.bridge.config.Sinks); len(untold) > 0 || out.text.Len() > 0 {
		t.Errorf("all is as it should be, and it says %s, of %v nothing", &out.text, untold)
	}
	w.rewrite(t, `"sqlite:product.db"`, `"sqlite:product.db", purge_after: 40h, tenants: [nobody]`)
	serveOnce(t, w, out)
	for _, want := range []string{
		`"level":"WARN","msg":"sink is meant for tenants that nobody knows","sink":"product","tenants":["nobody"]}`,
		`"level":"WARN","msg":"sink is not meant for tenants that it holds: their people are disabled there, and deleted after purge_after",` +
			`"sink":"product","count":1,"tenant_ids":["` + string(demoTenant) + `"],"purge_after":"40h0m0s"}`,
	} {
		if strings.Count(out.text.String(), want) != 1 {
			t.Errorf("the log lacks %s:\n%s", want, out.text.String())
		}
	}
}

// serveOnce runs the bridge of the world's configuration beside the world's own, until it told who left.
func serveOnce(t *testing.T, w *world, out *lockedBuffer) {
	t.Helper()
	cfg, _, err := loadConfig(w.config, lookup())
	if err != nil {
		t.Fatal(err)
	}
	b, err := openBridge(t.Context(), cfg, newLogger(out, Log{Level: "warn", Format: "json"}), nil)
	if err != nil {
		t.Fatal(err)
	}
	var listeners [2]net.Listener
	for n := range listeners {
		if listeners[n], err = new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- b.run(ctx, listeners[0], listeners[1]) }()
	select {
	case <-out.serves:
	case <-ctx.Done():
		t.Error("it never says who left")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestStrangers(t *testing.T) {
	t.Parallel()
	known := []store.TenantItem{{ID: "t1", Code: "acme"}, {ID: "t2"}}
	for _, tt := range []struct {
		name  string
		names []string
		known []store.TenantItem
		want  []string
	}{
		{"all", []string{"*"}, known, nil},
		{"by id and code", []string{"t1", "acme", "t2"}, known, nil},
		{"a slip", []string{"t1", "acne"}, known, []string{"acne"}},
		{"an empty code is nobody's", []string{"x"}, known, []string{"x"}},
		{"nobody yet", []string{"t1"}, nil, nil},
	} {
		if diff := cmp.Diff(tt.want, strangers(tt.names, tt.known)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
