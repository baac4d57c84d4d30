package sso

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Host is a further host that serves /sso/, beside that of the public address.
type Host struct {
	// Name is the host as browsers write it, with a port if that is not the one its scheme has anyway.
	Name string
	// Tenant is the only one whose people sign in there, by tenantId or tenantCode; empty: any.
	Tenant string
}

// site is one address that browsers know us by. Every one has the scheme of the public address.
type site struct {
	origin *url.URL
	// name is the host without its port: what cookies know.
	name string
	// tenant is the only one whose sessions count here, by id or code; empty: any.
	tenant string
	// further is false for the public address, where the auth centres send browsers back to.
	further bool
	// posts lets forms of this site's own pages through.
	posts *http.CrossOriginProtection
}

// sites are all of them.
type sites struct {
	public  *site
	further map[string]*site // by name
}

// newSites returns the sites of a configuration, or all that is wrong with its hosts.
func newSites(public *url.URL, hosts []Host) (sites, error) {
	all := sites{public: newSite(public, ""), further: make(map[string]*site, len(hosts))}
	var faults []error
	for _, h := range hosts {
		host, ok := ParseHost(h.Name)
		name := hostName(host)
		switch {
		case !ok:
			faults = append(faults, fmt.Errorf("hosts: %q is no host name", h.Name))
			continue
		case name == all.public.name || all.further[name] != nil:
			faults = append(faults, fmt.Errorf("hosts: %s stands there twice, or is the public address's own", name))
			continue
		case !tidy(h.Tenant, 256):
			faults = append(faults, fmt.Errorf("hosts: the tenant of %s is none", name))
			continue
		}
		s := newSite(&url.URL{Scheme: public.Scheme, Host: strings.TrimSuffix(host, standardPort(public.Scheme))}, h.Tenant)
		s.further = true
		all.further[name] = s
	}
	return all, errors.Join(faults...)
}

func newSite(origin *url.URL, tenant string) *site {
	s := &site{origin: origin, name: hostName(origin.Host), tenant: tenant, posts: http.NewCrossOriginProtection()}
	_ = s.posts.AddTrustedOrigin(s.origin.Scheme + "://" + s.origin.Host) // it is one: parsed before
	return s
}

// of returns the site of a request by the host that it names, which may be spelled in any case, with a dot at the end and with
// any port: cookies are the same there. A host that nobody configured is served as the public address.
func (s *sites) of(host string) *site {
	if len(s.further) > 0 {
		if found, ok := s.further[hostName(host)]; ok {
			return found
		}
	}
	return s.public
}

// hostName is the name in a Host header, in small letters, without port and without the dot of a name that is complete.
func hostName(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// ParseHost returns the normal form of a [Host].Name: small letters, and no dot at the end. It reports false for what is no name
// or address, with or without a port, in ASCII.
func ParseHost(text string) (string, bool) {
	if !validHost(text) || strings.HasSuffix(text, ":") || strings.Trim(hostName(text), ".") != hostName(text) {
		return "", false
	}
	name := hostName(text)
	if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, ']') {
		name += text[i:]
	}
	return name, name != "" && name[0] != ':'
}

// standardPort is the port that a scheme has anyway, with its colon.
func standardPort(scheme string) string {
	if scheme == "http" {
		return ":80"
	}
	return ":443"
}

// admits reports whether the sessions of a tenant count here.
func (s *site) admits(id TenantID, code string) bool {
	return s.tenant == "" || s.tenant == string(id) || s.tenant == code
}

// owns reports whether a valid host is this site's, with or without the port that its scheme has anyway.
func (s *site) owns(host string) bool {
	standard := standardPort(s.origin.Scheme)
	return strings.EqualFold(strings.TrimSuffix(host, standard), strings.TrimSuffix(s.origin.Host, standard))
}

// spelled reports whether a host of this site is written so that its cookies are those of its origin: without a dot at the end.
func (s *site) spelled(host string) bool {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return !strings.HasSuffix(host, ".")
}

// purpose is what a cookie of this site is sealed for: none is of use on another one.
func (s *site) purpose(cookie string) string {
	if s.further {
		return cookie + " " + s.name
	}
	return cookie
}

// address returns an absolute address of ours.
func (s *site) address(path string, q url.Values) string {
	if len(q) == 0 {
		return s.origin.String() + path
	}
	return s.origin.String() + path + "?" + q.Encode()
}

// loginURL is where a browser signs in to come back to returnPath.
func (s *site) loginURL(tenant TenantID, returnPath string) string {
	q := url.Values{}
	if tenant != "" {
		q.Set("tenant", string(tenant))
	}
	if returnPath != "" && returnPath != "/" {
		q.Set("return", returnPath)
	}
	return s.address(ssoPrefix+"/login", q)
}

// returnOr judges a return target; what is not acceptable becomes the product's home.
func (s *site) returnOr(text string) string {
	if text == resendPath {
		return text // the one page of ours that a sign-in may come back to
	}
	if path, ok := returnPath(text, s.origin); ok {
		return path
	}
	return "/"
}
