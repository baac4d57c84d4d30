package sso

import (
	"net/netip"
	"net/url"
	"strings"
)

// ParseDomain normalises a tenant's domainName to the base address of its auth centre, without a trailing slash.
//
// It accepts a bare host, as some pages of the access guide write it, and an https address with port and path. It refuses
// every other scheme, user info, query and fragment, an empty or malformed host, with
// an error that is [ErrInsecureDomain]. With insecure, http and any host are accepted, for development only.
func ParseDomain(text string, insecure bool) (*url.URL, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || len(text) > 512 {
		return nil, ErrInsecureDomain // the text may hold anything; it is not quoted
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if u.Scheme != "https" && (u.Scheme != "http" || !insecure) {
		return nil, ErrInsecureDomain
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(text, "#") || !plainHost(u.Hostname()) {
		return nil, ErrInsecureDomain
	}
	if u.Path = strings.TrimRight(u.Path, "/"); !plainPath(u.Path) || u.RawPath != "" {
		return nil, ErrInsecureDomain
	}
	return u, nil
}

// AuthCentreHost returns the host and explicit port of a tenant's auth centre, lower case, or "" if the tenant has no
// usable address. A static tenant's issuer wins over its domain. [Tenants] implementations index by it.
func AuthCentreHost(t Tenant) string {
	address := t.Issuer
	if address == "" {
		address = t.Domain
	}
	u, err := ParseDomain(address, true)
	if err != nil {
		return ""
	}
	return u.Host
}

// plainHost reports whether host is an IP address without zone, or a name of the letters that host names have.
func plainHost(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Zone() == ""
	}
	if host == "" || len(host) > 253 || strings.HasPrefix(host, ".") || strings.Contains(host, "..") {
		return false
	}
	for _, c := range []byte(host) {
		if !isAlnum(c) && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

// plainPath reports whether a base path can be pasted into a template without changing its meaning.
func plainPath(path string) bool {
	for _, c := range []byte(path) {
		if !isAlnum(c) && !strings.ContainsRune("/-._~", rune(c)) {
			return false
		}
	}
	return !strings.Contains(path, "//") && !strings.Contains(path+"/", "/../") && !strings.Contains(path+"/", "/./")
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
