package templates_test

import (
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/templates"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// hostile is what a buyer could call a person, an organisation or a code.
const hostile = "\"><script>alert(1)</script><a href='https://evil.example/'>&amp;\u202e"

func newPages(t *testing.T) *templates.Pages {
	t.Helper()
	p, err := templates.New()
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	return p
}

// samples is one of each page, in the states that look different, filled with
// the given text wherever a page takes a stranger's.
func samples(p *templates.Pages, text string) map[string]func(http.ResponseWriter, templates.Lang) error {
	return map[string]func(http.ResponseWriter, templates.Lang) error{
		"chooser": func(w http.ResponseWriter, l templates.Lang) error {
			return p.Chooser(w, l, templates.ChooserPage{Action: "/sso/login", Return: "/orders?id=1&x=" + text})
		},
		"chooser-results": func(w http.ResponseWriter, l templates.Lang) error {
			return p.Chooser(w, l, templates.ChooserPage{
				Action: "/sso/login", Return: "/orders?id=1&x=" + text, Query: "晨" + text, More: true,
				Results: []templates.ChooserTenant{
					{Tenant: "68cbc86abc2018ab880d92f36422fa0e", Name: "晨光制造" + text, Code: "chenguang"},
					{Tenant: "a&b=c" + text, Name: "晨星科技", Code: text},
				},
				UnifiedLogin: "/unified?ind=UNOP&appId=app1",
			})
		},
		"chooser-nothing": func(w http.ResponseWriter, l templates.Lang) error {
			return p.Chooser(w, l, templates.ChooserPage{Action: "/sso/login", Query: "nobody" + text})
		},
		"resend": func(w http.ResponseWriter, l templates.Lang) error {
			return p.Resend(w, l, templates.ResendPage{
				Action: "/notes?id=1&x=" + text, Cancel: "/notes?id=1&x=" + text, Name: "张三" + text, UserName: "zhangsan" + text, TenantName: "晨光制造" + text,
				Fields: []templates.FormField{{Name: "title" + text, Value: "A\nB & \"C\"" + text}, {Name: "title", Value: ""}},
			})
		},
		"confirm-sign-in": func(w http.ResponseWriter, l templates.Lang) error {
			return p.Confirm(w, l, templates.ConfirmPage{
				Action: "/sso/confirm", CSRF: "token" + text, Return: "/" + text, Cancel: "/",
				Name: "张三" + text, UserName: "zhangsan" + text, TenantName: "晨光制造" + text,
			})
		},
		"confirm-switch": func(w http.ResponseWriter, l templates.Lang) error {
			return p.Confirm(w, l, templates.ConfirmPage{
				Purpose: templates.ConfirmSwitch, Action: "/sso/confirm", CSRF: "token", Cancel: "/",
				Name: "张三", UserName: "zhangsan", TenantName: "晨光制造", Current: "李四" + text,
				CurrentUserName: "lisi" + text, CurrentTenantName: "远航物流" + text,
			})
		},
		"confirm-sign-out": func(w http.ResponseWriter, l templates.Lang) error {
			return p.Confirm(w, l, templates.ConfirmPage{
				Purpose: templates.ConfirmSignOut, Action: "/sso/logout", CSRF: "token", Cancel: "/",
				Name: "张三" + text, UserName: "zhangsan",
			})
		},
		"pending": func(w http.ResponseWriter, l templates.Lang) error {
			return p.Pending(w, l, templates.PendingPage{
				Name: "张三" + text, TenantName: "晨光制造" + text, Refresh: 2500 * time.Millisecond, RequestID: "r-1",
			})
		},
		"pending-long": func(w http.ResponseWriter, l templates.Lang) error {
			return p.Pending(w, l, templates.PendingPage{Name: "张三", RequestID: text})
		},
		"problem": func(w http.ResponseWriter, l templates.Lang) error {
			return p.Problem(w, http.StatusForbidden, l, templates.ProblemPage{
				Reason: templates.UserDisabled, TenantName: "晨光制造" + text, RequestID: "r-1" + text, Retry: "/sso/login?return=%2F", Other: "/sso/login?tenant=",
			})
		},
		"signedout": func(w http.ResponseWriter, l templates.Lang) error {
			return p.SignedOut(w, l, templates.SignedOutPage{SignIn: "/sso/login"})
		},
	}
}

func render(t *testing.T, write func(http.ResponseWriter, templates.Lang) error, lang templates.Lang) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	if err := write(w, lang); err != nil {
		t.Fatalf("write page: %v", err)
	}
	return w
}

