package sso

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// keySet wraps go-oidc's remote key set, which fetches the keys anew for every token it cannot verify. Here a fetch that
// did not help is followed by a pause, so that a storm of unknown key ids is one fetch per pause, while a key that was
// really rotated is found at once, and known keys go on being used all along.
type keySet struct {
	remote *oidc.RemoteKeySet
	gate   *fetchGate
}

func newKeySet(ctx context.Context, address string, client *http.Client, now func() time.Time) *keySet {
	gate := &fetchGate{next: client.Transport, now: now}
	gated := *client
	gated.Transport = gate
	return &keySet{remote: oidc.NewRemoteKeySet(oidc.ClientContext(ctx, &gated), address), gate: gate}
}

// VerifySignature implements [oidc.KeySet].
func (k *keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	before := k.gate.count()
	payload, err := k.remote.VerifySignature(ctx, jwt)
	if err == nil && k.gate.count() != before {
		k.gate.helped()
	}
	return payload, err //nolint:wrapcheck // a KeySet passes through what the verifier wraps
}

var errKeysPaused = errors.New("keys were fetched a moment ago")

// fetchGate is a transport that lets one request through per pause, unless the last one helped.
type fetchGate struct {
	next http.RoundTripper
	now  func() time.Time

	mu      sync.Mutex
	until   time.Time // under mu: no fetch before
	fetches int       // under mu
}

// RoundTrip implements [http.RoundTripper].
func (g *fetchGate) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Response != nil { // a redirect's second half
		return g.next.RoundTrip(r) //nolint:wrapcheck // a RoundTripper passes errors through
	}
	g.mu.Lock()
	now := g.now()
	if now.Before(g.until) {
		g.mu.Unlock()
		return nil, errKeysPaused
	}
	g.until = now.Add(keyFetchPause)
	g.fetches++
	g.mu.Unlock()
	return g.next.RoundTrip(r) //nolint:wrapcheck // a RoundTripper passes errors through
}

func (g *fetchGate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fetches
}

func (g *fetchGate) helped() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until = time.Time{}
}
