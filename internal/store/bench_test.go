package store_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/orgsync"
)

// BenchmarkUpdate500 is what the store does for a push of 500 users, each of them
// changed, with two sinks: the acknowledgement waits for it.
func BenchmarkUpdate500(b *testing.B) {
	s := open(b, config(b))
	if err := s.OpenSinks(b.Context(), []string{"ldap", "sql"}); err != nil {
		b.Fatal(err)
	}
	round := 0
	push := func() {
		round++
		if err := s.Update(b.Context(), orgsync.Scope{Tenant: "tenant"}, func(tx orgsync.Tx) error {
			return pushOf500(tx, round)
		}); err != nil {
			b.Fatal(err)
		}
	}
	push()
	b.ReportAllocs()
	for b.Loop() {
		push()
	}
}

func pushOf500(tx orgsync.Tx, round int) error {
	body := bytes.Repeat([]byte("{\"userName\":\"user\"}          "), 500*10)
	rec, err := tx.Record(orgsync.Push{
		Kind: orgsync.AuthSync, Nonce: strconv.Itoa(round), Digest: sha256.Sum256(body), Body: body, Signed: time.Unix(1, 0), Received: time.Unix(2, 0),
	})
	if err != nil {
		return err
	}
	if err := tx.PutTenant(orgsync.Tenant{ID: "tenant", Active: true, Announced: true}); err != nil {
		return err
	}
	names := make([]orgsync.UserName, 0, 500)
	for n := range 500 {
		names = append(names, orgsync.UserName(fmt.Sprintf("zhang.san%03d", n)))
	}
	found, err := tx.Grants(names)
	if err != nil {
		return err
	}
	var grants []orgsync.Grant
	var users []orgsync.User
	var keys []orgsync.DirtyKey
	at := time.Unix(1, 0).Add(time.Duration(round) * time.Second)
	var values [len(orgsync.Grant{}.Attributes)]string // the benchmark's own work is not what is measured
	for a := range values {
		values[a] = fmt.Sprintf("value %d of %d", a, round)
	}
	for n, name := range names {
		g := orgsync.Grant{Instance: "instance", App: "app", User: name}
		if round > 1 {
			g = found[name][0]
		}
		g.Granted = orgsync.NewVersion(at, at, orgsync.RankAdd, nil, n)
		u := orgsync.User{Name: name, Status: orgsync.StatusEnabled, Role: orgsync.RoleUser, Grants: []orgsync.UserGrant{
			{Instance: "instance", App: "app", Role: orgsync.RoleUser, Enabled: true},
		}}
		for a, value := range values {
			g.Attributes[a] = orgsync.Register{Value: value, Version: g.Granted}
			u.Attributes = u.Attributes.Set(orgsync.Attribute(a), value)
		}
		grants, users = append(grants, g), append(users, u)
		keys = append(keys, orgsync.DirtyKey{Key: orgsync.Key{Kind: orgsync.UserKey, ID: string(name)}, Urgency: orgsync.Fill})
	}
	for _, err := range []error{
		tx.PutGrants(grants), tx.PutUsers(users), tx.MarkDirty(keys), tx.Settle(rec.ID, orgsync.AnswerOK, orgsync.Tally{500}),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkPostgreSQL does what the other benchmarks do, on a PostgreSQL that does not
// leave the machine.
func BenchmarkPostgreSQL(b *testing.B) {
	postgreSQL.Store(peers.PostgreSQL(b))
	b.Run("Accept500", BenchmarkAccept500)
	b.Run("Update500", BenchmarkUpdate500)
	b.Run("FirstLoad", BenchmarkFirstLoad)
}
