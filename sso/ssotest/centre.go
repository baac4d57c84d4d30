package ssotest

import (
	"crypto/rsa"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Centre is the auth centre of several tenants. It is an [http.Handler] for
// everything below its base URL and its tenants' domains, and safe for
// concurrent use.
type Centre struct {
	base    *url.URL
	tenants []*realm // never changed after New; their contents are, under mu
	now     func() time.Time
	mux     *http.ServeMux
	login   *loginPage
	closed  chan struct{}
	key     func() *rsa.PrivateKey // signs ID tokens
	foreign func() *rsa.PrivateKey // signs what should be signed with key

	mu      sync.Mutex
	defect  Defect           // guarded by mu
	grants  map[string]grant // guarded by mu; by code, token or session id
	closing bool             // guarded by mu
}

// realm is one tenant's part of a centre.
type realm struct {
	id, code, name string
	domain         *url.URL

	clients map[string]Client // by id; guarded by Centre.mu
	users   map[string]User   // by user name; guarded by Centre.mu
	calls   Calls             // guarded by Centre.mu
}

// Calls counts what was asked of one tenant's auth centre.
type Calls struct {
	// Authorize counts requests for the authorize page, the form's included.
	Authorize int
	// Token counts token requests, refused ones included; Userinfo and Logout
	// likewise.
	Token, Userinfo, Logout int
	// Validate counts validations of CAS tickets; requests for the CAS login and
	// logout pages count as Authorize and Logout.
	Validate int
	// Discovery and Keys count requests for the OpenID documents.
	Discovery, Keys int
	// LastToken is the form of the last token request, secret included.
	LastToken url.Values
}

// New returns a centre, or all that is wrong with cfg. It listens to nothing.
func New(cfg Config) (*Centre, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("configure auth centre: %w", err)
	}
	login, err := newLoginPage()
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("configure auth centre: %w", err)
	}
	c := &Centre{base: base, now: cfg.Now, login: login, closed: make(chan struct{}), grants: map[string]grant{}, key: signingKey(cfg)}
	c.foreign = sync.OnceValue(newKey)
	for _, t := range cfg.Tenants {
		if t.Domain == "" {
			t.Domain = cfg.BaseURL + "/" + t.ID
		}
		domain, err := url.Parse(strings.TrimRight(t.Domain, "/"))
		if err != nil {
			return nil, fmt.Errorf("configure auth centre of %s: %w", t.ID, err)
		}
		re := &realm{id: t.ID, code: t.Code, name: t.Name, domain: domain, clients: map[string]Client{}, users: map[string]User{}}
		for _, client := range t.Clients {
			re.clients[client.ID] = client
		}
		for _, user := range t.Users {
			re.users[user.UserName] = user
		}
		c.tenants = append(c.tenants, re)
	}
	c.mux = c.routes()
	return c, nil
}

// Close lets go of requests that a defect keeps hanging. It may be called
// more than once.
func (c *Centre) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		c.closing = true
		close(c.closed)
	}
}

// Domain returns {domain} of a tenant: what tenantSync calls domainName. It
// is empty for a tenant the centre does not know.
func (c *Centre) Domain(tenant string) string {
	if re := c.realm(tenant); re != nil {
		return re.domain.String()
	}
	return ""
}

// UnifiedLoginURL returns the address of the unified login page, with the
// placeholder {appId} in it.
func (c *Centre) UnifiedLoginURL() string { return c.base.String() + "/unified-login?appId={appId}" }

// SetDefect makes the centre wrong in one way, or right again ([NoDefect]).
func (c *Centre) SetDefect(d Defect) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.defect = d
}

// Calls returns the counters of a tenant; zero for one the centre does not know.
func (c *Centre) Calls(tenant string) Calls {
	re := c.realm(tenant)
	if re == nil {
		return Calls{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := re.calls
	calls.LastToken = maps.Clone(calls.LastToken)
	return calls
}

// PutUser adds a user to a tenant, or replaces the one of that user name.
// Unknown tenants are ignored.
func (c *Centre) PutUser(tenant string, u User) {
	if re := c.realm(tenant); re != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		re.users[u.UserName] = u
	}
}

// RemoveUser removes a user from a tenant. Sessions, codes and tokens of that
// user no longer work.
func (c *Centre) RemoveUser(tenant, userName string) {
	if re := c.realm(tenant); re != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(re.users, userName)
	}
}

// PutClient registers a client at a tenant, or replaces the one of that id.
// Unknown tenants are ignored.
func (c *Centre) PutClient(tenant string, client Client) {
	if re := c.realm(tenant); re != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		re.clients[client.ID] = client
	}
}

func (c *Centre) realm(id string) *realm {
	i := slices.IndexFunc(c.tenants, func(re *realm) bool { return re.id == id })
	if i < 0 {
		return nil
	}
	return c.tenants[i]
}

// ServeHTTP answers for the tenant whose domain the request is below, and for
// the unified login page.
func (c *Centre) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

func (c *Centre) routes() *http.ServeMux {
	// A foreign page must not sign a browser in as somebody else.
	guard := http.NewCrossOriginProtection()
	mux := http.NewServeMux()
	unified := guard.Handler(http.HandlerFunc(c.unified))
	mux.Handle("GET /unified-login", unified)
	mux.Handle("POST /unified-login", unified)
	handle := func(pattern string, h func(http.ResponseWriter, *http.Request, *realm)) {
		for _, re := range c.tenants {
			method, path, _ := strings.Cut(pattern, " ")
			mux.Handle(method+" "+re.domain.Hostname()+re.domain.Path+path, guard.Handler(http.HandlerFunc(
				func(w http.ResponseWriter, r *http.Request) { h(w, r, re) })))
		}
	}
	handle("GET /api/v1/oauth2/authorize", c.authorize)
	handle("POST /api/v1/oauth2/authorize", c.authorize)
	handle("POST /api/v1/oauth2/token", c.token)
	handle("GET /api/v1/oauth2/userinfo", c.userinfo)
	handle("GET /api/v1/oauth2/.well-known/openid-configuration", c.discovery)
	handle("GET /api/v1/oauth2/jwks", c.jwks)
	handle("GET /api/v1/logout", c.logout)
	handle("GET /api/v1/cas/login", c.casLogin)
	handle("POST /api/v1/cas/login", c.casLogin)
	handle("GET /api/v1/cas/p3/serviceValidate", c.casValidate)
	handle("GET /api/v1/cas/logout", c.casLogout)
	handle("GET /enter", c.enter)
	return mux
}
