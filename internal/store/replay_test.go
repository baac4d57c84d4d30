package store_test

import (
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/push"
)

// randomBody is a push as the marketplace might send it, now and then with a fault.
func randomBody(r *rand.Rand) (orgsync.Kind, []byte) {
	pick := func(from ...any) any { return from[r.IntN(len(from))] }
	code := func() any { return pick("A", "B", "C", "D", "", " bad") }
	at := morning().Add(time.Duration(r.IntN(40)) * time.Second).In(time.FixedZone("UTC+8", 8*60*60))
	m := map[string]any{
		"instanceId": pick("i1", "i1", "i2"), "tenantId": pick("t1", "t1", "t2"), "testFlag": pick(0, 0, 0, 0, 1),
		"timeStamp": at.Format("20060102150405") + "000",
	}
	unit := func() map[string]any {
		return map[string]any{"orgCode": code(), "orgName": pick("x", "产品部"), "parentCode": code()}
	}
	var kind orgsync.Kind
	switch r.IntN(6) {
	case 0:
		kind = orgsync.TenantSync
		m["flag"], m["orderId"], m["tenantCode"], m["name"] = pick(1, 1, 2, 0), "o", pick("c", "d"), pick("n", "名")
		m["domainName"] = "https://t.example.com"
	case 1, 2:
		kind = orgsync.SingleOrgSync
		m["flag"] = pick(1, 2, 0, 1)
		for k, v := range unit() {
			m[k] = v
		}
	case 3:
		kind = orgsync.AllOrgSync
		units := []map[string]any{}
		for range 1 + r.IntN(4) {
			units = append(units, unit())
		}
		m["orgInfoList"] = units
	default:
		kind = orgsync.AuthSync
		m["flag"], m["appId"], m["currentSyncTime"] = pick(1, 1, 2, 0, 3), pick("a", "a", "b"), m["timeStamp"]
		users := []map[string]any{}
		for range 1 + r.IntN(3) {
			u := map[string]any{"userName": pick("u1", "u2", "李四", "u4"), "name": pick("n", "张三"), "orgCode": code(), "role": pick("user", "admin"), "enable": pick("true", "false")}
			if r.IntN(2) == 0 {
				u["mobile"], u["email"], u["position"] = pick("", "13800000001"), "u@example.com", pick("boss", "")
			}
			users = append(users, u)
		}
		m["userList"] = users
	}
	if r.IntN(12) == 0 {
		delete(m, pick("flag", "orgInfoList", "userList", "timeStamp").(string))
	}
	body, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return kind, body
}

// understood makes a push of a body, as the endpoint does.
func understood(kind orgsync.Kind, body []byte, nonce string, signed, received time.Time) orgsync.Push {
	p := orgsync.Push{
		Kind: kind, Nonce: nonce, Digest: sha256.Sum256(body), Body: push.Redact(body), Signed: signed, Received: received, Candidate: "raw",
	}
	p.Message, p.Refused = push.Decode(kind, body, signed)
	return p
}

// rowsOf is everything that the pushes made of an empty database, and the journal itself,
// as text. What is sealed, with other keys in each database, is left out.
func rowsOf(t *testing.T, cfg store.Config) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	behind(t, cfg, func(db *sql.DB) error {
		for table, columns := range map[string]string{
			"scope": "id, realm, tenant, applied, stale, parked, held, refused", "tenant": "*", "instance": "*", "person": "*",
			"assertion": "*", "department": "*", "parked": "*",
			"journal": "id, scope, kind, nonce, digest, signed_at, received_at, refusal, answer, applied, stale, parked, held, refused",
		} {
			rows, err := db.QueryContext(t.Context(), "SELECT "+columns+" FROM "+table)
			if err != nil {
				return err
			}
			defer rows.Close() //nolint:errcheck // Err tells
			names, err := rows.Columns()
			if err != nil {
				return err
			}
			for rows.Next() {
				values, targets := make([]any, len(names)), make([]any, len(names))
				for n := range values {
					targets[n] = &values[n]
				}
				if err := rows.Scan(targets...); err != nil {
					return err
				}
				found[table] = append(found[table], fmt.Sprintf("%q", values))
			}
			if err := rows.Err(); err != nil {
				return err
			}
			slices.Sort(found[table])
		}
		return nil
	})
	return found
}

// TestJournalReplay: the bodies of the journal, read and accepted again by an empty
// database, make the very rows of the database that they came to one by one. Credentials
// are not among them, as the journal keeps no client secret.
func TestJournalReplay(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 7))
		first, second := config(t), config(t)
		lived, replayed := newWorld(t, open(t, first)), newWorld(t, open(t, second))
		accept := func(w *world, p orgsync.Push) {
			t.Helper()
			if _, err := w.acceptor.Accept(t.Context(), p); err != nil {
				t.Fatalf("seed %d: Accept(%s) = %v", seed, p.Body, err)
			}
		}
		var sent []orgsync.Push
		for n := range 60 {
			kind, body := randomBody(r)
			received := morning().Add(time.Minute + time.Duration(n)*time.Second)
			sent = append(sent, understood(kind, body, fmt.Sprint(n), received.Add(-time.Second), received))
			accept(lived, sent[n])
			if r.IntN(5) == 0 {
				accept(lived, sent[r.IntN(len(sent))]) // a repetition, which leaves no trace
			}
		}
		journal, err := lived.Pushes(t.Context())
		if err != nil || len(journal) != len(sent) {
			t.Fatalf("seed %d: the journal holds %d pushes, %v, want %d", seed, len(journal), err, len(sent))
		}
		for _, p := range journal {
			again := understood(p.Kind, p.Body, p.Nonce, p.Signed, p.Received)
			again.Digest = p.Digest
			accept(replayed, again)
		}
		want := rowsOf(t, first)
		if diff := cmp.Diff(want, rowsOf(t, second)); diff != "" {
			t.Errorf("seed %d: lived through and replayed (-lived +replayed):\n%s", seed, diff)
		}
		for _, table := range []string{"tenant", "person", "department", "parked"} {
			if len(want[table]) == 0 {
				t.Errorf("seed %d: %s is empty: nothing was tested", seed, table)
			}
		}
	}
}
