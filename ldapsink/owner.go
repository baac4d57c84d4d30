package ldapsink

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/orgsync"
)

// The entry that says whose the directory is, cn=kitbridge below the base. device (RFC
// 4519, section 3.4) is an object class that every server has and allows below an
// organizationalUnit and below a domain; Active Directory takes neither
// organizationalRole nor applicationProcess there. The one value of description holds
// both the owner and the mark, so that it is changed as a whole or not at all.
const (
	ownerName  = "kitbridge"
	ownerClass = "device"
)

// lookEvery is how long what the entry said counts. After that it is read again, and tells
// how far the state is. So the mark may be that much behind what is in the directory.
const lookEvery = 10 * time.Second

// lookAttempts is how often the entry is read again when somebody else changed it meanwhile.
const lookAttempts = 5

// ownership is what is known of the entry.
type ownership struct {
	mu    sync.Mutex
	until time.Time // under mu: what was read counts until then
}

func (o *ownership) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.until = time.Time{}
}

// own fails unless the directory is ours to write. It reads the entry if that was not done
// for a while, or if now is asked for, and makes it if it is not there.
func (s *Sink) own(ctx context.Context, now bool) error {
	if s.cfg.Register == nil {
		return nil
	}
	s.owner.mu.Lock()
	defer s.owner.mu.Unlock()
	if !now && s.cfg.Now().Before(s.owner.until) {
		return nil
	}
	s.owner.until = time.Time{}
	profile, err := s.Profile(ctx)
	if err != nil {
		return err
	}
	at, err := s.at(profile)
	if err != nil {
		return err
	}
	for range lookAttempts {
		settled, err := s.lookAtOwner(ctx, at)
		if err != nil {
			return err
		}
		if settled {
			s.owner.until = s.cfg.Now().Add(lookEvery)
			return nil
		}
	}
	return &ownerError{at.ownerDN(), "it is there, but the bind account cannot read it, or somebody changes it all the time; " +
		"let the account read and write its description"}
}

func (s server) ownerDN() DN { return s.base.Child("cn", ownerName) }

// lookAtOwner reads the entry, asks whether we may write, and lets the entry tell how far
// the state is. It is not settled if somebody else wrote the entry meanwhile.
func (s *Sink) lookAtOwner(ctx context.Context, at server) (settled bool, err error) {
	dn := at.ownerDN()
	entries, err := at.search(ctx, dn, BaseObject, "(objectClass=*)", "description")
	if err != nil {
		return false, outside(translate(err, "search", dn.String()))
	}
	if len(entries) == 0 {
		return s.claim(ctx, at)
	}
	values := entries[0].Attributes["description"]
	found, wellFormed := parseDeed(values)
	now, err := s.cfg.Register(ctx, found)
	if err != nil || now == found {
		return err == nil, err
	}
	text := deedText(now)
	changes := []Change{{DeleteValues, "description", values}, {AddValues, "description", []string{text}}}
	if !wellFormed {
		changes = []Change{{ReplaceValues, "description", []string{text}}}
	}
	return at.settleOwner(ctx, Operation{Kind: Modify, DN: dn, Changes: changes})
}

// claim makes the entry where there is none.
func (s *Sink) claim(ctx context.Context, at server) (settled bool, err error) {
	if err := at.checkBase(ctx); err != nil {
		return false, err
	}
	now, err := s.cfg.Register(ctx, orgsync.Deed{})
	if err != nil {
		return false, err
	}
	return at.settleOwner(ctx, Operation{Kind: Add, DN: at.ownerDN(), Attributes: Attributes{
		"objectClass": {"top", ownerClass}, "cn": {ownerName}, "description": {deedText(now)},
	}})
}

// settleOwner writes the entry. That somebody was faster is no error.
func (s server) settleOwner(ctx context.Context, o Operation) (settled bool, err error) {
	err = s.directory.Write(ctx, o)
	switch {
	case err == nil:
		return true, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	}
	err = about(translate(err, o.Kind.String(), o.DN.String()), o)
	for _, code := range []uint16{
		ldap.LDAPResultEntryAlreadyExists, ldap.LDAPResultNoSuchObject, ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultAttributeOrValueExists,
	} {
		if hasCode(err, code) {
			return false, nil
		}
	}
	return false, fmt.Errorf("%w; the bind account must be allowed to add this entry and to change its description", outside(err))
}

// deedText is the value of description.
func deedText(d orgsync.Deed) string { return "bridge=" + d.Owner + " state=" + d.Mark.String() }

// parseDeed reads the values of description. What we did not write is nobody's whom we
// know.
func parseDeed(values []string) (d orgsync.Deed, wellFormed bool) {
	if len(values) == 1 {
		bridge, state, ok := strings.Cut(values[0], " state=")
		owner, named := strings.CutPrefix(bridge, "bridge=")
		mark, err := orgsync.ParseMark(state)
		if ok && named && owner != "" && err == nil {
			return orgsync.Deed{Owner: owner, Mark: mark}, true
		}
	}
	return orgsync.Deed{Owner: "(unknown: the description of cn=" + ownerName + " was changed)"}, false
}

// ownerError is an entry that cannot be used.
type ownerError struct {
	dn     DN
	reason string
}

// Error names the entry.
func (e *ownerError) Error() string { return e.dn.String() + ": " + e.reason }

// Public is the same without the name.
func (e *ownerError) Public() string { return "cn=" + ownerName + ": " + e.reason }

// Is makes it the fault of the directory as a whole.
func (e *ownerError) Is(target error) bool { return target == orgsync.ErrUnavailable }
