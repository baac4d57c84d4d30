//go:build integration

package integration_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// Traefik and Envoy are not in Debian. What stands here plays them as their documentation tells, by the configuration that
// docs/sign-in.md prints, so that kitbridge is asked in exactly the form in which they would ask.

// refusedBy names a header for which a web server answers itself.
func refusedBy(front string) (header string, refused bool) {
	header = map[string]string{"traefik": "Connection", "envoy": "X_Auth_Role"}[front] // by a router of the page; REJECT_REQUEST
	return header, header != ""
}

// leftOut tells which of a client's headers make no sense to send to a web server: those that it refuses, and with Envoy, names
// with a dot, of which the page warns.
func leftOut(front string) func(name, value string) bool {
	return func(name, _ string) bool {
		return front == "traefik" && name == "Connection" || front == "envoy" && strings.ContainsAny(name, "_.")
	}
}

// askRawly sends a request whose address goes out byte for byte, and follows no redirect.
func askRawly(r *http.Request, method, server, host, uri string, header http.Header, body io.Reader) (*http.Response, error) {
	out, err := http.NewRequestWithContext(r.Context(), method, "http://"+server, body)
	if err != nil {
		return nil, err
	}
	out.URL = &url.URL{Scheme: "http", Host: server, Opaque: uri}
	out.Host, out.Header = host, header
	return http.DefaultTransport.RoundTrip(out)
}

