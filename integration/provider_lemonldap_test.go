//go:build integration

package integration_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// lemonldap is LemonLDAP::NG, an access manager of enterprises, as an OpenID provider and as a CAS server. Its people are those of
// its own demonstration: dwho, rtyler and msmith, each with the name as password.
type lemonldap struct {
	portal string // the address, without a slash
}

// startLemonldap runs it with further settings, by files in a directory of its own: its application server, and nginx before it.
func startLemonldap(t *testing.T, settings map[string]any) *lemonldap {
	t.Helper()
	server := serverOf(t, "llng-fastcgi-server")
	const site = "/usr/share/lemonldap-ng/portal"
	for _, file := range []string{site, "/usr/share/perl5/IO/String.pm", "/usr/share/perl5/XML/Simple.pm", "/usr/share/perl5/String/Random.pm"} {
		if _, err := os.Stat(file); err != nil {
			t.Fatal("LemonLDAP::NG is not all installed, and this test needs it: apt-get install lemonldap-ng-fastcgi-server " +
				"liblemonldap-ng-portal-perl libio-string-perl libxml-simple-perl libstring-random-perl")
		}
	}
	address := localAddress(t)
	l := &lemonldap{portal: "http://" + strings.Replace(address, "127.0.0.1", "localhost", 1)} // its cookies want a name
	dir, err := os.MkdirTemp("", "kitbridge-llng-")                                            // sockets have short names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck // nothing depends on it
	for _, sub := range []string{"conf", "sessions", "sessions/lock", "persistent", "persistent/lock", "cache", "tmp", "lib/Lemonldap/NG/Portal"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	private, public := signingKey(t)
	config := map[string]any{
		"cfgNum": 1, "cfgAuthor": "test", "cfgDate": 1700000000, "cfgVersion": "2.16.1",
		"domain": "localhost", "portal": l.portal + "/", "cookieName": "lemonldap", "securedCookie": 0,
		"authentication": "Demo", "userDB": "Same", "passwordDB": "Null", "registerDB": "Null",
		"globalStorage":              "Apache::Session::File",
		"globalStorageOptions":       map[string]any{"Directory": dir + "/sessions", "LockDirectory": dir + "/sessions/lock", "generateModule": "Lemonldap::NG::Common::Apache::Session::Generate::SHA256"},
		"persistentStorage":          "Apache::Session::File",
		"persistentStorageOptions":   map[string]any{"Directory": dir + "/persistent", "LockDirectory": dir + "/persistent/lock"},
		"localSessionStorage":        "Cache::FileCache",
		"localSessionStorageOptions": map[string]any{"cache_root": dir + "/cache", "namespace": "lemonldap-ng-session", "default_expires_in": 600, "directory_umask": "007", "cache_depth": 3},
		"exportedVars":               map[string]any{}, "demoExportedVars": map[string]any{"uid": "uid", "cn": "cn", "mail": "mail"},
		"locationRules": map[string]any{"localhost": map[string]any{"default": "accept"}},
		"captcha":       "::NoCaptcha", "portalCheckLogins": 0, "portalDisplayResetPassword": 0,
		"oidcServicePrivateKeySig": private, "oidcServicePublicKeySig": public, "oidcServiceKeyIdSig": "key-1",
	}
	for name, value := range settings {
		config[name] = value
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	ini := strings.NewReplacer("DIR", dir, "SITE", site)
	write(t, dir, map[string]string{
		"conf/lmConf-1.json":                   string(text),
		"lemonldap-ng.ini":                     ini.Replace(lemonldapINI),
		"lib/Lemonldap/NG/Portal/NoCaptcha.pm": lemonldapNoCaptcha,
		"nginx.conf":                           ini.Replace(strings.ReplaceAll(lemonldapNginx, "ADDRESS", address)),
	})
	args := []string{
		"env", "LLNG_DEFAULTCONFFILE=" + dir + "/lemonldap-ng.ini", "LLNG_DEFAULTLOGGER=Lemonldap::NG::Common::Logger::Std", "PERL5LIB=" + dir + "/lib", "USER=", "GROUP=",
		server, "--foreground", "--proc", "0", "--socket", dir + "/s", "--pid", dir + "/pid",
	}
	if os.Geteuid() == 0 { // which it refuses to be
		args = append(args, "--user", "www-data", "--group", "www-data")
		if out, err := exec.CommandContext(t.Context(), "chown", "-R", "www-data:www-data", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	process := peers.Run(t, peers.Program{
		Name: "LemonLDAP::NG", Dir: dir, Args: args,
		Ready: func(context.Context) error { _, err := os.Stat(dir + "/s"); return err },
	})
	t.Cleanup(func() { // it has a child
		if err := syscall.Kill(process.PID(), syscall.SIGTERM); err == nil {
			await(t, 5*time.Second, func() string { return strings.Join(processesNaming(t, dir+"/s"), "\n") })
		}
	})
	peers.Run(t, peers.Program{
		Name: "nginx before LemonLDAP::NG", Dir: t.TempDir(),
		Args:  []string{serverOf(t, "nginx"), "-p", dir, "-e", "stderr", "-c", dir + "/nginx.conf"},
		Ready: func(ctx context.Context) error { return answers(ctx, l.portal+"/") },
	})
	return l
}

// lemonldapINI is the configuration that does not concern what it does but where it keeps it.
const lemonldapINI = `[all]
logLevel = warn
[configuration]
type = File
dirName = DIR/conf
localStorage = Cache::FileCache
localStorageOptions = { 'namespace' => 'config', 'default_expires_in' => 600, 'directory_umask' => '007', 'cache_root' => 'DIR/cache', 'cache_depth' => 3 }
[portal]
staticPrefix = /static
templateDir = SITE/templates
languages = en
`

// lemonldapNoCaptcha stands in for the module that draws pictures to read, which it wants even where no page shows any.
const lemonldapNoCaptcha = `package Lemonldap::NG::Portal::NoCaptcha;
use Mouse;
extends 'Lemonldap::NG::Portal::Main::Plugin';
sub init { 1 }
1;
`

// lemonldapNginx is what Debian's package has for nginx, for one portal and any port.
const lemonldapNginx = `daemon off; master_process off; error_log stderr warn; pid DIR/nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path DIR/tmp/b; proxy_temp_path DIR/tmp/p; fastcgi_temp_path DIR/tmp/f; uwsgi_temp_path DIR/tmp/u; scgi_temp_path DIR/tmp/s;
    fastcgi_buffer_size 32k; fastcgi_buffers 8 32k;
    server {
        listen ADDRESS;
        root SITE/htdocs;
        location /static/ { }
        location / {
            include /etc/nginx/fastcgi_params;
            fastcgi_param HTTP_HOST $http_host;
            fastcgi_param LLTYPE portal;
            fastcgi_param SCRIPT_NAME "";
            fastcgi_param SCRIPT_FILENAME SITE/htdocs/index.psgi;
            fastcgi_param PATH_INFO $uri;
            fastcgi_pass unix:DIR/s;
        }
    }
}
`

// signingKey makes a key and returns both halves as PEM.
func signingKey(t *testing.T) (private, public string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// atLemonldap signs in on its page.
func (v *visitor) atLemonldap(tenant, name string) arrival {
	v.t.Helper()
	p := v.walk("/sso/login?" + url.Values{"tenant": {tenant}, "return": {"/orders?a=1"}}.Encode())
	if strings.HasPrefix(p.at.String(), v.s.publicURL) {
		return p
	}
	return v.fill(p, "password", map[string]string{"user": name, "password": name})
}

// TestLemonldap signs in at it by OpenID Connect and by CAS, each with a bridge of its own.
func TestLemonldap(t *testing.T) {
	t.Parallel()
	openid := startPatientSignIn(t, 10*time.Second, "  profile: oidc", `  issuer: "{domain}/"`, "  scope: [openid, profile]")
	cas := func(template string) *signIn {
		return startPatientSignIn(t, 10*time.Second, "  profile: cas", `  authorize_url: "{domain}/cas/login"`, `  userinfo_url: "{domain}/cas/p3/serviceValidate"`,
			`  logout_url: "{domain}/cas/logout?service={return}"`, fmt.Sprintf("  service_template: %q", template))
	}
	plain, stated := cas("{callback}?tenant={tenantId}"), cas("{callback}?tenant={tenantId}&state={state}")
	client := func(id string) map[string]any {
		return map[string]any{
			"oidcRPMetaDataOptionsClientID": id, "oidcRPMetaDataOptionsClientSecret": "secret-of-" + id,
			"oidcRPMetaDataOptionsRedirectUris":           openid.publicURL + "/sso/callback",
			"oidcRPMetaDataOptionsPostLogoutRedirectUris": openid.publicURL + "/sso/signed-out",
			"oidcRPMetaDataOptionsIDTokenSignAlg":         "RS256", "oidcRPMetaDataOptionsBypassConsent": 1,
			"oidcRPMetaDataOptionsRequirePKCE": 1, "oidcRPMetaDataOptionsUserIDAttr": "uid",
			"oidcRPMetaDataOptionsIDTokenExpiration": 3600,
		}
	}
	service := func(s *signIn) map[string]any {
		return map[string]any{"casAppMetaDataOptionsService": s.publicURL + "/sso/", "casAppMetaDataOptionsUserAttribute": "uid"}
	}
	claims := map[string]any{"preferred_username": "uid", "name": "cn", "email": "mail"} // what its manager proposes
	attributes := map[string]any{"userName": "uid", "name": "cn", "email": "mail"}
	l := startLemonldap(t, map[string]any{
		"issuerDBOpenIDConnectActivation": 1,
		"oidcRPMetaDataOptions":           map[string]any{"bridge": client("client-1"), "other": client("client-2")},
		"oidcRPMetaDataExportedVars":      map[string]any{"bridge": claims, "other": claims},
		"issuerDBCASActivation":           1, "casAccessControlPolicy": "error", "casAttr": "uid",
		"casAppMetaDataOptions":      map[string]any{"plain": service(plain), "stated": service(stated)},
		"casAppMetaDataExportedVars": map[string]any{"plain": attributes, "stated": attributes},
	})
	t.Run("OpenID", func(t *testing.T) { lemonldapOpenID(t, openid, l) })
	t.Run("CAS", func(t *testing.T) { lemonldapCAS(t, plain, l) })
	t.Run("CAS with state", func(t *testing.T) { lemonldapCAS(t, stated, l) })
}

// lemonldapOpenID: sign-in, logout, a client that is not known, a secret that is not right. This version sends no back-channel
// logout, and says so in its discovery document.
func lemonldapOpenID(t *testing.T, s *signIn, l *lemonldap) {
	t.Helper()
	for tenant, clientID := range map[string]string{"t1": "client-1", "t2": "client-2", "wrong": "client-1", "stranger": "client-9"} {
		s.introduce(t, tenant, "企业 "+tenant, l.portal)
		secret := "secret-of-" + clientID
		if tenant == "wrong" {
			secret = "not-the-secret-of-it"
		}
		s.credential(t, tenant, clientID, secret)
		s.employed(t, tenant, "dwho", "rtyler")
	}
	v := s.visitor(t, "")
	v.ends(v.atLemonldap("t1", "dwho"), "/orders?a=1")
	v.is("t1/dwho")
	checkRole(t, v, "dwho", "user")
	v.ends(v.walk("/sso/login?tenant=t2&return=/orders?a=1"), "/orders?a=1") // the provider knows them
	v.is("t2/dwho")

	t.Run("unknown person", func(t *testing.T) {
		v := s.visitor(t, "")
		v.ends(v.atLemonldap("t1", "msmith"), "/sso/pending")
		v.is("")
	})
	t.Run("wrong client secret", func(t *testing.T) {
		v := s.visitor(t, "")
		v.refused(v.atLemonldap("wrong", "dwho"), "credential_rejected")
	})
	t.Run("unknown client", func(t *testing.T) {
		v := s.visitor(t, "")
		if p := v.atLemonldap("stranger", "dwho"); strings.HasPrefix(p.at.String(), s.publicURL) {
			t.Errorf("the provider sent the browser back, to %s", p.at)
		}
		v.is("")
	})
	t.Run("sign-out", func(t *testing.T) {
		v := s.visitor(t, "")
		v.ends(v.atLemonldap("t1", "rtyler"), "/orders?a=1")
		asked := v.walk("/sso/logout")
		v.is("")
		v.ends(v.fill(asked, "confirm", map[string]string{"confirm": "1"}), "/sso/signed-out")
		v.signedOutAt(l)
	})
}

// signedOutAt fails the test unless the portal asks again who they are.
func (v *visitor) signedOutAt(l *lemonldap) {
	v.t.Helper()
	if p := v.walk("/sso/login?tenant=t1"); !strings.HasPrefix(p.at.String(), l.portal) {
		v.t.Errorf("after the sign-out the portal sends the browser on to %s, without asking who it is", p.at)
	}
}

// lemonldapCAS: the same people by CAS 3.
func lemonldapCAS(t *testing.T, s *signIn, l *lemonldap) {
	t.Helper()
	s.introduce(t, "t1", "企业", l.portal)
	s.credential(t, "t1", "none", "cas knows no secret")
	s.employed(t, "t1", "dwho")
	v := s.visitor(t, "")
	v.ends(v.atLemonldap("t1", "dwho"), "/orders?a=1")
	v.is("t1/dwho")
	checkRole(t, v, "dwho", "user")

	stranger := s.visitor(t, "")
	stranger.ends(stranger.atLemonldap("t1", "msmith"), "/sso/pending")
	stranger.is("")
	forger := s.visitor(t, "")
	begun := forger.walk("/sso/login?tenant=t1&return=/orders")
	service := begun.at.Query().Get("service")
	forged := forger.arrive(service, forger.get(service+"&ticket=ST-forged"))
	forger.refused(forged, "code_spent")

	left := v.walk("/sso/logout")
	v.is("")
	v.ends(left, "/sso/signed-out")
	v.signedOutAt(l)
}
