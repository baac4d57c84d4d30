package ldapsink

import (
	"context"

	"github.com/go-ldap/ldap/v3"
)

// Directory is what a [Sink] needs of a directory. It is safe for concurrent use. Its
// errors are *[ldap.Error] or *[OperationError], or that of ctx.
type Directory interface {
	// Search calls yield for each entry, in an order of the server's; an error of yield
	// ends the search and is returned. An answer that may be incomplete – a limit, a
	// referral – is an error, perhaps after some entries. A base that is not there is
	// LDAP's noSuchObject. yield must not call the directory again.
	Search(ctx context.Context, q Search, yield func(Found) error) error
	// Write carries out one operation.
	Write(ctx context.Context, o Operation) error
	// Reset is called after the connection broke: what was kept of it is of no more use.
	Reset()
}

// Scope is how much of the tree a search looks at, with the numbers of RFC 4511.
type Scope int

// The scopes.
const (
	BaseObject  Scope = ldap.ScopeBaseObject
	SingleLevel Scope = ldap.ScopeSingleLevel
	Subtree     Scope = ldap.ScopeWholeSubtree
)

// Search is one request to read.
type Search struct {
	Base   DN // the zero value is the root DSE
	Scope  Scope
	Filter string // RFC 4515
	// Attributes are what is asked for; answers use these spellings.
	Attributes []string
	// Page is how many entries the server is to send at a time (RFC 2696); 0: all at once.
	Page int
	// IgnoreReferrals: other servers' parts of the tree do not matter. Without it a
	// referral is an error.
	IgnoreReferrals bool
}

// Found is an entry as a search returned it.
type Found struct {
	DN         string
	Attributes Attributes // binary values as their bytes
}
