package sso

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kitbridge/kitbridge/templates"
)

const (
	// maxForm bounds the body of a form that is kept, in bytes. The browser keeps it, in a cookie.
	maxForm = 2 << 10
	// formAge is how long a form waits for its sign-in.
	formAge = 15 * time.Minute
	// resendPath is where a sign-in comes back to that began with a form.
	resendPath = ssoPrefix + "/resend"
	formSuffix = "form"
)

// keptForm is a form that was sent without a session. Only its sender has it, sealed: a stranger costs no memory of ours.
type keptForm struct {
	Target string `json:"t"`
	Body   string `json:"b"`
	At     int64  `json:"a"`
}

// keepForm answers a form that a page of ours sent without a session: it is kept while the person signs in. It reports false,
// and has answered nothing, for everything else and for forms that are too long.
func (rp *RelyingParty) keepForm(w http.ResponseWriter, r *http.Request) bool {
	if !isFormPost(r, rp.settings.Embedded) || !rp.site(r).sent(r.Header) || r.ContentLength < 0 || r.ContentLength > maxForm || rp.site(r).returnOr(r.RequestURI) != r.RequestURI {
		return false
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil || len(body) > maxForm {
		return false
	}
	if _, ok := formFields(string(body)); !ok {
		return false
	}
	name := rp.cookies.name(formSuffix)
	sealed, err := rp.seal(r, name, keptForm{Target: r.RequestURI, Body: string(body), At: rp.now().Unix()})
	if err != nil || len(sealed) > maxCookie {
		return false
	}
	noStore(w.Header())
	rp.cookies.set(w, name, sealed, formAge)
	redirect(w, http.StatusSeeOther, rp.site(r).loginURL("", resendPath))
	return true
}

// isFormPost reports whether a browser sends a plain form as a top-level navigation, the only thing that a page can give back.
func isFormPost(r *http.Request, embedded bool) bool {
	if r.Method != http.MethodPost || !navigates(r.Header, embedded) {
		return false
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	return err == nil && kind == "application/x-www-form-urlencoded" && (charset == "" || strings.EqualFold(charset, "utf-8")) &&
		r.Header.Get("Content-Encoding") == ""
}

// sent reports whether a browser says that a page of this very origin sent the request.
func (s *site) sent(h http.Header) bool {
	site, origin := h.Get("Sec-Fetch-Site"), h.Get("Origin")
	ours := strings.EqualFold(origin, s.origin.String())
	return (site == "" || site == "same-origin") && (origin == "" || ours) && (site != "" || ours)
}

// formFields takes a body apart, in its order. It reports false for one that a page in UTF-8 could not give back as it was.
func formFields(body string) ([]templates.FormField, bool) {
	var fields []templates.FormField
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(name)
		value, valueErr := url.QueryUnescape(value)
		if nameErr != nil || valueErr != nil || name == "" || !givesBack(name) || !givesBack(value) {
			return nil, false
		}
		fields = append(fields, templates.FormField{Name: name, Value: value})
	}
	return fields, true
}

// givesBack reports whether a form field survives a page: browsers send every line break as CR LF, and HTML knows no NUL.
func givesBack(text string) bool {
	return utf8.ValidString(text) && !strings.Contains(text, "\x00") && strings.Count(text, "\r") == strings.Count(text, "\r\n")
}

// serveResend gives the form back, once. It is the person who sends it again: somebody else may have signed in meanwhile.
func (rp *RelyingParty) serveResend(w http.ResponseWriter, r *http.Request, e *record) error {
	if r.Method == http.MethodHead || isPrefetch(r.Header) {
		w.WriteHeader(http.StatusNoContent) // nobody looks at it
		return nil
	}
	name := rp.cookies.name(formSuffix)
	var form keptForm
	if !rp.open(r, name, &form) {
		redirect(w, http.StatusSeeOther, "/")
		return nil
	}
	d, err := rp.decide(r, r.Method, e.site)
	if errors.Is(err, ErrNoSession) {
		redirect(w, http.StatusSeeOther, e.site.loginURL("", resendPath))
		return nil
	}
	if err != nil {
		return err
	}
	rp.cookies.clear(w, name)
	fields, ok := formFields(form.Body)
	if age := rp.now().Unix() - form.At; !ok || age < 0 || age > int64(formAge/time.Second) || e.site.returnOr(form.Target) != form.Target {
		redirect(w, http.StatusSeeOther, "/")
		return nil
	}
	e.event, e.result, e.solicited = "resend", "offered", true
	e.about(d.identity.Tenant, d.identity.User)
	return rp.pages.Resend(w, templates.Locale(r), templates.ResendPage{
		Action: form.Target, Cancel: form.Target, Fields: fields,
		Name: d.identity.Name, UserName: string(d.identity.User), TenantName: d.identity.TenantName,
	})
}
