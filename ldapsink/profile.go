package ldapsink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Profile is what a server can and cannot do, as far as it matters to a plan. It is a
// value. [ProfileOf] makes one from what a server says of itself, and [Sink.Probe] from what
// it does.
type Profile struct {
	// Dialect is never AutoDialect: a server of no known family is taken for OpenLDAP, the
	// strictest.
	Dialect Dialect
	// Recognised: the family was configured, or found from what the server says. Tried: the
	// rest was found by trying.
	Recognised, Tried bool
	// Server is what it calls itself, for people.
	Server string
	// Folding says which names are the same.
	Folding Folding
	// NameBytes and NameRunes are how long an RDN may be: as written with its type, in
	// bytes, and its value in characters. 0: no such limit.
	NameBytes, NameRunes int
	// DNBytes is how long a whole name may be.
	DNBytes int
	// EmptyGroups: a group needs no member.
	EmptyGroups bool
	// SubtreeRename: an entry can be moved with what stands below it.
	SubtreeRename bool
	// DisableBy is the attribute that takes access away where the entry stands. Empty:
	// there is none, and entries of disabled users stand apart.
	DisableBy string
	// MembersFollow: the server keeps the members of groups equal to the names of moved
	// entries, at once.
	MembersFollow bool
	// MembersExist: a group takes no member that is no entry.
	MembersExist bool
	// StableID is the attribute that is an entry's identity whatever its name.
	StableID string
	// Creator is the attribute that names the account that added an entry; empty: none.
	Creator string
	// Paged: answers can be had in pages (RFC 2696). Ranged: more than so many values of an
	// attribute come in parts.
	Paged, Ranged bool
	// SizeLimit is the greatest answer that was seen to be cut off; 0: none was.
	SizeLimit int
	// Controls are the OIDs of supported controls, sorted.
	Controls []string
	// Domain is the root of an Active Directory domain, in which account names are unique;
	// empty elsewhere.
	Domain string
}

const pagedResults = "1.2.840.113556.1.4.319" // RFC 2696

// rootAttributes are what is asked of the root DSE.
func rootAttributes() []string {
	return []string{
		"objectClass", "structuralObjectClass", "vendorName", "vendorVersion", "supportedCapabilities",
		"supportedControl", "defaultNamingContext", "domainFunctionality", "dnsHostName",
	}
}

// ProfileOf returns the profile of a server with that root DSE. configured, if it is not
// AutoDialect, is the dialect whatever the server says. It is a pure function.
func ProfileOf(root Attributes, configured Dialect) Profile {
	dialect := configured
	if dialect == AutoDialect {
		dialect = recogniseServer(root)
	}
	p := dialectProfile(dialect)
	p.Recognised = dialect != AutoDialect
	p.Server = strings.Join(slices.Concat(root["vendorName"], root["vendorVersion"]), " ")
	if p.Server == "" {
		p.Server = p.Dialect.String()
	}
	p.Controls = slices.Sorted(slices.Values(root["supportedControl"]))
	p.Paged = slices.Contains(p.Controls, pagedResults)
	if v := root["defaultNamingContext"]; p.Dialect == ActiveDirectory && len(v) == 1 {
		p.Domain = v[0]
	}
	return p
}

// dialectProfile is what was found on servers of the family: OpenLDAP 2.5, 389 Directory
// Server 2.3, Samba 4.17 and the documentation of Active Directory.
func dialectProfile(d Dialect) Profile {
	switch d {
	case DirectoryServer389:
		return Profile{
			Dialect: d, Folding: FoldCase, DNBytes: 8192, EmptyGroups: true, SubtreeRename: true,
			DisableBy: "nsAccountLock", StableID: "nsUniqueId", Creator: "creatorsName",
		}
	case ActiveDirectory:
		return Profile{
			Dialect: d, Folding: FoldCase, NameRunes: 64, DNBytes: 8192, EmptyGroups: true, SubtreeRename: true,
			DisableBy: "userAccountControl", MembersFollow: true, MembersExist: true, StableID: "objectGUID", Ranged: true,
		}
	default:
		return Profile{
			Dialect: OpenLDAP, Folding: FoldCompatible, NameBytes: 245, DNBytes: 8192, SubtreeRename: true,
			StableID: "entryUUID", Creator: "creatorsName",
		}
	}
}

