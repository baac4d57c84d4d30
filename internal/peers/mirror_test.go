package peers_test

import (
	"slices"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// TestSlapdMirror writes on each side, also while the other is down.
func TestSlapdMirror(t *testing.T) {
	t.Parallel()
	first, second := peers.SlapdMirror(t, peers.SlapdOptions{NoSync: true})
	arrives := func(d *peers.Directory, dn string) {
		t.Helper()
		conn := dial(t, d.URL(), peers.AdminDN, peers.AdminPassword)
		if !eventually(t, func() bool { return slices.Contains(children(t, conn), dn) }) {
			t.Errorf("%s does not reach %s", dn, d.URL())
		}
	}
	add(t, dial(t, first.URL(), peers.ServiceDN, peers.ServicePassword), "ou=one,"+peers.BaseDN)
	arrives(second, "ou=one,"+peers.BaseDN)
	first.Kill()
	add(t, dial(t, second.URL(), peers.ServiceDN, peers.ServicePassword), "ou=two,"+peers.BaseDN)
	first.Start()
	arrives(first, "ou=two,"+peers.BaseDN)
	add(t, dial(t, first.URL(), peers.ServiceDN, peers.ServicePassword), "ou=three,"+peers.BaseDN)
	arrives(second, "ou=three,"+peers.BaseDN)
}

// TestFreeze: a frozen server answers nobody until it is thawed.
func TestFreeze(t *testing.T) {
	t.Parallel()
	dir := peers.Slapd(t, peers.SlapdOptions{NoSync: true})
	conn := dial(t, dir.URL(), peers.AdminDN, peers.AdminPassword)
	dir.Freeze()
	answered := make(chan error)
	go func() { answered <- conn.Bind(peers.AdminDN, peers.AdminPassword) }()
	select {
	case err := <-answered:
		t.Errorf("a frozen server answered: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	dir.Thaw()
	if err := <-answered; err != nil {
		t.Errorf("thawed: %v", err)
	}
}
