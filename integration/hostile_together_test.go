//go:build integration

package integration_test

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"
)

// TestHostileTogether: strangers who send long bodies at the same time get answers of
// the protocol, share a bounded memory, and keep nobody else from being served.
func TestHostileTogether(t *testing.T) {
	t.Parallel()
	b := startBridge(t, "")
	before := b.residentKB(t)
	body := append([]byte(`{"userList":[1`), bytes.Repeat([]byte(",1"), 2<<20)...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var strangers sync.WaitGroup
	for range 64 {
		strangers.Go(func() {
			status, got, err := b.post(ctx, signed{
				name: "authSync", nonce: "n", timestamp: signText("", nil).timestamp, signature: "00", body: body,
			})
			// A connection that is closed while the body is under way is an answer too.
			if err == nil && (status != 200 || got.Code == accepted) {
				t.Errorf("a stranger's long body was answered %d %+v", status, got)
			}
		})
	}
	m := newBuyer("together").tenantSync(flagAdd, time.Now())
	if got := b.mustSend(t, signedPush(t, m.name, m.body)); got.Code != accepted {
		t.Errorf("a push among strangers was answered %+v", got)
	}
	strangers.Wait()
	if after := b.residentKB(t); after > before+256<<10 {
		t.Errorf("resident memory went from %d to %d KiB", before, after)
	} else {
		t.Logf("resident memory went from %d to %d KiB", before, after)
	}
}
