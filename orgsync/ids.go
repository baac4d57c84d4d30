package orgsync

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Identifiers of the marketplace. They are opaque, compared byte for byte, and at
// most [MaxKeyLength] characters long.
type (
	// TenantID names a buyer enterprise (tenantId); it never changes.
	TenantID string
	// InstanceID names a bought subscription (instanceId). It is empty while the
	// vendor applies for a credential.
	InstanceID string
	// AppID names the vendor's application (appId of the application credential).
	AppID string
	// UserName is a login name, unique inside its tenant only.
	UserName string
	// OrgCode names a department (orgCode), unique inside its tenant.
	OrgCode string
)

// MaxKeyLength is the longest key the protocol allows, in characters.
const MaxKeyLength = 64

// CheckKey reports why s cannot be a key, or nil. A bad key is set aside and never
// trimmed or cut: two different keys must not become one.
func CheckKey(s string) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case !utf8.ValidString(s):
		return errors.New("is not UTF-8")
	case utf8.RuneCountInString(s) > MaxKeyLength:
		return fmt.Errorf("is longer than %d characters", MaxKeyLength)
	}
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	if unicode.IsSpace(first) || unicode.IsSpace(last) {
		return errors.New("begins or ends with a blank")
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return errors.New("holds a control character")
		}
	}
	return nil
}

// checkOptionalKey is CheckKey for a key that may be empty.
func checkOptionalKey(s string) error {
	if s == "" {
		return nil
	}
	return CheckKey(s)
}

// Realm separates production from what the marketplace's debugging page sends
// (testFlag 1). The two share no row and no counter; the test realm has no sinks.
type Realm uint8

// The realms.
const (
	Production Realm = iota
	Test
)

// String returns "production" or "test".
func (r Realm) String() string {
	if r == Test {
		return "test"
	}
	return "production"
}
