package sso

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/kitbridge/kitbridge/templates"
)

// errNotFound means that there is no such page below /sso/.
var errNotFound = errors.New("no such page")

// record is what one request leaves in the log: at most one line, written when it ends. A handler that changes something, or
// fails, gives it an event; nothing that is logged of it names a person, a code or a token.
type record struct {
	id     string
	site   *site // that the request came to
	event  string
	tenant TenantID
	user   string // first half of a digest of the subject
	who    UserName
	result string
	// check names what of the auth centre's word failed, if that is the reason.
	check string
	// solicited tells a sign-in that we began from one that arrived.
	solicited bool
	// retry is the link a failure page offers; tenantName is shown on it.
	retry, tenantName string
	// ended is how many sessions a logout from outside ended.
	ended int
}

// about notes whom the request concerns.
func (e *record) about(tenant TenantID, user UserName) {
	e.tenant = tenant
	if user != "" {
		e.who = user
		sum := sha256.Sum256([]byte(Subject(tenant, user)))
		e.user = hex.EncodeToString(sum[:8])
	}
}

// refusal is an error that carries the page of a verdict.
type refusal struct{ verdict verdict }

// answered is an error that the handler has told its caller of already, in a form of its own.
type answered struct{ error }

// Error returns the verdict's name.
func (r *refusal) Error() string { return r.verdict.String() }

// page adapts a browser route: it sets the headers that all of them share, answers errors with a page, and writes the line.
func (rp *RelyingParty) page(handle func(http.ResponseWriter, *http.Request, *record) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		here := rp.site(r)
		e := &record{id: randomHex()[:16], site: here, retry: here.loginURL("", "/")}
		noStore(w.Header())
		w.Header().Set("Referrer-Policy", "no-referrer") // the address may carry a code
		var err error
		if rp.settings.Embedded && isReached(r.Method, r.Header, here) {
			err = fmt.Errorf("another site's page reaches in: %w", ErrBadRequest)
		} else {
			err = handle(w, r, e)
		}
		told, done := errors.AsType[*answered](err)
		if done {
			err = told.error
		} else if err != nil {
			rp.problem(w, r, e, err)
		}
		if e.event == "" && (err == nil || errors.Is(err, errNotFound)) {
			return
		}
		if event, ok := e.auditEvent(err); ok && rp.observe != nil {
			rp.observe(event)
		}
		level := slog.LevelInfo
		attrs := []slog.Attr{
			slog.String("event", e.event), slog.String("result", e.result), slog.String("request_id", e.id),
			slog.String("tenant_id", string(e.tenant)), slog.String("user_digest", e.user), slog.Bool("solicited", e.solicited),
		}
		if here.further {
			attrs = append(attrs, slog.String("host", here.name))
		}
		if e.event == "backchannel_logout" {
			attrs = append(attrs, slog.Int("sessions", e.ended))
		}
		if err != nil {
			level = slog.LevelWarn
			attrs = append(attrs, slog.String("check", e.check), slog.Any("error", err))
		}
		rp.log.LogAttrs(r.Context(), level, "sign-in", attrs...)
	})
}

// problem answers err with its page.
func (rp *RelyingParty) problem(w http.ResponseWriter, r *http.Request, e *record, err error) {
	out := outcomeOf(err)
	if refused, ok := errors.AsType[*refusal](err); ok {
		out = refused.verdict.outcome()
	}
	if errors.Is(err, errNotFound) {
		out = outcome{templates.NotFound, http.StatusNotFound}
	}
	e.result, e.check = out.reason.String(), checkOf(err)
	if out.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	page := templates.ProblemPage{Reason: out.reason, Check: e.check, TenantName: e.tenantName, RequestID: e.id, Retry: e.retry}
	if e.tenantName != "" && rp.settings.Chooser != "off" && e.site.tenant == "" {
		page.Other = e.site.address(ssoPrefix+"/login", url.Values{"tenant": {""}}) // whose last company was this one
	}
	if rerr := rp.pages.Problem(w, out.status, templates.Locale(r), page); rerr != nil {
		rp.log.WarnContext(r.Context(), "page not sent", slog.Any("error", rerr))
	}
}

// redirect sends the browser on. The address is sent byte for byte: http.Redirect would clean it after it was judged.
func redirect(w http.ResponseWriter, status int, location string) {
	w.Header().Set("Location", location)
	w.WriteHeader(status)
}

// noStoreValue is the Cache-Control of everything that depends on who asks.
const noStoreValue = "no-store"

func noStore(h http.Header) { h.Set("Cache-Control", noStoreValue) }
