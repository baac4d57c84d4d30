package sso

import (
	"context"
	"crypto/sha256"
	"time"
)

// TenantID is the marketplace's id of a buyer enterprise (tenantSync's tenantId).
type TenantID string

// UserName is a login name; it is unique inside one tenant only and compared byte for byte.
type UserName string

// AppID is the id of an application credential (applicationSync's appId).
type AppID string

// Role is what a user may do in the product. The empty Role means that nobody said.
type Role string

// The roles of the marketplace's vocabulary (access guide, authSync and userinfo).
const (
	RoleUnknown Role = ""
	RoleUser    Role = "user"
	RoleAdmin   Role = "admin"
)

// Tenant is a buyer enterprise as its pushes (or a static configuration) describe it now.
type Tenant struct {
	ID   TenantID
	Code string
	Name string
	// Domain is tenantSync's domainName as it was sent; [ParseDomain] judges it at each sign-in.
	Domain string
	// Issuer is the exact OpenID issuer of a static tenant; empty means the profile's template over Domain.
	Issuer string
	// Authority is set where the tenant is in the configuration and no push names it. A port leaves it empty.
	Authority Handle
	// Live is false once the tenant was removed; nobody signs in then.
	Live bool
	// Test marks the marketplace's debug data (testFlag 1, or the seller's own test tenant).
	Test bool
}

// Credential is the OAuth client that one application has at one tenant's auth centre.
type Credential struct {
	App      AppID
	ClientID string
	Secret   Secret
	// Live is false once the application was unbound (applicationSync flag 0).
	Live bool
}

// AccountStatus says what the pushes say about a user's right to use one application.
type AccountStatus int

// The statuses of an account. The zero value is the one that lets nobody in as a synced user.
const (
	// AccountUnknown: no push ever named this user for this application.
	AccountUnknown AccountStatus = iota
	// AccountActive: granted and enabled.
	AccountActive
	// AccountDisabled: granted, but enable is "false".
	AccountDisabled
	// AccountRevoked: the authorization was cancelled (authSync flag 3).
	AccountRevoked
	// AccountRemoved: the user was deleted (authSync flag 0). It does not come back by itself.
	AccountRemoved
)

// Profile is what is known of a person beside the key of the account. Empty means unknown.
type Profile struct {
	Name         string
	OrgCode      string
	Email        string
	Mobile       string
	EmployeeCode string
}

// Account is a user as synced now, projected to one application.
type Account struct {
	Status AccountStatus
	// Role is the synced role, RoleUnknown if no push named one.
	Role Role
	Profile
	// Marks names the revocation marks that concern the user now, in any form that differs once something was taken away.
	Marks string
}

// Tenants finds tenants. Implementations are safe for concurrent use and answer from the state as it is now: a tenant that
// a push added a moment ago can sign in.
type Tenants interface {
	// Tenant returns the tenant with exactly this id, removed or not, or an error that is [ErrUnknownTenant].
	Tenant(ctx context.Context, id TenantID) (Tenant, error)
	// TenantsByCode returns the live tenants with this tenantCode. Several tenants may share one code.
	TenantsByCode(ctx context.Context, code string) ([]Tenant, error)
	// TenantsByHost returns the live tenants whose auth centre is at host, as [AuthCentreHost] tells it. It serves logins
	// that an auth centre starts (OpenID Connect Core, section 4).
	TenantsByHost(ctx context.Context, host string) ([]Tenant, error)
	// SearchTenants returns at most limit live tenants whose name or code contains text, case folded, in a stable order,
	// those of production first. Empty text returns the first ones; the caller decides whether a stranger may see that.
	SearchTenants(ctx context.Context, text string, limit int) ([]Tenant, error)
}

// Credentials finds the client to use at a tenant's auth centre.
type Credentials interface {
	// Credential returns the credential of tenant for the application this process serves (its configured app_id, or the
	// tenant's only application). It is read at each sign-in, so that a rotated secret is used at once. The error is
	// [ErrNoCredential] if there is none and [ErrAmbiguousApp] if there are several and none was chosen.
	Credential(ctx context.Context, tenant TenantID) (Credential, error)
}

// Accounts tells what the pushes say about a user.
type Accounts interface {
	// Account returns the synced account of user for app. A user nobody named is no error: its status is AccountUnknown.
	Account(ctx context.Context, tenant TenantID, app AppID, user UserName) (Account, error)
}

// SessionKey is the SHA-256 of a session id: what the store may know of it.
type SessionKey [sha256.Size]byte

// NewSession is what a session is made of.
type NewSession struct {
	Key    SessionKey
	Tenant TenantID
	App    AppID
	User   UserName
	// Role is the auth centre's word at sign-in; the effective role is the lower of it and the synced one.
	Role Role
	// Filled fills blanks of the synced account, in this session only.
	Filled Profile
	// Domain is the normalised address of the auth centre that signed the user in, for logout.
	Domain string
	// Subject and ProviderSession are who the user is and which session this is by the auth centre's own reckoning; empty if it
	// did not say.
	Subject, ProviderSession Handle
	// Authority is that of a tenant which no push names ([Tenant].Authority), else empty.
	Authority Handle
	// Provisional admits a user that no push has named (unknown_user: jit). Such a session lives while the account is
	// unknown, and by the ordinary rule once a push names the user.
	Provisional bool
	// Created is now; Expires is the absolute end.
	Created, Expires time.Time
	// Idle is how long the session may go untouched.
	Idle time.Duration
	// Device tells an operator what the session was begun with, such as "Firefox on Windows, 203.0.113.0/24".
	Device string
	// Tokens are kept to ask the auth centre again, and Due is when; both are zero if it is not asked.
	Tokens Tokens
	Due    time.Time
}

