package ldapsink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf16"

	"github.com/kitbridge/kitbridge/orgsync"
)

// longestAccount is how long a sAMAccountName of a user may be, in UTF-16 units (MS-ADTS,
// section 3.1.1.6).
const longestAccount = 20

// accountName is the sAMAccountName that the user gets if nobody in the domain has it. It
// is empty if the userName cannot be one as it stands.
func accountName(name orgsync.UserName) string {
	s := string(name)
	if len(utf16.Encode([]rune(s))) > longestAccount || strings.HasSuffix(s, ".") || strings.TrimSpace(s) != s || tidyAccount(s) != s {
		return ""
	}
	return s
}

// sureAccountName is the one that the user gets otherwise: the beginning of the userName
// and a digest of tenant and userName, so that it is the same whoever came first.
func sureAccountName(tenant orgsync.TenantID, name orgsync.UserName) string {
	sum := sha256.Sum256([]byte(string(tenant) + "\x00" + string(name)))
	digest := "~" + hex.EncodeToString(sum[:3])
	beginning := tidyAccount(string(name))
	for len(utf16.Encode([]rune(beginning))) > longestAccount-len(digest) {
		runes := []rune(beginning)
		beginning = string(runes[:len(runes)-1])
	}
	return strings.TrimLeft(beginning, " .") + digest
}

// tidyAccount replaces what a sAMAccountName cannot hold.
func tidyAccount(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || strings.ContainsRune(`"/\[]:;|=,+*?<>@`, r) {
			return '_'
		}
		return r
	}, s)
}

// account is the sAMAccountName of the user. What the entry has is kept if it is one that
// we would give; so it stays the same whoever comes and goes.
func (o organisation) account(name orgsync.UserName, present Attributes, taken map[string]bool) string {
	plain, sure := accountName(name), sureAccountName(o.state.ID, name)
	for _, value := range present["sAMAccountName"] {
		if value == plain || value == sure {
			return value
		}
	}
	if plain == "" || taken[strings.ToLower(plain)] {
		return sure
	}
	return plain
}

// readAccounts finds which names in the domain are taken by others than these users.
func (r *round) readAccounts(ctx context.Context) error {
	if !r.server.profile.isAD() {
		return nil
	}
	domain := r.server.base
	if r.server.profile.Domain != "" {
		var err error
		if domain, err = r.parse(r.server.profile.Domain); err != nil {
			return err
		}
	}
	owner := map[string]string{} // by account name: the stable id of the user that may have it
	var names []string
	for name := range r.users {
		plain := accountName(name)
		if _, asked := owner[strings.ToLower(plain)]; plain == "" || asked {
			continue
		}
		owner[strings.ToLower(plain)] = r.links[EntryID{UserEntry, string(name)}].UUID
		names = append(names, plain)
	}
	entries, err := r.server.searchAny(ctx, domain, Subtree, []string{"sAMAccountName"}, names, "sAMAccountName", r.server.profile.StableID)
	if err != nil {
		return err
	}
	for _, e := range entries {
		for _, value := range e.Attributes["sAMAccountName"] {
			key := strings.ToLower(value)
			if e.uuid != owner[key] || e.uuid == "" {
				r.taken[key] = true
			}
		}
	}
	return nil
}
