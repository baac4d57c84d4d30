package push

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Generation is a version of the marketplace's interfaces.
type Generation string

// The generations.
const (
	// V1 signs with authToken and wants signed answers.
	V1 Generation = "v1"
	// V2 signs with x-sign.
	V2 Generation = "v2"
)

// The paths of the kit interfaces below the production address (access guide, kit pages
// of either generation).
const (
	pathV1 = "/produceAPI/"
	pathV2 = "/produceAPI/v2/"
)

// generation says by path and method which generation a request belongs to. The base
// interfaces share one address: V1 calls it with GET, V2 with POST.
func (h *Handler) generation(r *http.Request) Generation {
	below, isBelow := strings.CutPrefix(r.URL.Path, h.config.Path+pathV1)
	if isBelow && !strings.HasPrefix(below, "v2/") || !isBelow && r.Method == http.MethodGet {
		return V1
	}
	return V2
}

// record is what the log line of one request says. It is built up on the way and holds
// nothing of an unverified request but its size.
type record struct {
	release    func() // gives back what a long body took
	id         string
	kind       orgsync.Kind // zero: none of the sync interfaces
	generation Generation
	settings   Settings
	started    time.Time
	bytes      int
	forwarded  bool
	tenant     orgsync.TenantID
	realm      orgsync.Realm
	candidate  Candidate
	key        int // -1: no key made the signature
	receipt    orgsync.Receipt
}

// verify checks the signature by the rules of the request's generation.
func (rec *record) verify(h http.Header, body []byte) (Verified, error) {
	if rec.generation == V1 {
		return rec.settings.Token.Verify(h, body)
	}
	return rec.settings.Verifier.Verify(h, body, rec.started)
}

// answerKey is the key that signs the answer: the one that made the request's signature,
// else the newest. The second generation has none.
func (rec *record) answerKey() string {
	if rec.generation != V1 {
		return ""
	}
	return rec.settings.Token.keyAt(rec.key)
}

// Observation is what is counted of one request. It names no tenant and no person.
type Observation struct {
	Generation Generation
	// Kind is the interface; zero for a base call and for what is no interface.
	Kind orgsync.Kind
	// Result is the code answered, empty where Config.Base answered.
	Result string
	// Candidate and KeyIndex say what matched; "" and -1 where no signature was good.
	Candidate Candidate
	KeyIndex  int
	// Elapsed is the time from the request's header to the end of the answer.
	Elapsed time.Duration
	// Bytes is the length of the body as far as it was read.
	Bytes int
	// Repeated: the push was known, and Tally is empty.
	Repeated bool
	// Tally counts the changes of the push by verdict.
	Tally orgsync.Tally
}

func (h *Handler) observe(rec *record, result Result) {
	if h.config.Observe == nil {
		return
	}
	o := Observation{
		Generation: rec.generation, Kind: rec.kind, Result: result.Code, Candidate: rec.candidate, KeyIndex: rec.key,
		Elapsed: h.config.Now().Sub(rec.started), Bytes: rec.bytes, Repeated: rec.receipt.Repeated,
	}
	if !o.Repeated {
		o.Tally = rec.receipt.Tally
	}
	h.config.Observe(o)
}

// log writes the one line of a request.
func (h *Handler) log(ctx context.Context, rec *record, result Result, err error) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("request_id", rec.id),
		slog.String("result", result.Code),
		slog.String("generation", string(rec.generation)),
		slog.Int("bytes", rec.bytes),
		slog.String("elapsed", h.config.Now().Sub(rec.started).String()),
	}
	if rec.kind != 0 {
		attrs = append(attrs, slog.String("kind", rec.kind.String()))
	}
	if rec.candidate != "" {
		attrs = append(attrs, rec.verified()...)
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	if result.Code == codeInternal && !errors.Is(err, ErrNotServed) {
		level = slog.LevelError
	}
	h.config.Logger.LogAttrs(ctx, level, "push", attrs...)
}

// verified is what the line says of a request whose signature was good.
func (rec *record) verified() []slog.Attr {
	attrs := []slog.Attr{
		slog.String("candidate", string(rec.candidate)),
		slog.Int("key_index", rec.key),
		slog.String("realm", rec.realm.String()),
	}
	if orgsync.CheckKey(string(rec.tenant)) == nil { // else it may be any text
		attrs = append(attrs, slog.String("tenant_id", string(rec.tenant)))
	}
	if rec.receipt.ID == 0 {
		return attrs
	}
	attrs = append(attrs, slog.Int64("journal_id", int64(rec.receipt.ID)))
	if rec.receipt.Repeated {
		return append(attrs, slog.Bool("repeated", true))
	}
	for verdict, n := range rec.receipt.Tally {
		if n != 0 {
			attrs = append(attrs, slog.Int64(orgsync.Verdict(verdict).String(), n))
		}
	}
	return attrs
}