// pass gives a request to a server, without the headers that concern one connection only (RFC 9110, section 7.6.1).
func pass(w http.ResponseWriter, r *http.Request, server string) {
	header := endToEnd(r.Header)
	header["X-Forwarded-For"] = []string{"127.0.0.1"}
	response, err := askRawly(r, r.Method, server, r.Host, r.RequestURI, header, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	relay(w, response, nil)
}

// relay passes a response on, with the headers that keep wants.
func relay(w http.ResponseWriter, response *http.Response, keep func(name string) bool) {
	defer response.Body.Close() //nolint:errcheck // read to the end
	for name, values := range endToEnd(response.Header) {
		if keep == nil || keep(name) {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

func endToEnd(header http.Header) http.Header {
	kept := header.Clone()
	for _, list := range header["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			kept.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"} {
		kept.Del(name)
	}
	return kept
}

// ours are the paths that either page routes to kitbridge.
func ours(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/sso/") || strings.HasPrefix(r.URL.Path, "/marketplace")
}

// readSnippet reads a file of docs/sign-in.md as YAML.
func readSnippet(t *testing.T, file string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(snippet(t, file)), into); err != nil {
		t.Fatalf("%s of docs/sign-in.md: %v", file, err)
	}
}

func played(t *testing.T, front http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// playTraefik is Traefik 3 (Reference: Middlewares, ForwardAuth): it asks by GET with the client's headers and X-Forwarded-Method,
// -Proto, -Host, -Uri and -For of its own; of an answer in 200…299 the headers that match the expression replace the client's
// that match, any other is the client's answer.
func playTraefik(t *testing.T, kitbridge, product string) string {
	t.Helper()
	var config struct {
		HTTP struct {
			Middlewares struct {
				Kitbridge struct {
					ForwardAuth struct {
						Address string
						Regex   string `yaml:"authResponseHeadersRegex"`
					} `yaml:"forwardAuth"`
				}
			}
			Routers map[string]struct{ Rule, Service string }
		}
	}
	readSnippet(t, "traefik.yaml", &config)
	auth := config.HTTP.Middlewares.Kitbridge.ForwardAuth
	ask, err := url.Parse(auth.Address)
	if err != nil {
		t.Fatal(err)
	}
	identity := regexp.MustCompile(auth.Regex)
	refused := regexp.MustCompile("^HeaderRegexp\\(`Connection`, `(.*)`\\)$").FindStringSubmatch(config.HTTP.Routers["refused"].Rule)
	if refused == nil || config.HTTP.Routers["refused"].Service != "noop@internal" {
		t.Fatalf("traefik.yaml has no router that refuses: %+v", config.HTTP.Routers)
	}
	smuggles := regexp.MustCompile(refused[1])
	return played(t, func(w http.ResponseWriter, r *http.Request) {
		if slices.ContainsFunc(r.Header["Connection"], smuggles.MatchString) {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		if ours(r) {
			pass(w, r, kitbridge)
			return
		}
		header := endToEnd(r.Header)
		for name, value := range map[string]string{
			"X-Forwarded-Method": r.Method, "X-Forwarded-Proto": "http", "X-Forwarded-Host": r.Host, "X-Forwarded-Uri": r.RequestURI,
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Port": "80", "X-Forwarded-Server": "traefik", "X-Real-Ip": "127.0.0.1",
		} {
			header[name] = []string{value}
		}
		header.Del("Content-Length") // the body stays behind
		response, err := askRawly(r, http.MethodGet, kitbridge, kitbridge, ask.Path, header, nil)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if response.StatusCode < 200 || response.StatusCode > 299 {
			relay(w, response, nil)
			return
		}
		response.Body.Close() //nolint:errcheck // nothing of it is wanted
		for name := range r.Header {
			if identity.MatchString(name) {
				delete(r.Header, name)
			}
		}
		for name, values := range response.Header {
			if identity.MatchString(name) {
				r.Header[name] = values
			}
		}
		pass(w, r, product)
	})
}

// envoyPatterns are StringMatchers of header names, which are in small letters by then.
type envoyPatterns struct {
	Patterns []struct{ Exact, Prefix, Contains string }
}

func (p envoyPatterns) match(name string) bool {
	name = strings.ToLower(name)
	for _, pattern := range p.Patterns {
		if name == pattern.Exact || pattern.Prefix != "" && strings.HasPrefix(name, pattern.Prefix) || pattern.Contains != "" && strings.Contains(name, pattern.Contains) {
			return true
		}
	}
	return false
}

// playEnvoy is Envoy (HTTP filters: Header mutation, External authorization with an HTTP service): it asks with the request's own
// method, authority and path behind the prefix, without the body, with the allowed headers and Authorization. Of a 200 the allowed
// headers replace the request's; any other answer is the client's, with the allowed headers and a few that always are.
func playEnvoy(t *testing.T, kitbridge, product string) string {
	t.Helper()
	var config struct {
		Filters []struct {
			Name   string
			Config struct {
				Mutations struct {
					Request []struct{ Remove string } `yaml:"request_mutations"`
				}
				HTTPService struct {
					Prefix  string `yaml:"path_prefix"`
					Request struct {
						Allowed envoyPatterns `yaml:"allowed_headers"`
					} `yaml:"authorization_request"`
					Response struct {
						Upstream envoyPatterns `yaml:"allowed_upstream_headers"`
						Client   envoyPatterns `yaml:"allowed_client_headers"`
					} `yaml:"authorization_response"`
				} `yaml:"http_service"`
			} `yaml:"typed_config"`
		} `yaml:"http_filters"`
	}
	readSnippet(t, "envoy.yaml", &config)
	if len(config.Filters) != 3 || config.Filters[0].Name != "envoy.filters.http.header_mutation" || config.Filters[1].Name != "envoy.filters.http.ext_authz" {
		t.Fatalf("envoy.yaml has other filters: %+v", config.Filters)
	}
	removed, service := config.Filters[0].Config.Mutations.Request, config.Filters[1].Config.HTTPService
	if len(removed) != len(identityHeaders()) || service.Prefix == "" {
		t.Fatalf("envoy.yaml removes %d headers and asks below %q", len(removed), service.Prefix)
	}
	always := envoyPatterns{Patterns: []struct{ Exact, Prefix, Contains string }{{Exact: "location"}, {Exact: "www-authenticate"}}}
	return played(t, func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			if strings.Contains(name, "_") {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
		}
		r.Header = endToEnd(r.Header)
		if ours(r) {
			pass(w, r, kitbridge)
			return
		}
		for _, mutation := range removed {
			r.Header.Del(mutation.Remove)
		}
		asked := http.Header{"Authorization": r.Header["Authorization"]}
		for name, values := range r.Header {
			if service.Request.Allowed.match(name) {
				asked[name] = values
			}
		}
		response, err := askRawly(r, r.Method, kitbridge, r.Host, service.Prefix+r.RequestURI, asked, http.NoBody)
		if err != nil {
			w.WriteHeader(http.StatusForbidden) // failure_mode_allow: false
			return
		}
		if response.StatusCode != http.StatusOK {
			relay(w, response, func(name string) bool { return service.Response.Client.match(name) || always.match(name) })
			return
		}
		response.Body.Close() //nolint:errcheck // nothing of it is wanted
		for name, values := range response.Header {
			if service.Response.Upstream.match(name) {
				r.Header[name] = values
			}
		}
		pass(w, r, product)
	})
}
