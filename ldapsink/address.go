package ldapsink

import (
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// Address is where a directory listens.
type Address struct {
	Scheme string // ldap, ldaps or ldapi
	// Host is a name or an IP address without brackets; of ldapi, the path of the socket.
	Host string
	Port string // never empty but for ldapi
}

// ParseAddress reads ldap://host[:port], ldaps://host[:port] or ldapi://, which is followed by
// the path of a Unix socket: percent-encoded in the place of the host as OpenLDAP's tools write it
// (ldapi://%2Frun%2Fslapd%2Fldapi), as a path (ldapi:///run/slapd/ldapi), or not at all for the usual one.
// The error does not repeat the text.
func ParseAddress(text string) (Address, error) {
	wrong := errors.New("want ldap://host[:port], ldaps://host[:port] or ldapi://%2Fpath%2Fof%2Fsocket, without user and DN")
	if rest, ok := strings.CutPrefix(text, "ldapi://"); ok {
		path, err := url.PathUnescape(rest)
		if err != nil || strings.ContainsAny(path, "?#") {
			return Address{}, wrong
		}
		if !strings.HasPrefix(rest, "/") {
			path = strings.TrimSuffix(path, "/") // ldapi://%2Fpath/
		}
		if path == "" || path == "/" {
			path = "/var/run/slapd/ldapi"
		}
		if !strings.HasPrefix(path, "/") {
			return Address{}, wrong
		}
		return Address{Scheme: "ldapi", Host: path}, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return Address{}, wrong
	}
	a := Address{Scheme: u.Scheme, Host: u.Hostname(), Port: u.Port()}
	switch {
	case u.Scheme != "ldap" && u.Scheme != "ldaps":
		return Address{}, wrong
	case a.Port == "" && u.Scheme == "ldaps":
		a.Port = ldap.DefaultLdapsPort
	case a.Port == "":
		a.Port = ldap.DefaultLdapPort
	}
	return a, nil
}

// String returns the address as it is configured.
func (a Address) String() string {
	if a.Scheme == "ldapi" {
		return "ldapi://" + url.PathEscape(a.Host)
	}
	return a.Scheme + "://" + net.JoinHostPort(a.Host, a.Port)
}
