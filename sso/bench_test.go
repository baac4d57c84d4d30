package sso_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/sso"
)

// BenchmarkAuthRequest measures a decision for one of 1 000 live sessions, against a handler that only answers 200.
func BenchmarkAuthRequest(b *testing.B) {
	m := newMemory()
	m.PutTenant(b, sso.Tenant{ID: "t", Live: true})
	m.PutCredential(b, "t", sso.Credential{App: "a", Live: true})
	m.PutAccount(b, "t", "a", "u", sso.Account{Status: sso.AccountActive, Profile: sso.Profile{Name: "张三"}})
	requests := make([]*http.Request, 1000)
	for i := range requests {
		var raw [32]byte
		binary.BigEndian.PutUint64(raw[:], uint64(i))
		id := base64.RawURLEncoding.EncodeToString(raw[:])
		if err := m.CreateSession(context.Background(), sso.NewSession{
			Key: sha256.Sum256([]byte(id)), Tenant: "t", App: "a", User: "u", Created: time.Now(),
			Expires: time.Now().Add(time.Hour), Idle: time.Hour,
		}); err != nil {
			b.Fatal(err)
		}
		requests[i] = httptest.NewRequest(http.MethodGet, "/sso/authz/auth-request", nil)
		requests[i].Header.Set("Cookie", "__Host-kitbridge="+id)
	}
	bare := http.NewServeMux()
	bare.HandleFunc("GET /sso/authz/auth-request", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	for name, handler := range map[string]http.Handler{"bare": bare, "decision": newRP(b, config(b, m, time.Now)).Handler()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, requests[i%len(requests)])
				if w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
				i++
			}
		})
	}
}
