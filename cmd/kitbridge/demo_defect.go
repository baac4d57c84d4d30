package main

import (
	"fmt"
	"io"

	"github.com/kitbridge/kitbridge/sso"
	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// listDefects prints the ways in which the demonstration's auth centre can be wrong.
func listDefects(out io.Writer) error {
	rows := make([][]string, 0, len(ssotest.Defects()))
	for _, d := range ssotest.Defects() {
		rows = append(rows, []string{d.Name(), profileOf(d), string(d)})
	}
	columns(out, []string{"NAME", "PROFILE", "THE AUTH CENTRE'S"}, rows)
	_, err := fmt.Fprint(out, "\nkitbridge demo --defect NAME: sign in, and see the page; --log shows the name of the check.\n")
	return err
}

// profileOf is the profile of a product that sees the defect.
func profileOf(d ssotest.Defect) string {
	switch {
	case d.OpenIDOnly():
		return string(sso.ProfileOIDC)
	case d.CASOnly():
		return string(sso.ProfileCAS)
	}
	return string(sso.ProfileKit)
}

// demoProfile sets what a configuration file that names the profile would have set.
func demoProfile(s *SSO, d ssotest.Defect) {
	s.Profile = profileOf(d)
	own := sso.DefaultSettings(sso.ProfileName(s.Profile))
	s.AuthorizeURL, s.TokenURL, s.UserinfoURL, s.LogoutURL = own.AuthorizeURL, own.TokenURL, own.UserinfoURL, own.LogoutURL
	s.ServiceTemplate = own.ServiceTemplate
	s.Scope, s.Nonce, s.PKCE, s.IDToken = own.Scope, "if_echoed", "off", "if_present"
	if d.OpenIDOnly() {
		s.Nonce, s.PKCE, s.IDToken = "required", "s256", "required"
	}
}

// findDefect returns the defect with a name; the empty name is none.
func findDefect(name string) (ssotest.Defect, error) {
	if name == "" {
		return ssotest.NoDefect, nil
	}
	names := make([]string, 0, len(ssotest.Defects()))
	for _, d := range ssotest.Defects() {
		if d.Name() == name {
			return d, nil
		}
		names = append(names, d.Name())
	}
	if near := nearest(name, names); near != "" {
		return "", &usageError{fmt.Errorf("--defect %q: there is no such defect; did you mean %s?", visible(name), near)}
	}
	return "", &usageError{fmt.Errorf("--defect %q: there is no such defect; kitbridge demo --defect list shows them", visible(name))}
}