func TestGolden(t *testing.T) {
	p := newPages(t)
	style := regexp.MustCompile(`(?s)<style>.*</style>`)
	for name, write := range samples(p, "") {
		for _, lang := range []templates.Lang{templates.Chinese, templates.English} {
			t.Run(name+"/"+string(lang), func(t *testing.T) {
				got := style.ReplaceAllString(render(t, write, lang).Body.String(), "<style>…</style>")
				file := filepath.Join("testdata", name+"."+string(lang)+".html")
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatalf("read golden file (rewrite with -update): %v", err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("%s differs (-want +got):\n%s", file, diff)
				}
			})
		}
	}
}

func TestHeaders(t *testing.T) {
	p := newPages(t)
	for name, write := range samples(p, "") {
		t.Run(name, func(t *testing.T) {
			w := render(t, write, templates.English)
			for header, want := range map[string]string{
				"Content-Type":            "text/html; charset=utf-8",
				"Content-Language":        "en",
				"Cache-Control":           "no-store",
				"Referrer-Policy":         map[bool]string{true: "same-origin", false: "no-referrer"}[name == "resend" || strings.HasPrefix(name, "confirm")],
				"X-Content-Type-Options":  "nosniff",
				"X-Frame-Options":         "DENY",
				"Vary":                    "Accept-Language",
				"Content-Security-Policy": p.ContentSecurityPolicy(),
			} {
				if got := w.Header().Get(header); got != want {
					t.Errorf("%s = %q, want %q", header, got, want)
				}
			}
		})
	}
}

// The browser applies the style sheet only if its hash is the one in the
// policy; the renderer must not have touched a byte of it.
func TestStyleMatchesPolicy(t *testing.T) {
	p := newPages(t)
	for name, write := range samples(p, "") {
		t.Run(name, func(t *testing.T) {
			body := render(t, write, templates.Chinese).Body.String()
			_, rest, _ := strings.Cut(body, "<style>")
			style, _, ok := strings.Cut(rest, "</style>")
			if !ok || len(style) < 500 {
				t.Fatalf("page has no style sheet: %q", style)
			}
			sum := sha256.Sum256([]byte(style))
			want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
			if !strings.Contains(p.ContentSecurityPolicy(), want) {
				t.Errorf("policy %q lacks %q", p.ContentSecurityPolicy(), want)
			}
			if strings.Contains(body, "style=") {
				t.Error("page has a style attribute, which the policy forbids")
			}
		})
	}
}

func TestPolicyForbidsByDefault(t *testing.T) {
	policy := newPages(t).ContentSecurityPolicy()
	for _, want := range []string{"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	for _, forbidden := range []string{"unsafe", "*", "script-src"} {
		if strings.Contains(policy, forbidden) {
			t.Errorf("policy %q contains %q", policy, forbidden)
		}
	}
}

func TestNothingFromElsewhere(t *testing.T) {
	p := newPages(t)
	external := regexp.MustCompile(`(?i)(?:https?:)?//[a-z0-9]|url\(|@import|<script|<link|<img|<iframe|\bon[a-z]+=`)
	for name, write := range samples(p, "") {
		t.Run(name, func(t *testing.T) {
			body := render(t, write, templates.English).Body.String()
			if found := external.FindString(body); found != "" {
				t.Errorf("page refers to something outside itself: %q", found)
			}
		})
	}
}

