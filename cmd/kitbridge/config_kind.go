package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/kitbridge/kitbridge/sso"
)

// kind returns the check behind kind:"…", nil for none. A check gets a text that
// is not empty and returns its normal form, or what is wrong and what to do.
func (d *decoder) kind(name string) func(string) (string, error) {
	return map[string]func(string) (string, error){
		"listen":     checkListen,
		"origin":     checkOrigin,
		"url":        checkURL,
		"template":   checkTemplate,
		"host":       checkHost,
		"site":       checkSite,
		"name":       checkName,
		"identifier": checkIdentifier,
		"path":       func(text string) (string, error) { return d.resolve(text), nil },
		"file":       d.checkFile,
	}[name]
}

// resolve makes a relative path begin at the configuration file's folder.
func (d *decoder) resolve(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(d.dir, path)
}

// checkFile wants a file that can be opened.
func (d *decoder) checkFile(text string) (string, error) {
	path := d.resolve(text)
	f, err := os.Open(path) //nolint:gosec // the operator's own choice of file
	if err != nil {
		return path, fmt.Errorf("file %s can't be opened (%w); create it, or correct the path or its mode", path, errors.Unwrap(err))
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return path, fmt.Errorf("%s is a folder; name a file", path)
	}
	return path, nil
}

// checkListen wants host:port; the host may be left out (all interfaces).
func checkListen(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || strconv.FormatUint(n, 10) != port || strings.ContainsAny(host, "/ ") {
		return text, fmt.Errorf("%q is no address to listen on; write host:port, for example 127.0.0.1:8080", text)
	}
	return text, nil
}

// checkOrigin wants scheme and host of a website, nothing behind.
func checkOrigin(text string) (string, error) {
	u, err := webURL(text)
	if err != nil {
		return text, err
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery {
		return text, fmt.Errorf("has a path or query; write only %s://%s", u.Scheme, u.Host)
	}
	return u.Scheme + "://" + u.Host, nil
}

// checkURL wants an http(s) address.
func checkURL(text string) (string, error) {
	_, err := webURL(text)
	return text, err
}

// webURL reads an absolute http(s) URL. Its errors don't show the text, since
// people put passwords into URLs.
func webURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("is no URL; write for example https://app.example.com")
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, errors.New("is no address of a website; begin with https:// (or http://) and a host")
	case u.User != nil:
		return nil, errors.New("has a user name or password; leave them out")
	case u.Fragment != "":
		return nil, errors.New("has a part behind #; leave it out")
	}
	return u, nil
}

// checkTemplate wants an address with placeholders: {domain} is an auth centre's
// origin and stands only at the beginning.
func checkTemplate(text string) (string, error) {
	filled := text
	if rest, ok := strings.CutPrefix(text, "{domain}"); ok {
		filled = "https://auth.example" + rest
	}
	filled = strings.NewReplacer("{appId}", "a", "{return}", "r").Replace(filled)
	if strings.ContainsAny(filled, "{}") {
		return text, errors.New("has an unknown or misplaced placeholder; known are {domain} at the beginning, {appId} and {return}")
	}
	u, err := url.Parse(filled)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return text, errors.New("is no address; begin with {domain} or https:// and a host")
	}
	return text, nil
}

// checkHost wants a host name or address, perhaps with a port, and lowers its case.
func checkHost(text string) (string, error) {
	u, err := url.Parse("https://" + text)
	if err != nil || u.Host != text || u.Hostname() == "" {
		return text, fmt.Errorf("%q is no host name; write for example app2.example.com, without https:// and path", text)
	}
	return strings.ToLower(text), nil
}

// checkSite wants a host as browsers send it, and gives it the form that one is compared in.
func checkSite(text string) (string, error) {
	if strings.ContainsFunc(text, func(c rune) bool { return c > '~' }) {
		return text, fmt.Errorf("%q has letters that browsers do not send; write the name in ASCII, for example xn--fiq228c.example.com", text)
	}
	host, ok := sso.ParseHost(text)
	if !ok {
		return text, fmt.Errorf("%q is no host name; write for example app2.example.com, without https:// and path", text)
	}
	return host, nil
}

// checkName wants something that is safe in file names, logs and command lines.
func checkName(text string) (string, error) {
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`).MatchString(text) {
		return text, fmt.Errorf("%q is no name; use up to 63 letters, digits, dots, - and _, beginning with a letter or digit", text)
	}
	return text, nil
}

// checkIdentifier wants the beginning of a table's name that needs no quoting anywhere.
func checkIdentifier(text string) (string, error) {
	if !regexp.MustCompile(`^[a-z_][a-z0-9_]{0,31}$`).MatchString(text) {
		return text, fmt.Errorf("%q can't begin a table's name; use up to 32 small letters, digits and _, beginning with a letter", text)
	}
	return text, nil
}