// checkDN reports why the server cannot hold an entry of that name, or "".
func (p Profile) checkDN(dn DN) string {
	switch {
	case strings.ContainsRune(dn.Value(), 0):
		return "its id holds a NUL character"
	case p.NameBytes > 0 && len(dn.RDN()) > p.NameBytes:
		return fmt.Sprintf("its id is too long for the directory: an RDN has at most %d bytes", p.NameBytes)
	case p.NameRunes > 0 && len([]rune(dn.Value())) > p.NameRunes:
		return fmt.Sprintf("its id is too long for the directory: it has at most %d characters", p.NameRunes)
	case p.DNBytes > 0 && len(dn.String()) > p.DNBytes:
		return fmt.Sprintf("it stands too deep for the directory: a DN has at most %d bytes", p.DNBytes)
	default:
		return ""
	}
}

// Profile returns what is known of the server. The first call that succeeds asks it, and
// writes nothing; [Sink.Probe] replaces what is known. Errors are those of Converge.
func (s *Sink) Profile(ctx context.Context) (Profile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.profile != nil {
		return *s.profile, nil
	}
	root, err := s.rootDSE(ctx)
	if err != nil {
		return Profile{}, err
	}
	if known, ok := s.directory.(interface {
		Account(ctx context.Context) (string, error)
	}); ok && s.cfg.BindDN == "" {
		if s.external, err = known.Account(ctx); err != nil && errors.Is(err, orgsync.ErrUnavailable) {
			return Profile{}, err
		}
	}
	p := ProfileOf(root, s.cfg.Dialect)
	s.profile = &p
	return p, nil
}

// rootDSE reads the root DSE, empty if the server does not show it.
func (s *Sink) rootDSE(ctx context.Context) (Attributes, error) {
	root := Attributes{}
	q := Search{Scope: BaseObject, Filter: "(objectClass=*)", Attributes: rootAttributes()}
	err := s.directory.Search(ctx, q, func(e Found) error {
		maps.Copy(root, e.Attributes)
		return nil
	})
	if err != nil && !errors.Is(err, orgsync.ErrUnavailable) && ctx.Err() == nil {
		return root, nil // not to be read: the configuration or the default decides
	}
	return root, err
}

func begins(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// Facts says for people what the profile means, one fact a line.
func (p Profile) Facts() []string {
	how := "by what it says of itself"
	switch {
	case !p.Recognised && !p.Tried:
		how = "unknown, taken for the strictest"
	case !p.Recognised:
		how = "unknown, and tried"
	case p.Tried:
		how += ", and tried"
	}
	facts := []string{
		fmt.Sprintf("server: %s, dialect %s (%s)", p.Server, p.Dialect, how),
		"entries are known again by " + p.StableID,
		"names are the same that differ in nothing but " + p.Folding.String(),
	}
	switch {
	case p.NameBytes > 0:
		facts = append(facts, fmt.Sprintf("an id with its type has at most %d bytes", p.NameBytes))
	case p.NameRunes > 0:
		facts = append(facts, fmt.Sprintf("an id has at most %d characters", p.NameRunes))
	}
	say := func(is bool, yes, no string) {
		if is {
			facts = append(facts, yes)
		} else if no != "" {
			facts = append(facts, no)
		}
	}
	say(p.DisableBy != "", "disabled users stay where they are: "+p.DisableBy, "disabled users stand below ou=disabled")
	say(p.EmptyGroups, "groups may be empty", "an empty group holds a placeholder")
	say(p.MembersFollow, "groups follow entries that move", "kitbridge makes groups follow entries that move")
	say(!p.SubtreeRename, "entries cannot be moved with what stands below them: departments cannot move here", "")
	say(p.Paged, "large answers come in pages", "large answers come as a whole: the account must be free of size limits")
	return facts
}
