package ssotest

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Config describes a [Centre].
type Config struct {
	// BaseURL is where the centre is reached, such as "http://127.0.0.1:9000",
	// without a slash at the end. Required.
	BaseURL string
	// Tenants are the buyers whose auth centre it is. At least one.
	Tenants []Tenant
	// Now is the clock. Required.
	Now func() time.Time
	// SigningKey signs ID tokens. Nil = one is made when it is first needed.
	SigningKey *rsa.PrivateKey
}

// Tenant is one buyer at its auth centre.
type Tenant struct {
	// ID is the tenantId, Code the tenantCode, Name the enterprise's name.
	ID, Code, Name string
	// Domain is the base address of this tenant's auth centre; the part behind
	// the host, if any, is kept. Empty = Config.BaseURL + "/" + ID.
	Domain string
	// Clients are the applications registered there.
	Clients []Client
	// Users are the people who can sign in there.
	Users []User
}

// Client is an application registered at a tenant's auth centre.
type Client struct {
	// AppID is the marketplace's id of the application; the unified login page
	// finds the client by it.
	AppID string
	// ID and Secret are the OAuth credential.
	ID, Secret string
	// RedirectURIs are the addresses a code may be sent to. The first is the
	// registered login address, where the unified login page sends it.
	RedirectURIs []string
	// Tenant is what ID tokens and userinfo for this client call the tenant.
	// Empty = the tenant's ID. Several clients of one issuer may have one each.
	Tenant string
}

// User is a person who can sign in at a tenant's auth centre.
type User struct {
	// UserName and Password are what the login form asks for.
	UserName, Password string
	// ID is the auth centre's own id of the user, which no push knows.
	// Empty = derived from the tenant and UserName.
	ID string
	// The remaining fields are what userinfo says.
	Name, Email, Mobile, Role, OrgCode, OrgName string
}

var (
	tenantID   = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	domainPath = regexp.MustCompile(`^(/[A-Za-z0-9._-]+)*/?$`)
)

// check returns all that is wrong with the configuration.
func (cfg Config) check() error {
	var faults []error
	if base, err := url.Parse(cfg.BaseURL); err != nil || base.Host == "" || strings.HasSuffix(cfg.BaseURL, "/") {
		faults = append(faults, fmt.Errorf("base URL %q is not an absolute address without a slash at the end", cfg.BaseURL))
	}
	if cfg.Now == nil {
		faults = append(faults, errors.New("no clock"))
	}
	if len(cfg.Tenants) == 0 {
		faults = append(faults, errors.New("no tenants"))
	}
	seen := map[string]bool{}
	for _, t := range cfg.Tenants {
		if !tenantID.MatchString(t.ID) {
			faults = append(faults, fmt.Errorf("tenant id %q is not made of letters, digits, '.', '_' and '-'", t.ID))
		}
		if seen[t.ID] {
			faults = append(faults, fmt.Errorf("tenant %s stands twice", t.ID))
		}
		seen[t.ID] = true
		if t.Domain != "" {
			domain, err := url.Parse(t.Domain)
			switch {
			case err != nil || domain.Host == "" || !domainPath.MatchString(domain.Path):
				faults = append(faults, fmt.Errorf("tenant %s: domain %q is not an absolute address with a plain path", t.ID, t.Domain))
			case seen[t.Domain]:
				faults = append(faults, fmt.Errorf("tenant %s: domain %q is another tenant's", t.ID, t.Domain))
			}
			seen[t.Domain] = true
		}
		for _, c := range t.Clients {
			if c.ID == "" || c.Secret == "" || len(c.RedirectURIs) == 0 {
				faults = append(faults, fmt.Errorf("tenant %s: client %q lacks an id, a secret or a redirect URI", t.ID, c.ID))
			}
		}
	}
	return errors.Join(faults...)
}