func TestStrangersTextIsEscaped(t *testing.T) {
	p := newPages(t)
	for name, write := range samples(p, hostile) {
		t.Run(name, func(t *testing.T) {
			body := render(t, write, templates.Chinese).Body.String()
			for _, raw := range []string{"<script", "\"><script", "<a href='https://evil", "href=\"https://evil"} {
				if strings.Contains(body, raw) {
					t.Errorf("page contains %q unescaped:\n%s", raw, body)
				}
			}
		})
	}
}

func TestLinksCannotRunScripts(t *testing.T) {
	p := newPages(t)
	const script = "javascript:alert(1)"
	for name, write := range map[string]func(http.ResponseWriter, templates.Lang) error{
		"problem": func(w http.ResponseWriter, l templates.Lang) error {
			return p.Problem(w, http.StatusBadRequest, l, templates.ProblemPage{Reason: templates.BadRequest, Retry: script})
		},
		"signedout": func(w http.ResponseWriter, l templates.Lang) error {
			return p.SignedOut(w, l, templates.SignedOutPage{SignIn: script})
		},
		"confirm": func(w http.ResponseWriter, l templates.Lang) error {
			return p.Confirm(w, l, templates.ConfirmPage{Action: script, Cancel: script})
		},
		"chooser": func(w http.ResponseWriter, l templates.Lang) error {
			return p.Chooser(w, l, templates.ChooserPage{Action: script, UnifiedLogin: script, Results: []templates.ChooserTenant{{Tenant: "t"}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			if body := render(t, write, templates.English).Body.String(); strings.Contains(body, "javascript:") {
				t.Errorf("page links to a script:\n%s", body)
			}
		})
	}
}

// A choice must lead to the tenant and the return address byte for byte.
func TestChoiceCarriesTenantAndReturn(t *testing.T) {
	p := newPages(t)
	for _, tt := range []struct{ name, tenant, ret, want string }{
		{"plain", "t1", "/a", `href="/sso/login?tenant=t1&amp;return=%2fa"`},
		{"reserved", "a&b=c/#?", "/a?x=1&y=2#z", `href="/sso/login?tenant=a%26b%3dc%2f%23%3f&amp;return=%2fa%3fx%3d1%26y%3d2%23z"`},
		{"no return", "t1", "", `href="/sso/login?tenant=t1"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := render(t, func(w http.ResponseWriter, l templates.Lang) error {
				return p.Chooser(w, l, templates.ChooserPage{
					Action: "/sso/login", Return: tt.ret, Results: []templates.ChooserTenant{{Tenant: tt.tenant, Name: "n"}},
				})
			}, templates.English).Body.String()
			if !strings.Contains(body, tt.want) {
				t.Errorf("page lacks %s:\n%s", tt.want, body)
			}
		})
	}
}

func TestPendingRefresh(t *testing.T) {
	p := newPages(t)
	for _, tt := range []struct {
		name    string
		refresh time.Duration
		want    string
	}{
		{"never", 0, ""},
		{"negative", -time.Second, ""},
		{"rounded up", 100 * time.Millisecond, `content="1"`},
		{"whole", 3 * time.Second, `content="3"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := render(t, func(w http.ResponseWriter, l templates.Lang) error {
				return p.Pending(w, l, templates.PendingPage{Refresh: tt.refresh})
			}, templates.English).Body.String()
			if got := strings.Contains(body, "http-equiv"); got != (tt.want != "") {
				t.Errorf("page refreshes itself = %v, want %v", got, tt.want != "")
			}
			if tt.want != "" && !strings.Contains(body, `http-equiv="refresh" `+tt.want) {
				t.Errorf("page lacks refresh %s", tt.want)
			}
		})
	}
}

func TestProblemStatus(t *testing.T) {
	p := newPages(t)
	w := render(t, func(w http.ResponseWriter, l templates.Lang) error {
		return p.Problem(w, http.StatusServiceUnavailable, l, templates.ProblemPage{Reason: templates.Unavailable})
	}, templates.English)
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("status = %d, want 503", w.Code)
	}
}
