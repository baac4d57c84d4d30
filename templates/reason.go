package templates

// Reason is why a sign-in did not work, or a page cannot be shown. Each has a
// title, an explanation and advice in both languages.
type Reason int

// The reasons. String gives the code that a page shows beside its texts.
const (
	// BadRequest: the request makes no sense as it stands.
	BadRequest Reason = iota + 1
	// NotFound: there is no such page.
	NotFound
	// Forbidden: signed in, but not allowed here.
	Forbidden
	// RateLimited: too many failed attempts from this address.
	RateLimited
	// Unavailable: our own database did not answer; nothing was decided.
	Unavailable
	// ProductUnreachable: the product behind us did not answer.
	ProductUnreachable
	// Internal: a fault of ours.
	Internal

	// TenantMissing: the sign-in does not say which organisation it is for.
	TenantMissing
	// UnknownTenant: no such organisation.
	UnknownTenant
	// TenantGone: the organisation was removed.
	TenantGone
	// TenantMismatch: the parts of a sign-in name different organisations.
	TenantMismatch
	// IssuerMismatch: the response came from another auth centre.
	IssuerMismatch
	// TestTenant: an organisation that exists for debugging only.
	TestTenant
	// AppNotBound: the organisation has no live credential for this product.
	AppNotBound
	// AmbiguousApp: the organisation has several, and none is configured.
	AmbiguousApp

	// UserUnknown: the organisation never authorised this user.
	UserUnknown
	// UserDisabled: the account is switched off.
	UserDisabled
	// UserRemoved: the account was removed.
	UserRemoved
	// AccessRevoked: the account lives, its right to use this product does not.
	AccessRevoked
	// IdentityIncomplete: the auth centre did not say who the user is.
	IdentityIncomplete

	// AttemptLost: the browser did not bring back the cookie of its attempt.
	AttemptLost
	// AttemptExpired: the attempt was begun too long ago.
	AttemptExpired
	// Loop: the browser was sent round too many times.
	Loop

	// ProviderRefused: the auth centre or the user said no.
	ProviderRefused
	// CodeSpent: the auth centre no longer accepts the code.
	CodeSpent
	// CredentialRejected: the auth centre does not accept our credential.
	CredentialRejected
	// ProviderError: the auth centre's answer could not be used.
	ProviderError
	// TokenRejected: the auth centre's proof of identity did not pass a check.
	TokenRejected
	// TwoPeople: the auth centre's answers are about different people.
	TwoPeople
	// ProviderElsewhere: the auth centre points to another host.
	ProviderElsewhere
	// AnswerTooLong: the auth centre's answer was too long to read.
	AnswerTooLong
	// ProviderUnreachable: the auth centre did not answer.
	ProviderUnreachable
	// InsecureAuthCentre: the auth centre's address is not acceptable.
	InsecureAuthCentre
	// HeldHost: the auth centre's new address awaits an operator's yes.
	HeldHost

	reasons // one more than the last
)

// Reasons returns every reason once, in the order of the constants.
func Reasons() []Reason {
	all := make([]Reason, 0, reasons-1)
	for r := BadRequest; r < reasons; r++ {
		all = append(all, r)
	}
	return all
}

// String returns the reason's stable code, such as "unknown_tenant". It is
// shown on the page and fit for a log.
func (r Reason) String() string {
	switch r {
	case BadRequest:
		return "bad_request"
	case NotFound:
		return "not_found"
	case Forbidden:
		return "forbidden"
	case RateLimited:
		return "rate_limited"
	case Unavailable:
		return "unavailable"
	case ProductUnreachable:
		return "product_unreachable"
	case TenantMissing:
		return "tenant_missing"
	case UnknownTenant:
		return "unknown_tenant"
	case TenantGone:
		return "tenant_gone"
	case TenantMismatch:
		return "tenant_mismatch"
	case IssuerMismatch:
		return "issuer_mismatch"
	case TestTenant:
		return "test_tenant"
	case AppNotBound:
		return "app_not_bound"
	case AmbiguousApp:
		return "ambiguous_app"
	case UserUnknown:
		return "user_unknown"
	case UserDisabled:
		return "user_disabled"
	case UserRemoved:
		return "user_removed"
	case AccessRevoked:
		return "access_revoked"
	case IdentityIncomplete:
		return "identity_incomplete"
	case AttemptLost:
		return "attempt_lost"
	case AttemptExpired:
		return "attempt_expired"
	case Loop:
		return "loop"
	case ProviderRefused:
		return "provider_refused"
	case CodeSpent:
		return "code_spent"
	case CredentialRejected:
		return "credential_rejected"
	case ProviderError:
		return "provider_error"
	case TokenRejected:
		return "token_rejected"
	case TwoPeople:
		return "two_people"
	case ProviderElsewhere:
		return "provider_elsewhere"
	case AnswerTooLong:
		return "answer_too_long"
	case ProviderUnreachable:
		return "provider_unreachable"
	case InsecureAuthCentre:
		return "insecure_auth_centre"
	case HeldHost:
		return "held_host"
	default:
		return "internal"
	}
}
