package push

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
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
	// Verifier checks messages of the second generation.
	Verifier Verifier
	// Token checks those of the first; its keys also sign the answers to them.
	Token TokenVerifier
	// Base checks base (lifecycle) calls of the second generation before Config.Base gets them.
	Base BaseVerifier
	// Opener decrypts client secrets of both.
	Opener Opener
}

// Config is what an endpoint is made of.
type Config struct {
	// Path is the path of the production address, for example /marketplace. Empty or
	// "/" means that the address has none. Required otherwise to begin with a slash.
	Path string
	// Settings returns the keys in force. It is called once for each request, by several
	// goroutines at a time. Required.
	Settings func() Settings
	// Acceptor takes what was verified. Required.
	Acceptor Acceptor
	// Base answers a base (lifecycle) call, GET or POST of the address itself, for the
	// product. An error says that nothing was written, and becomes the answer: for
	// example [orgsync.ErrUnavailable]. It is called by several goroutines at a time.
	// Default: such calls are refused.
	Base func(w http.ResponseWriter, r *http.Request, body []byte) error
	// Observe is told of every request after it was answered, by several goroutines at a
	// time. It must not block. Default: nobody is.
	Observe func(Observation)
	// MaxBody is the longest body taken, in bytes. Default: [DefaultMaxBody].
	MaxBody int64
	// Now is the clock. Required.
	Now func() time.Time
	// Logger gets one line for each push. Required.
	Logger *slog.Logger
}

// Handler is the endpoint that the marketplace calls: the sync interfaces of both
// generations below the production address, the base interfaces if Config.Base serves
// them, and a refusal for everything else there. It is safe for concurrent use.
//
// Its own answer is always HTTP 200 with a [Result], because the marketplace takes any
// other status for a broken network; only a body that is too long gets 413, before it is
// read. Answers to the first generation carry Body-Sign, also refusals, if it has a key.
type Handler struct {
	config  Config
	mux     *http.ServeMux
	large   chan struct{} // a place for each long body
	workers chan struct{} // a place for each body that is verified
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
	h := &Handler{config: cfg, mux: http.NewServeMux(), large: make(chan struct{}, largeBodies), workers: make(chan struct{}, workers)}
	for _, kind := range kinds() {
		h.mux.HandleFunc("POST "+cfg.Path+pathV1+kind.String(), h.serve(kind, h.push))
		h.mux.HandleFunc("POST "+cfg.Path+pathV2+kind.String(), h.serve(kind, h.push))
	}
	h.mux.HandleFunc(cfg.Path+"/", h.serve(0, refuseInterface))
	h.mux.HandleFunc(cfg.Path+"/{$}", h.serve(0, h.base))
	if cfg.Path != "" {
		h.mux.HandleFunc(cfg.Path, h.serve(0, h.base))
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

// action serves one request. Its error becomes the answer and the log line.
type action func(w http.ResponseWriter, r *http.Request, rec *record) error

func (h *Handler) serve(kind orgsync.Kind, act action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rec := &record{
			id: rand.Text(), kind: kind, generation: h.generation(r), settings: h.config.Settings(),
			started: h.config.Now(), key: -1, release: func() {},
		}
		defer func() { rec.release() }()
		err := act(w, r, rec)
		if rec.forwarded && err == nil { // answered and logged by the one who did it
			h.observe(rec, Result{})
			return
		}
		result := ResultOf(err)
		if result.Code == codeInternal {
			result.Message += " (request " + rec.id + ")"
		}
		answer(w, err, result, rec.answerKey())
		h.log(r.Context(), rec, result, err)
		h.observe(rec, result)
	}
}

// push takes one message: limit and read, verify, decode, open the secret, accept.
func (h *Handler) push(w http.ResponseWriter, r *http.Request, rec *record) error {
	body, err := h.read(w, r, rec)
	if err != nil {
		return err
	}
	rec.bytes = len(body)
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return &orgsync.FieldError{Field: "Content-Encoding", Reason: "is not supported"}
	}
	var p orgsync.Push
	h.atWork(func() { p, err = rec.take(r.Header, body) })
	if err != nil {
		return err
	}

	// From here on the peer's hang-up must not undo what is being written.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), acceptTimeout)
	defer cancel()
	if rec.receipt, err = h.config.Acceptor.Accept(ctx, p); err != nil {
		return err
	}
	return refusal(rec.receipt.Answer, p.Refused)
}

// take verifies a body and makes a push of it.
func (rec *record) take(header http.Header, body []byte) (orgsync.Push, error) {
	verified, err := rec.verify(header, body)
	if err != nil {
		return orgsync.Push{}, err
	}
	rec.candidate, rec.key = verified.Candidate, verified.KeyIndex
	p := orgsync.Push{
		Kind: rec.kind, Nonce: verified.Nonce, Digest: sha256.Sum256(body), Body: Redact(body),
		Signed: verified.Signed, Received: rec.started, Candidate: string(verified.Candidate),
	}
	if p.Signed.IsZero() { // V1 does not say; what is dated ahead is so as of now
		p.Signed = rec.started
	}
	p.Message, p.Refused = understand(rec.settings.Opener, rec.kind, body, verified.Signed)
	rec.tenant, rec.realm = p.Message.Tenant, p.Message.Realm
	return p, nil
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

// refuseInterface answers calls of interfaces that do not exist, or with another method.
func refuseInterface(_ http.ResponseWriter, r *http.Request, _ *record) error {
	if r.Method != http.MethodPost {
		return &orgsync.FieldError{Field: "method", Reason: "is not POST"}
	}
	return &orgsync.FieldError{Field: "path", Reason: "is no interface of this address"}
}

// base answers the base (lifecycle) interfaces, which share the address: V2 sends POST,
// V1 GET.
func (h *Handler) base(w http.ResponseWriter, r *http.Request, rec *record) error {
	if h.config.Base == nil || r.Method != http.MethodGet && r.Method != http.MethodPost {
		return ErrNotServed
	}
	body, err := h.read(w, r, rec)
	if err != nil {
		return err
	}
	rec.bytes = len(body)
	if r.Method == http.MethodPost {
		if err := rec.settings.Base.Verify(r.URL.RawQuery, body, h.config.Now()); err != nil {
			return err
		}
	}
	rec.forwarded = true
	return h.config.Base(w, r, body)
}

// answer writes a result; a key signs it as the first generation wants it.
func answer(w http.ResponseWriter, err error, result Result, key string) {
	text, _ := json.Marshal(result) // two strings always marshal
	header := w.Header()
	header.Set("Content-Type", "application/json;charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if key != "" {
		header[HeaderBodySign] = []string{bodySign(key, text)}
	}
	if errors.Is(err, ErrTooLarge) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}
	_, _ = w.Write(text) // the peer may be gone; it will ask again
}
