package store_test

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// BenchmarkAccept500 accepts authSyncs of 500 users, each with all attributes and every
// one a change: journal, registers, projections and the keys of two sinks, durable.
func BenchmarkAccept500(b *testing.B) {
	s := open(b, config(b))
	if err := s.OpenSinks(b.Context(), []string{"directory", "product"}); err != nil {
		b.Fatal(err)
	}
	acceptor := orgsync.NewAcceptor(s, orgsync.Policy{Guard: orgsync.DefaultGuard()}, nil)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	n := 0
	accept := func(m orgsync.Message) {
		n++
		m.Tenant, m.Instance = "t", "i"
		m.At = start.Add(time.Duration(n) * time.Second)
		m.Stamp = m.At
		nonce := fmt.Sprint(n)
		if _, err := acceptor.Accept(b.Context(), orgsync.Push{
			Message: m, Kind: m.Kind, Nonce: nonce, Digest: sha256.Sum256([]byte(nonce)),
			Body: make([]byte, 140_000), Signed: m.At, Received: m.At,
		}); err != nil {
			b.Fatal(err)
		}
	}
	accept(orgsync.Message{Kind: orgsync.TenantSync, Flag: orgsync.FlagAdd})
	users := make([]orgsync.UserChange, 500)
	for b.Loop() {
		for i := range users {
			name := fmt.Sprintf("user%06d", n%20*500+i)
			var as orgsync.Attributes
			for a := orgsync.AttrName; a <= orgsync.AttrEntryDate; a++ {
				as = as.Set(a, fmt.Sprintf("%s of %s, %d", a, name, n))
			}
			users[i] = orgsync.UserChange{Name: orgsync.UserName(name), Attributes: as.Set(orgsync.AttrEnable, "true")}
		}
		accept(orgsync.Message{Kind: orgsync.AuthSync, Flag: orgsync.FlagModify, App: "a", Users: users})
	}
	b.ReportMetric(500*float64(b.N)/b.Elapsed().Seconds(), "users/s")
}
