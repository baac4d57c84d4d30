package ldapsink

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/orgsync"
)

// OperationError is a request that the directory did not carry out. It is an
// [orgsync.ErrUnavailable] if the directory did not answer, is overloaded or does not let us
// in, and an [orgsync.ErrRejected] if it will never take the request as it is; otherwise
// another try may succeed, perhaps after an administrator did something.
type OperationError struct {
	Action  string // search, add, modify, rename, delete, bind
	DN      string
	Code    uint16 // LDAP result code, RFC 4511, appendix A
	Message string // the server's own words, cut short
	cause   error
	outside bool      // it happened on the way in: connecting, TLS, binding
	request Operation // what was to be written; the zero value of what was to be read
}

// Error names the operation, the entry, the server's words and what to do.
func (e *OperationError) Error() string {
	text := fmt.Sprintf("%s %s: %s (%d)", e.Action, e.DN, ldap.LDAPResultCodeMap[e.Code], e.Code)
	if e.DN == "" {
		text = fmt.Sprintf("%s: %s (%d)", e.Action, ldap.LDAPResultCodeMap[e.Code], e.Code)
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	if advice := e.advice(true); advice != "" {
		text += "; " + advice
	}
	return text
}

// advice is that of the code, or of what the server says where its code says little. Entries
// are named if named is set.
func (e *OperationError) advice(named bool) string {
	switch {
	case strings.Contains(e.Message, "not 7-bit clean"):
		return "the plug-in 7-bit check of 389 Directory Server refuses names like this: switch it off, or take uid off its list"
	case e.isFull():
		return "the disk of the directory or its database (olcDbMaxSize) is full"
	case e.Code == ldap.LDAPResultInsufficientAccessRights:
		return "give the bind account write access" + e.right(named)
	case len(e.classes()) > 0 && isAboutSchema(e.Code) && mentions(e, "objectClass"),
		len(e.classes()) > 0 && e.Code == ldap.LDAPResultObjectClassViolation:
		return "the directory may not know one of the object classes " + strings.Join(e.classes(), ", ") +
			": load the schemas core, cosine and inetorgperson; kitbridge check names what it lacks"
	}
	return advice(e.Code)
}

// isAboutSchema: servers answer these where a class is not in their schema.
func isAboutSchema(code uint16) bool {
	return code == ldap.LDAPResultInvalidAttributeSyntax || code == ldap.LDAPResultNoSuchAttribute || code == ldap.LDAPResultUndefinedAttributeType
}

// classes are the object classes that were to be written.
func (e *OperationError) classes() []string {
	if e.request.Kind == Add {
		return e.request.Attributes["objectClass"]
	}
	return nil
}

// right says which right is missing. The name of an entry may be personal.
func (e *OperationError) right(named bool) string {
	of := func(dn DN) string {
		if named {
			return dn.String()
		}
		return "its entry"
	}
	o := e.request
	switch o.Kind {
	case Add:
		if !named {
			return ": the right to add entries of that kind"
		}
		return ": the right to add entries below " + of(o.DN.Parent())
	case Modify:
		var names []string
		for _, c := range o.Changes {
			if !slices.Contains(names, c.Name) {
				names = append(names, c.Name)
			}
		}
		return fmt.Sprintf(": the right to write %s of %s", strings.Join(names, ", "), of(o.DN))
	case Rename:
		if o.DN.Parent().Equal(o.NewDN.Parent()) {
			return ": the right to rename " + of(o.DN)
		}
		if !named {
			return ": the right to move entries of that kind, taking them away here and adding them there"
		}
		return fmt.Sprintf(": the right to move %s, taking it away there and adding it below %s", of(o.DN), of(o.NewDN.Parent()))
	case Delete:
		return ": the right to delete " + of(o.DN)
	default:
		return " below the base"
	}
}

// Public says what happened and what to do without any name or value, for logs.
func (e *OperationError) Public() string {
	action, _, _ := strings.Cut(e.Action, " ")
	text := fmt.Sprintf("%s: %s (%d)", action, ldap.LDAPResultCodeMap[e.Code], e.Code)
	if advice := e.advice(false); advice != "" {
		text += "; " + advice
	}
	return text
}

// Unwrap returns the error of go-ldap, nil if the server gave no answer.
func (e *OperationError) Unwrap() error { return e.cause }

// Is gives the error its kind.
func (e *OperationError) Is(target error) bool {
	switch target {
	case orgsync.ErrUnavailable:
		return e.outside || isUnavailable(e.Code) || e.isFull()
	case orgsync.ErrRejected:
		return !e.outside && isRejected(e.Code)
	default:
		return false
	}
}

// translate turns what go-ldap or the network returns into an error of ours; nil stays
// nil. Whatever is no answer of the server counts as the network's fault. Our own time-out
// is such a one, and must not look like the end of the caller's context.
func translate(err error, action string, dn string) error {
	if err == nil {
		return nil
	}
	if ours, ok := errors.AsType[*OperationError](err); ok {
		return ours
	}
	e := &OperationError{Action: action, DN: dn, Code: ldap.ErrorNetwork}
	if ldapErr, ok := errors.AsType[*ldap.Error](err); ok {
		e.Code, e.cause = ldapErr.ResultCode, ldapErr
		if ldapErr.Err != nil {
			e.Message = tidy(ldapErr.Err.Error())
		}
		return e
	}
	e.Message = tidy(err.Error())
	return e
}

// about says of an error what was to be written.
func about(err error, o Operation) error {
	if e, ok := errors.AsType[*OperationError](err); ok {
		e.request = o
	}
	return err
}

// outside marks an error of the way in. It concerns all tenants alike.
func outside(err error) error {
	if e, ok := errors.AsType[*OperationError](err); ok {
		e.outside = true
	}
	return err
}

// nameError is an entry whose name no directory could hold.
type nameError struct {
	dn     DN
	reason string
}

// Error names the entry.
func (e *nameError) Error() string { return e.dn.String() + ": " + e.reason }

// Public leaves the entry's name out.
func (e *nameError) Public() string { return "a name cannot be held: " + e.reason }

// Is makes it a rejection: only another name helps.
func (e *nameError) Is(target error) bool { return target == orgsync.ErrRejected }

// baseError is a base that is not there. No tenant can be served.
type baseError struct{ base DN }

// Error says what to do.
func (e *baseError) Error() string {
	return e.base.String() + ": no such entry, or the bind account cannot read it; create it or correct base_dn"
}

// Public is the same without the name.
func (e *baseError) Public() string {
	return "base_dn: no such entry, or the bind account cannot read it; create it or correct base_dn"
}

// Is makes it the fault of the directory as a whole.
func (e *baseError) Is(target error) bool { return target == orgsync.ErrUnavailable }

// commonError is an error about what all keys of a tenant need.
type commonError struct{ error }

// Unwrap returns the error itself.
func (e *commonError) Unwrap() error { return e.error }

// tidy makes a server's words safe for one line of a log.
func tidy(s string) string {
	const longest = 200
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > longest {
		s = string(runes[:longest]) + "…"
	}
	return s
}

// isUnavailable: no answer, or an answer that says not now, to anybody. A search that took
// too long or found too much is not of these: it is the trouble of one tenant.
func isUnavailable(code uint16) bool {
	switch code {
	case ldap.ErrorNetwork, ldap.LDAPResultServerDown, ldap.LDAPResultConnectError, ldap.LDAPResultTimeout,
		ldap.LDAPResultBusy, ldap.LDAPResultUnavailable:
		return true
	default:
		return false
	}
}

// isFull: the server has no room left, for anybody. OpenLDAP says so by the code other and
// these words (back-mdb), and 389 Directory Server by those of its database.
func (e *OperationError) isFull() bool {
	switch e.Code {
	case ldap.LDAPResultOther, ldap.LDAPResultOperationsError, ldap.LDAPResultUnwillingToPerform:
	default:
		return false
	}
	for _, words := range []string{"entry store failed", "txn_commit failed", "No space left on device", "MDB_MAP_FULL"} {
		if strings.Contains(e.Message, words) {
			return true
		}
	}
	return false
}

// isRejected: the same request can never succeed. That a name is taken is not of these: it
// may be taken by an entry of ours, under a name that only the server knows to be the same,
// and then be given up with no push about this key.
func isRejected(code uint16) bool {
	switch code {
	case ldap.LDAPResultUndefinedAttributeType, ldap.LDAPResultInappropriateMatching,
		ldap.LDAPResultConstraintViolation, ldap.LDAPResultInvalidAttributeSyntax,
		ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultNamingViolation,
		ldap.LDAPResultObjectClassViolation, ldap.LDAPResultNotAllowedOnNonLeaf,
		ldap.LDAPResultObjectClassModsProhibited:
		return true
	default:
		return false
	}
}

// isSurprise: the directory was not as it was read a moment ago. Reading and planning once
// more usually helps.
func isSurprise(err error) bool {
	e, ok := errors.AsType[*OperationError](err)
	if !ok {
		return false
	}
	switch e.Code {
	case ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultAttributeOrValueExists, ldap.LDAPResultNoSuchObject,
		ldap.LDAPResultNotAllowedOnNonLeaf, ldap.LDAPResultEntryAlreadyExists:
		return true
	default:
		return false
	}
}

// isLost: the connection broke, so it is unknown whether the request was carried out; or the
// server is about to end, and another may answer.
func isLost(err error) bool {
	switch codeOf(err) {
	case ldap.ErrorNetwork, ldap.LDAPResultServerDown, ldap.LDAPResultUnavailable:
		return true
	default:
		return false
	}
}

// codeOf is the LDAP result code of an error, success if it has none.
func codeOf(err error) uint16 {
	if e, ok := errors.AsType[*OperationError](err); ok {
		return e.Code
	}
	return ldap.LDAPResultSuccess
}

func hasCode(err error, code uint16) bool { return err != nil && codeOf(err) == code }

// messageOf is what the server said.
func messageOf(err error) string {
	if e, ok := errors.AsType[*OperationError](err); ok {
		return e.Message
	}
	return ""
}

// advice says what an administrator can do.
func advice(code uint16) string {
	switch code {
	case ldap.ErrorNetwork:
		return "check that the directory is running and its address is right"
	case ldap.LDAPResultInvalidCredentials:
		return "check bind_dn and bind_password"
	case ldap.LDAPResultConfidentialityRequired, ldap.LDAPResultStrongAuthRequired:
		return "the directory wants TLS: set start_tls or an ldaps:// address"
	case ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultAdminLimitExceeded:
		return "lift the size and time limits of the bind account (olcLimits; nsSizeLimit and the like on 389 Directory Server)"
	case ldap.LDAPResultReferral:
		return "this server is a replica, or a part of the subtree is elsewhere: name one that holds all of it and takes writes"
	case ldap.LDAPResultUnwillingToPerform:
		return "the directory may be read-only"
	case ldap.LDAPResultEntryAlreadyExists:
		return "an entry that is not ours or cannot be read, or whose name the directory takes for the same, has the name"
	case ldap.LDAPResultNotAllowedOnNonLeaf:
		return "entries of others stand below it: move or delete them"
	case ldap.LDAPResultUndefinedAttributeType, ldap.LDAPResultObjectClassViolation:
		return "load the schemas core, cosine and inetorgperson"
	default:
		return ""
	}
}
