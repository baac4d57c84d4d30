package push

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// DefaultMaxBody is the longest body taken where nothing else is configured, in bytes. A
// push of 500 users with all fields is below 1 MiB.
const DefaultMaxBody = 5 << 20

// acceptTimeout ends a transaction that hangs before the marketplace gives up, which is
// after 20 seconds (access guide, FAQ on interface debugging).
const acceptTimeout = 15 * time.Second

// Acceptor takes a verified push in, as [orgsync.Acceptor] does. When it returns a
// receipt the push is durable; the same push again gets the same answer. When it returns
// an error nothing was written: orgsync.ErrReplay if the nonce came before with another
// body, anything else if the push should be sent again. It must be safe for concurrent
// use.
type Acceptor interface {
	Accept(ctx context.Context, p orgsync.Push) (orgsync.Receipt, error)
}

// Settings are what can change while the endpoint runs, when keys are rotated.
type Settings struct {
	Verifier Verifier
	Opener   Opener
}

// Config is what an endpoint is made of.
type Config struct {
	// Path is the path of the production address, for example /marketplace. Empty or
	// "/" means that the address has none. Required otherwise to begin with a slash.
	Path string
	// Settings returns the keys in force. It is called once for each push, by several
	// goroutines at a time. Required.
	Settings func() Settings
	// Acceptor takes what was verified. Required.
	Acceptor Acceptor
	// MaxBody is the longest body taken, in bytes. Default: [DefaultMaxBody].
	MaxBody int64
	// Now is the clock. Required.
	Now func() time.Time
	// Logger gets one line for each push. Required.
	Logger *slog.Logger
}

// Handler is the endpoint that the marketplace calls: the sync interfaces of the second
// generation below the production address, and a refusal for everything else there. It
// is safe for concurrent use.
//
// The answer is always HTTP 200 with a [Result], because the marketplace takes any other
// status for a broken network; only a body that is too long gets 413, before it is read.
type Handler struct {
	config Config
	mux    *http.ServeMux
}

