package sso

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// maxUserName bounds a user name, in bytes: authSync's userName has at most 64 characters.
const maxUserName = 256

// verified is what an auth centre proved and said about a person.
type verified struct {
	Tenant  TenantID `json:"t"`
	User    UserName `json:"u"`
	Role    Role     `json:"r,omitempty"`
	Profile Profile  `json:"p"`
	// Subject and ProviderSession are [NewSession]'s.
	Subject         Handle `json:"s,omitempty"`
	ProviderSession Handle `json:"i,omitempty"`
	// Tokens never pass through a browser. Of a sign-in that has to wait they are deposited under Ref.
	Tokens Tokens `json:"-"`
	Ref    Handle `json:"k,omitempty"`
}

// identify reads who a person is from the claims of an auth centre. The tenant is that of the credential which redeemed
// the code; a tenant in the claims must equal it. Which spelling wins is the order of the alias lists, and only userName
// is indispensable: the access guide's own samples lack everything else.
func identify(c claims, t Tenant, s *Settings) (verified, error) {
	for _, key := range []string{"tenant", "tenantId", "tenant_id", "domainId"} {
		named, ok := c.text(key)
		byCode := s.TenantClaim == "id_or_code" && named == t.Code
		if !ok || named != "" && TenantID(named) != t.ID && !byCode {
			return verified{}, failed("identity."+key, ErrTenantMismatch)
		}
	}
	user, ok := c.first(s.userNameClaims()...)
	// U+FFFD stands for bytes that are no text: of two such names each reader makes the same one.
	if !ok || user == "" || !tidy(user, maxUserName) || strings.ContainsRune(user, utf8.RuneError) {
		return verified{}, failed("identity.userName", ErrIdentity)
	}
	// Whoever may choose an address of their own could choose somebody else's.
	if s.UserClaim == "email" && !c.isTrue("email_verified") {
		return verified{}, failed("identity.email_verified", ErrIdentity)
	}
	role := roleOf(c, s.RoleClaim)
	if t.Authority != "" && s.RoleClaim == "" {
		role = RoleUser // whom no push made an admin is one only by a claim that the operator chose
	}
	return verified{
		Tenant: t.ID,
		User:   UserName(user),
		Role:   role,
		Profile: Profile{
			Name:         c.soft("name", "displayName"),
			OrgCode:      c.soft("organizationCode", "orgCode"),
			Email:        c.soft("email"),
			Mobile:       c.soft("mobile", "phone_number"),
			EmployeeCode: c.soft("employeeCode", "employee_code"),
		},
	}, nil
}

// userNameClaims are the claims that may be the user name, in order.
func (s *Settings) userNameClaims() []string {
	if s.UserClaim != "" {
		return []string{s.UserClaim}
	}
	return userNameClaims()
}

// userNameClaims are the spellings of the user name, in order.
func userNameClaims() []string {
	return []string{"userName", "user_name", "username", "preferred_username"}
}

// roleOf reads the role from the claim of that name; empty means "role". One that is present but unknown counts as user; only an
// absent one is not known. A claim that the operator named may be a list, as providers send of roles and groups: then the member
// admin counts.
func roleOf(c claims, name string) Role {
	if name != "" && slices.Contains(c.list(name), string(RoleAdmin)) {
		return RoleAdmin
	}
	if name == "" {
		name = "role"
	}
	role, ok := c.text(name)
	switch {
	case ok && role == "":
		return RoleUnknown
	case ok && Role(role) == RoleAdmin:
		return RoleAdmin
	}
	return RoleUser
}

// lowerRole is the effective role: the lower of what the auth centre said at sign-in and what is synced now, the known one
// if only one is known, and user if none is. The two channels may each be stale; the lower right is the safe reading.
func lowerRole(a, b Role) Role {
	if a == RoleUnknown {
		a = b
	}
	if b == RoleUnknown {
		b = a
	}
	if a == RoleAdmin && b == RoleAdmin {
		return RoleAdmin
	}
	return RoleUser
}

// fill returns p with its blanks taken from other.
func (p Profile) fill(other Profile) Profile {
	pick := func(a, b string) string {
		if a != "" {
			return a
		}
		return b
	}
	return Profile{
		Name:         pick(p.Name, other.Name),
		OrgCode:      pick(p.OrgCode, other.OrgCode),
		Email:        pick(p.Email, other.Email),
		Mobile:       pick(p.Mobile, other.Mobile),
		EmployeeCode: pick(p.EmployeeCode, other.EmployeeCode),
	}
}

// Identity is who a request comes from, as synced at the moment of the decision.
type Identity struct {
	Tenant TenantID
	User   UserName
	App    AppID
	// TenantCode and TenantName are for display.
	TenantCode, TenantName string
	// Role is RoleUser or RoleAdmin.
	Role Role
	Profile
	// Session is opaque and new at each sign-in. A product with a session of its own drops it when this changes.
	Session string
	// Test is true for the marketplace's debug tenants.
	Test bool
}

// Subject returns the one account key, as [Subject] makes it.
func (i Identity) Subject() string { return Subject(i.Tenant, i.User) }

// identityOf is the identity of a live session.
func identityOf(key SessionKey, s LiveSession) Identity {
	role := lowerRole(s.Role, s.Account.Role)
	if s.Provisional && s.Account.Status == AccountUnknown && s.Authority == "" {
		role = RoleUser
	}
	id := Identity{
		Tenant: s.Tenant, User: s.User, App: s.App,
		TenantCode: s.TenantCode, TenantName: s.TenantName,
		Role: role, Profile: s.Account.fill(s.Filled),
		Session: publicSession(key), Test: s.Test,
	}
	if id.Name == "" {
		id.Name = string(s.User)
	}
	return id
}