// Tokens are what an auth centre gave at a sign-in. They are kept where it is asked about the person again while the session lasts,
// and sent to that auth centre only.
type Tokens struct {
	// Access is good until Expires; Refresh, if there is one, is exchanged for the next.
	Access, Refresh Secret
	Expires         time.Time
	// ClientID, Domain and Issuer say whose they are and where they are good.
	ClientID, Domain, Issuer string
	// Subject is the person by the auth centre's own reckoning, and Nonce that of the ID token; empty if it named none.
	Subject, Nonce string
}

// Renewal is what came of asking an auth centre again.
type Renewal struct {
	// Over ends the session; the rest is then not looked at.
	Over bool
	// Due is when to ask next. Zero means never: what was kept is forgotten.
	Due time.Time
	// Tokens take the place of what was kept, unless they are zero.
	Tokens Tokens
	// Said, if not nil, takes the place of what the auth centre said of the person before.
	Said *Said
}

// Said is what an auth centre says of a person beside who it is, as in [NewSession].
type Said struct {
	Role   Role
	Filled Profile
}

// Handle is a digest of a name that an auth centre gave to somebody or something. It is compared, and tells nobody the name.
type Handle string

// Logout is an auth centre's word that sessions are over.
type Logout struct {
	// Token names the word itself, which counts once; Until is how long that has to be remembered.
	Token Handle
	Until time.Time
	// Tenants are those the word is for.
	Tenants []TenantID
	// Subject alone means all sessions of a user; with Session that one, and those of the user whose ProviderSession is not
	// known; Session alone that one.
	Subject, Session Handle
}

// LiveSession is what the store knows of a live session at the moment of the query.
type LiveSession struct {
	Tenant TenantID
	App    AppID
	User   UserName
	// TenantCode, TenantName and Test are the tenant's now.
	TenantCode, TenantName string
	Test                   bool
	// Role and Filled are those of [NewSession].
	Role   Role
	Filled Profile
	Domain string
	// Authority is that of [NewSession].
	Authority Handle
	// Provisional sessions are held to role user.
	Provisional bool
	// Account is the synced account now.
	Account Account
	// Created, Expires and Touched are the session's start, absolute end and last recorded use.
	Created, Expires, Touched time.Time
	// Due is when the auth centre is to be asked about the person again; zero = never.
	Due time.Time
}

// Sessions keeps sessions. Implementations are safe for concurrent use by many processes on one database.
//
// Any error that is not [ErrNoSession] means that nothing is known, and is answered 503.
type Sessions interface {
	// CreateSession stores s durably. In the same transaction it reads the revocation marks that concern the session (the
	// greatest version of any removal, revocation or disabling of its tenant, application and user) and stores them with
	// it. It refuses a key that exists. It returns ErrNoSession, and stores nothing, if Decide would not call the session
	// live by the tenant, the credential and the account that this transaction reads: marks that include a removal would
	// let the session come to life once the right is given again, perhaps to another person.
	//
	// A session with an Authority is of a tenant that the store knows nothing about: it has no marks and needs neither
	// tenant, credential nor account. It is refused with ErrNoSession if a push of production has named the tenant.
	CreateSession(ctx context.Context, s NewSession) error
	// Decide reads, in one query on the primary, the session with its tenant, credential, grants, marks and account. It
	// returns ErrNoSession unless all of this holds: the session exists; now is before Expires and before the last touch
	// plus Idle; the tenant is live; the application's credential is live; the account is active, or unknown and the
	// session provisional; and the marks equal those stored with the session. Of a session with an Authority it asks only
	// whether it exists, is not expired, and no push of production has named the tenant; the account is unknown.
	Decide(ctx context.Context, key SessionKey, now time.Time) (LiveSession, error)
	// TouchSession records a use at now. It never moves the last touch back, and a touch within a minute of the last one
	// need not be written. A session that is gone is no error.
	TouchSession(ctx context.Context, key SessionKey, now time.Time) error
	// EndSession deletes the session. Ending it twice is ending it once.
	EndSession(ctx context.Context, key SessionKey) error
	// EndSessionsOf deletes every session of user at tenant, of all applications.
	EndSessionsOf(ctx context.Context, tenant TenantID, user UserName) error
	// SpendTicket remembers a ticket durably, at least until then. For one that is remembered already it returns ErrReplayed.
	SpendTicket(ctx context.Context, ticket Handle, until time.Time) error
	// LogOut remembers the token and deletes the sessions that l names, in one durable transaction, and returns how many those
	// were. For a token that is remembered already it returns ErrReplayed and deletes nothing.
	LogOut(ctx context.Context, l Logout) (int, error)
	// Deposit keeps t durably, unreadable to whoever has the database only, for a sign-in that is verified and has to wait; until
	// then at most. A ref is used once.
	Deposit(ctx context.Context, ref Handle, t Tokens, until time.Time) error
	// Withdraw returns what waits under ref, and forgets it. Of several callers one gets it; what is not there is zero.
	Withdraw(ctx context.Context, ref Handle) (Tokens, error)
	// TakeTurn gives the caller the turn to ask the auth centre about a session, and what is kept to ask with, if the session's Due
	// still is due; from then on it is until. Of any number of callers in any number of processes one gets the turn, and the
	// others ok false. Who does not come back by until loses it to the next.
	TakeTurn(ctx context.Context, key SessionKey, due, until time.Time) (t Tokens, ok bool, err error)
	// RenewSession stores r durably, if the session's Due still is turn, the until that the caller took. Otherwise ok is false and
	// nothing is stored: the session is over, or another has the turn by now.
	RenewSession(ctx context.Context, key SessionKey, turn time.Time, r Renewal) (ok bool, err error)
}