// New checks the configuration and reports all that is missing. It starts nothing.
func New(cfg Config) (*Handler, error) {
	cfg.Path = strings.TrimSuffix(cfg.Path, "/")
	cfg.MaxBody = cmp.Or(cfg.MaxBody, DefaultMaxBody)
	var faults []error
	for _, need := range []struct {
		ok  bool
		say string
	}{
		{cfg.Path == "" || cfg.Path[0] == '/', "path does not begin with a slash"},
		{!strings.ContainsAny(cfg.Path, "{} ?#%"), "path holds one of {}?#% or a blank"},
		{cfg.Path == "" || path.Clean(cfg.Path) == cfg.Path, "path is not clean"},
		{cfg.MaxBody > 0, "longest body is negative"},
		{cfg.Settings != nil, "settings are missing"},
		{cfg.Acceptor != nil, "acceptor is missing"},
		{cfg.Now != nil, "clock is missing"},
		{cfg.Logger != nil, "logger is missing"},
	} {
		if !need.ok {
			faults = append(faults, errors.New(need.say))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	h := &Handler{config: cfg, mux: http.NewServeMux()}
	for _, kind := range kinds() {
		h.mux.HandleFunc("POST "+cfg.Path+"/produceAPI/v2/"+kind.String(), h.serve(kind, h.push))
	}
	h.mux.HandleFunc(cfg.Path+"/", h.serve(0, refuseInterface))
	h.mux.HandleFunc(cfg.Path+"/{$}", h.serve(0, refuseBase))
	if cfg.Path != "" {
		h.mux.HandleFunc(cfg.Path, h.serve(0, refuseBase))
	}
	return h, nil
}

func kinds() []orgsync.Kind {
	return []orgsync.Kind{
		orgsync.TenantSync, orgsync.ApplicationSync, orgsync.AuthSync,
		orgsync.SingleOrgSync, orgsync.AllOrgSync,
	}
}

// ServeHTTP answers one call of the marketplace.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// record is what the log line of one push says. It is built up on the way and holds
// nothing of an unverified request but its size.
type record struct {
	id        string
	kind      orgsync.Kind
	started   time.Time
	bytes     int
	tenant    orgsync.TenantID
	realm     orgsync.Realm
	candidate Candidate
	key       int
	receipt   orgsync.Receipt
}

// action serves one request. Its error becomes the answer and the log line.
type action func(w http.ResponseWriter, r *http.Request, rec *record) error

func (h *Handler) serve(kind orgsync.Kind, act action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rec := &record{id: rand.Text(), kind: kind, started: h.config.Now(), key: -1}
		err := act(w, r, rec)
		result := ResultOf(err)
		if result.Code == codeInternal {
			result.Message += " (request " + rec.id + ")"
		}
		answer(w, err, result)
		h.log(r.Context(), rec, result, err)
	}
}

// push takes one message: limit and read, verify, decode, open the secret, accept.
func (h *Handler) push(w http.ResponseWriter, r *http.Request, rec *record) error {
	body, err := h.read(w, r)
	if err != nil {
		return err
	}
	rec.bytes = len(body)
	settings := h.config.Settings()
	verified, err := settings.Verifier.Verify(r.Header, body, rec.started)
	if err != nil {
		return err
	}
	rec.candidate, rec.key = verified.Candidate, verified.KeyIndex
	p := orgsync.Push{
		Kind: rec.kind, Nonce: verified.Nonce, Digest: sha256.Sum256(body), Body: Redact(body),
		Signed: verified.Signed, Received: rec.started, Candidate: string(verified.Candidate),
	}
	p.Message, p.Refused = understand(settings.Opener, rec.kind, body, verified.Signed)
	rec.tenant, rec.realm = p.Message.Tenant, p.Message.Realm

	// From here on the peer's hang-up must not undo what is being written.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), acceptTimeout)
	defer cancel()
	if rec.receipt, err = h.config.Acceptor.Accept(ctx, p); err != nil {
		return err
	}
	return refusal(rec.receipt.Answer, p.Refused)
}

// understand decodes a message and opens its secret. A refused message carries none.
func understand(opener Opener, kind orgsync.Kind, body []byte, signed time.Time) (orgsync.Message, error) {
	m, err := Decode(kind, body, signed)
	if err == nil && m.Client.Secret != "" {
		m.Client.Secret, err = opener.Open(m.Client.Secret)
	}
	if err != nil {
		m.Client.Secret = ""
	}
	return m, err
}

// refusal is the error for which an answer stands. The answer of the journal counts; the
// fault found this time only names the field.
func refusal(given orgsync.Answer, fault error) error {
	var kind error
	switch given {
	case orgsync.AnswerOK:
		return nil
	case orgsync.AnswerInvalid:
		kind = orgsync.ErrInvalid
	case orgsync.AnswerSecret:
		kind = orgsync.ErrSecret
	default:
		return errors.New("acceptor gave an unknown answer")
	}
	if errors.Is(fault, kind) {
		return fault
	}
	return kind
}

// read takes the body in once. A body that says that it is too long is not read at all.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, &orgsync.FieldError{Field: "Content-Encoding", Reason: "is not supported"}
	}
	if r.ContentLength > h.config.MaxBody {
		w.Header().Set("Connection", "close")
		return nil, ErrTooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.config.MaxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, ErrTooLarge
	}
	if err != nil {
		return nil, &orgsync.FieldError{Field: fieldBody, Reason: "breaks off"}
	}
	return body, nil
}

// refuseInterface answers calls of interfaces that do not exist, or with another method.
func refuseInterface(_ http.ResponseWriter, r *http.Request, _ *record) error {
	if r.Method != http.MethodPost {
		return &orgsync.FieldError{Field: "method", Reason: "is not POST"}
	}
	return &orgsync.FieldError{Field: "path", Reason: "is no interface of this address"}
}

// refuseBase answers the base (lifecycle) interfaces, which share the address.
func refuseBase(http.ResponseWriter, *http.Request, *record) error { return ErrNotServed }

func answer(w http.ResponseWriter, err error, result Result) {
	text, _ := json.Marshal(result) // two strings always marshal
	header := w.Header()
	header.Set("Content-Type", "application/json;charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if errors.Is(err, ErrTooLarge) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}
	_, _ = w.Write(text) // the peer may be gone; it will ask again
}

// log writes the one line of a request.
func (h *Handler) log(ctx context.Context, rec *record, result Result, err error) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("request_id", rec.id),
		slog.String("result", result.Code),
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
