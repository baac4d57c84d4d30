package sso

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Rule says who may send which requests.
type Rule struct {
	// Path is covered with everything below it: `/admin` and `/admin/` cover /admin, /admin/ and /admin/users, and not
	// /administration. It is compared decoded. A request whose path two systems could read as different rules' is refused.
	Path string
	// Methods are HTTP methods; none: all. GET covers HEAD.
	Methods []string
	Allow   Allow
}

// Allow is who a rule lets in: everybody (Public), whoever is signed in (SignedIn), or of those only who meets each
// restriction that is set.
type Allow struct {
	Public, SignedIn bool
	// Role is the least role: RoleUser is met by an admin, too.
	Role Role
	// Tenants are ids or codes, and Orgs are codes of departments, of which one must be the person's own.
	Tenants, Orgs []string
}

// Validate reports the first fault of a rule.
func (r Rule) Validate() error {
	if !strings.HasPrefix(r.Path, "/") {
		return errors.New("path: must begin with /; write for example /admin/")
	}
	if strings.Contains(r.Path, "*") {
		return errors.New("path: knows no *, as it covers everything below it; write for example /admin/")
	}
	if _, ok := rulePath(r.Path); !ok {
		return fmt.Errorf("path: %q can be read in two ways; write it plainly, for example /admin/", r.Path)
	}
	for _, m := range r.Methods {
		if !isMethod(m) || strings.ToUpper(m) != m {
			return fmt.Errorf("methods: %q is no HTTP method; write for example GET", m)
		}
	}
	a := r.Allow
	restricted := a.Role != RoleUnknown || len(a.Tenants)+len(a.Orgs) > 0
	if a.Public && (a.SignedIn || restricted) || !a.Public && !a.SignedIn && !restricted {
		return errors.New("allow: must be public, signed_in or restrictions")
	}
	if a.Role != RoleUnknown && a.Role != RoleUser && a.Role != RoleAdmin {
		return fmt.Errorf("allow: role %q is neither user nor admin", a.Role)
	}
	return nil
}

// admits reports whether a signed-in person meets the restrictions.
func (a *Allow) admits(id Identity) bool {
	if a.Role == RoleAdmin && id.Role != RoleAdmin {
		return false
	}
	if len(a.Tenants) > 0 && !slices.Contains(a.Tenants, string(id.Tenant)) && (id.TenantCode == "" || !slices.Contains(a.Tenants, id.TenantCode)) {
		return false
	}
	return len(a.Orgs) == 0 || id.OrgCode != "" && slices.Contains(a.Orgs, id.OrgCode)
}

// rules decide by path and method; of several the first that covers a request.
type rules []compiledRule

type compiledRule struct {
	path, folded string // decoded, without the slash at the end
	methods      []string
	allow        Allow
}

// newRules compiles rules, or reports all their faults.
func newRules(list []Rule) (rules, error) {
	var faults []error
	compiled := make(rules, 0, len(list))
	for i, r := range list {
		if err := r.Validate(); err != nil {
			faults = append(faults, fmt.Errorf("rules[%d].%w", i, err))
			continue
		}
		path, _ := rulePath(r.Path)
		methods := slices.Clone(r.Methods)
		if slices.Contains(methods, http.MethodGet) {
			methods = append(methods, http.MethodHead)
		}
		compiled = append(compiled, compiledRule{path: path, folded: foldPath(path), methods: methods, allow: r.Allow})
	}
	return compiled, errors.Join(faults...)
}

// rulePath decodes the path of a rule, which may be written encoded or plainly. The root is "".
func rulePath(text string) (string, bool) {
	var escaped strings.Builder
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' {
			fmt.Fprintf(&escaped, "%%%02X", c)
		} else {
			escaped.WriteByte(c)
		}
	}
	path, ok := canonicalPath(escaped.String())
	return strings.TrimSuffix(path, "/"), ok && !strings.Contains(path, ";")
}

// errReadings means that a request could be taken for another one, so that nothing can be decided about it.
var errReadings = fmt.Errorf("the request has several readings: %w", ErrForbidden)

// noRule is the index of the rule that covers what no rule names.
const noRule = -1

// choose returns who may send a request of one of these methods to this escaped path, as the product gets it: what the first
// rule says, or signed_in if there is none. It returns false if the path has no single reading, or if readings that real
// systems have of it (capital letters folded, parameters cut off) or the methods lead to different rules.
func (rs rules) choose(methods []string, escaped string) (*Allow, error) {
	path, ok := canonicalPath(escaped)
	if !ok || len(methods) == 0 {
		return nil, errReadings
	}
	chosen := rs.first(methods[0], path, false)
	for _, method := range methods {
		if !isMethod(method) || strings.ToUpper(method) != method {
			return nil, errReadings
		}
		for _, reading := range [2]string{path, withoutParameters(path)} {
			if rs.first(method, reading, false) != chosen || rs.first(method, foldPath(reading), true) != chosen {
				return nil, errReadings
			}
		}
	}
	if chosen == noRule {
		return &Allow{SignedIn: true}, nil
	}
	return &rs[chosen].allow, nil
}

// first returns the index of the first rule that covers a decoded path, or noRule.
func (rs rules) first(method, path string, folded bool) int {
	for i := range rs {
		r := &rs[i]
		own := r.path
		if folded {
			own = r.folded
		}
		rest, below := strings.CutPrefix(path, own)
		if below && (rest == "" || rest[0] == '/') && (len(r.methods) == 0 || slices.Contains(r.methods, method)) {
			return i
		}
	}
	return noRule
}

// isMethod reports whether text is a token (RFC 9110, section 9.1).
func isMethod(text string) bool {
	if text == "" || len(text) > 32 {
		return false
	}
	for _, c := range []byte(text) {
		if !isAlnum(c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return true
}

// methodsOf are the method of a request and those that frameworks would take in its place.
func methodsOf(method string, h http.Header) []string {
	methods := []string{method}
	for name, values := range h {
		if n := len(name); n != len("x-http-method") && n != len("x-method-override") && n != len("x-http-method-override") {
			continue // none of them, however it is spelt
		}
		switch foldHeader(name) {
		case "x-http-method-override", "x-http-method", "x-method-override":
			methods = append(methods, values...)
		}
	}
	return methods
}
