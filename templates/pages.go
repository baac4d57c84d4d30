package templates

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
)

//go:embed layout.html pages/*.html static/page.css
var files embed.FS

// Pages renders the pages. Make one with [New]; it is immutable and safe for
// concurrent use.
type Pages struct {
	chooser, confirm, pending, problem, resend, signedOut *template.Template

	texts  map[Lang]*texts
	style  template.CSS
	policy string
	framed bool // X-Frame-Options knows no list
}

// New parses the embedded pages. It fails only if the program was built with
// a broken template. Origins of ancestors, such as https://portal.example, may
// show the pages in their frames; without any nobody may.
func New(ancestors ...string) (*Pages, error) {
	layout, err := template.ParseFS(files, "layout.html")
	if err != nil {
		return nil, fmt.Errorf("parse layout: %w", err)
	}
	style, err := files.ReadFile("static/page.css")
	if err != nil {
		return nil, fmt.Errorf("read style sheet: %w", err)
	}
	p := &Pages{
		texts:  map[Lang]*texts{Chinese: chineseTexts(), English: englishTexts()},
		style:  template.CSS(style), //nolint:gosec // G203: an embedded file of ours
		policy: contentSecurityPolicy(style, ancestors),
		framed: len(ancestors) > 0,
	}
	for name, page := range map[string]**template.Template{
		"chooser": &p.chooser, "confirm": &p.confirm, "pending": &p.pending,
		"problem": &p.problem, "resend": &p.resend, "signedout": &p.signedOut,
	} {
		clone, err := layout.Clone()
		if err != nil {
			return nil, fmt.Errorf("clone layout for %s: %w", name, err)
		}
		if *page, err = clone.ParseFS(files, "pages/"+name+".html"); err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
	}
	return p, nil
}

// ContentSecurityPolicy returns the value of the header that every page is
// sent with: nothing may be loaded or run but the page's own style sheet, which
// is named by its hash, and only [New]'s ancestors may frame it.
func (p *Pages) ContentSecurityPolicy() string { return p.policy }

func contentSecurityPolicy(style []byte, ancestors []string) string {
	sum := sha256.Sum256(style)
	// Browsers hold form-action against every redirect that answers a form
	// (CSP Level 3, section 6.4.2), and our forms are answered by a redirect to
	// an auth centre, which may go on to hosts of its own. So no list of
	// origins can be right here; what remains is to keep to HTTP.
	who := cmp.Or(strings.Join(ancestors, " "), "'none'")
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; " +
		"form-action 'self' https: http:; base-uri 'none'; frame-ancestors " + who
}

// view is what a template sees.
type view struct {
	Lang  Lang
	Text  *texts
	Style template.CSS
	Page  any
	// Refresh is the number of seconds after which the browser asks for the
	// page again; 0 = never.
	Refresh int
	// referrer is the Referrer-Policy; empty = no-referrer.
	referrer string
}

// render writes a whole page or, if it returns an error, nothing at all.
func (p *Pages) render(w http.ResponseWriter, status int, t *template.Template, v view) error {
	text, ok := p.texts[v.Lang]
	if !ok {
		v.Lang, text = Chinese, p.texts[Chinese]
	}
	v.Text, v.Style = text, p.style
	var page bytes.Buffer
	if err := t.ExecuteTemplate(&page, "layout.html", v); err != nil {
		return fmt.Errorf("render page: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", string(v.Lang))
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", cmp.Or(v.referrer, "no-referrer")) // the address may carry a code
	h.Set("X-Content-Type-Options", "nosniff")
	if !p.framed {
		h.Set("X-Frame-Options", "DENY")
	}
	h.Add("Vary", "Accept-Language")
	w.WriteHeader(status)
	_, err := w.Write(page.Bytes())
	if err != nil {
		return fmt.Errorf("send page: %w", err)
	}
	return nil
}
