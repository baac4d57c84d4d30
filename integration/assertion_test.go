//go:build integration

package integration_test

import (
	"encoding/base64"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAssertionExamples runs the examples of docs/assertion.md as they stand there, but for the addresses: each accepts the
// assertion of a session and nothing else.
func TestAssertionExamples(t *testing.T) {
	t.Parallel()
	s := startSignIn(t)
	other := startSignIn(t, "  assertion: {audience: somebody-else}")
	rsa := startSignIn(t, "  assertion: {alg: RS256}")
	assertion := func(s *signIn) string {
		s.bind(t, "t1", "zhangsan")
		return s.visitor(t, "zhangsan").signedIn("t1").get("/sso/authz/auth-request").header.Get("X-Auth-Assertion")
	}
	good, foreign, ofRSA := assertion(s), assertion(other), assertion(rsa)
	part := strings.Split(good, ".")
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	forged := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"` + s.publicURL + `","aud":"` + s.publicURL + `","sub":"t1/boss","nbf":0,"exp":9999999999}`))
	bent := []byte(part[2])
	if bent[10] = 'A'; part[2][10] == 'A' {
		bent[10] = 'B'
	}
	for file, program := range map[string]string{"verify.py": "/usr/bin/python3", "verify.php": "php", "verify.mjs": "node"} {
		t.Run(file, func(t *testing.T) { //nolint:paralleltest // it would wait for a turn, and the assertions live for a minute
			run := func(s *signIn, token string) (string, error) {
				dir := t.TempDir()
				text := strings.NewReplacer("https://app.example.com", s.publicURL, "http://127.0.0.1:8080", s.publicURL).Replace(snippetOf(t, "assertion.md", file))
				write(t, dir, map[string]string{file: text})
				out, err := exec.CommandContext(t.Context(), program, filepath.Join(dir, file), token).CombinedOutput()
				return strings.TrimSpace(string(out)), err
			}
			if got, err := run(s, good); err != nil || got != "t1/zhangsan" {
				t.Fatalf("%s (apt-get install php-cli python3-jwt python3-cryptography nodejs): %v: %s", program, err, got)
			}
			for name, tt := range map[string]struct {
				s     *signIn
				token string
			}{
				"of another key":        {s, foreign},
				"for somebody else":     {other, foreign},
				"of another algorithm":  {rsa, ofRSA},
				"with other claims":     {s, part[0] + "." + forged + "." + part[2]},
				"without a signature":   {s, unsigned + "." + forged + "."},
				"with a bent signature": {s, part[0] + "." + part[1] + "." + string(bent)},
				"that is none":          {s, "x"},
			} {
				if got, err := run(tt.s, tt.token); err == nil {
					t.Errorf("an assertion %s was taken: %s", name, got)
				}
			}
		})
	}
}
