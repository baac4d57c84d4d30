package ldapsink

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	// probePrefix begins the name of the entry below which a probe works.
	probePrefix = "kitbridge-probe-"
	// probeLeftover is how old such an entry must be before another probe deletes it: whoever
	// made it did not get to the end.
	probeLeftover = 10 * time.Minute
	// probeTidy is how long a probe may take to clean up after itself.
	probeTidy = 30 * time.Second
	// longestTried is the longest id that a probe tries.
	longestTried = 300
)

// Probe finds out what the server does, by trying it: below base_dn it adds an entry of its
// own, ou=kitbridge-probe-…, tries there, and deletes it again, also after an error or the end
// of ctx. What a crash leaves behind the next probe deletes. The sink obeys what it found.
// Errors are those of Converge.
func (s *Sink) Probe(ctx context.Context) (Profile, error) {
	if _, err := s.Profile(ctx); err != nil {
		return Profile{}, err
	}
	root, err := s.rootDSE(ctx)
	if err != nil {
		return Profile{}, err
	}
	at, err := s.at(ProfileOf(root, s.cfg.Dialect))
	if err != nil {
		return Profile{}, err
	}
	if err := at.checkBase(ctx); err != nil {
		return Profile{}, err
	}
	if err := at.tidyProbes(ctx, s.cfg.Now()); err != nil {
		return Profile{}, err
	}
	p := prober{server: at, top: at.base.Child("ou", probePrefix+randomName())}
	if err := p.add(ctx, p.top, organizationalUnit(p.top)); err != nil {
		return Profile{}, err
	}
	defer func() {
		tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTidy)
		defer cancel()
		_ = at.removeProbe(tidy, p.top) // what is left the next probe deletes
	}()
	if err := p.run(ctx); err != nil {
		return Profile{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.profile.Tried = true
	s.profile = &p.profile
	return p.profile, nil
}

// randomName is one that nobody else has: twelve hexadecimal digits.
func randomName() string {
	var random [6]byte
	_, _ = rand.Read(random[:]) // it never fails
	return hex.EncodeToString(random[:])
}

// probeUnknown tries what a server does that is of no known family, once, before anything is
// written there.
func (s *Sink) probeUnknown(ctx context.Context) error {
	p, err := s.Profile(ctx)
	if err != nil || p.Recognised || p.Tried {
		return err
	}
	_, err = s.Probe(ctx)
	return err
}

// prober tries what a server does.
type prober struct {
	server
	top DN
}

func (p *prober) run(ctx context.Context) error {
	for _, try := range []func(context.Context) error{p.identity, p.folding, p.length, p.emptyGroup, p.strangers, p.follow, p.disable} {
		if err := try(ctx); err != nil {
			return err
		}
	}
	return nil
}

// add adds an entry. Only an error that says nothing about the entry is an error of the
// probe; see refused.
func (p *prober) add(ctx context.Context, dn DN, attributes Attributes) error {
	return p.send(ctx, Operation{Kind: Add, DN: dn, Attributes: attributes})
}

// refused tells an answer to what was tried from an error of the way there.
func refused(ctx context.Context, err error) (bool, error) {
	if err == nil {
		return false, nil
	}
	if ctx.Err() != nil || errors.Is(err, orgsync.ErrUnavailable) || hasCode(err, ldap.LDAPResultInsufficientAccessRights) {
		return false, err
	}
	return true, nil
}

func (p *prober) unit(ctx context.Context, dn DN) (isRefused bool, err error) {
	return refused(ctx, p.add(ctx, dn, organizationalUnit(dn)))
}

// identity finds the attributes that tell an entry and its maker.
func (p *prober) identity(ctx context.Context) error {
	known := []string{"entryUUID", "nsUniqueId", "objectGUID"}
	entries, err := p.search(ctx, p.top, BaseObject, "(objectClass=*)", append(known, "creatorsName")...)
	if err != nil || len(entries) == 0 {
		return err
	}
	has := func(name string) bool { return len(entries[0].Attributes[name]) == 1 }
	if !has(p.profile.StableID) {
		if i := slices.IndexFunc(known, has); i >= 0 {
			p.profile.StableID = known[i]
		}
	}
	if !has("creatorsName") {
		p.profile.Creator = ""
	}
	return nil
}

// folding adds two names that differ in width.
func (p *prober) folding(ctx context.Context) error {
	if isRefused, err := p.unit(ctx, p.top.Child("ou", "width A")); isRefused || err != nil {
		return err
	}
	isRefused, err := p.unit(ctx, p.top.Child("ou", "width Ａ"))
	p.profile.Folding = FoldCase
	if isRefused {
		p.profile.Folding = FoldCompatible
	}
	return err
}

// length finds how long an id may be, and whether characters or bytes count.
func (p *prober) length(ctx context.Context) error {
	var failed error
	tooLong := func(id string) bool {
		isRefused, err := p.unit(ctx, p.top.Child("ou", id))
		failed = errors.Join(failed, err)
		return isRefused
	}
	p.profile.NameBytes, p.profile.NameRunes = 0, 0
	if !tooLong(strings.Repeat("l", longestTried)) || failed != nil {
		return failed
	}
	low, high := 1, longestTried // low fits, high does not
	for high-low > 1 && failed == nil {
		middle := (low + high) / 2
		if tooLong(strings.Repeat("l", middle)) {
			high = middle
		} else {
			low = middle
		}
	}
	if tooLong(strings.Repeat("长", low)) {
		p.profile.NameBytes = low + len("ou=")
	} else {
		p.profile.NameRunes = low
	}
	return failed
}

func (p *prober) group(name string, members ...string) (DN, Attributes) {
	dn := p.top.Child("cn", name)
	as := Attributes{"objectClass": p.profile.classes(DepartmentGroup), "cn": {name}}
	if len(members) > 0 {
		as["member"] = members
	}
	return dn, as
}

// emptyGroup adds a group without members.
func (p *prober) emptyGroup(ctx context.Context) error {
	isRefused, err := refused(ctx, p.add(ctx, first(p.group("empty")), second(p.group("empty"))))
	p.profile.EmptyGroups = !isRefused
	return err
}

// strangers adds a group with a member that is no entry.
func (p *prober) strangers(ctx context.Context) error {
	dn, as := p.group("strangers", p.top.Child("cn", "nobody").String())
	isRefused, err := refused(ctx, p.add(ctx, dn, as))
	p.profile.MembersExist = isRefused
	return err
}

// follow moves an entry with another below it, and looks what becomes of the names of both
// in a group.
func (p *prober) follow(ctx context.Context) error {
	from, to := p.top.Child("ou", "from"), p.top.Child("ou", "to")
	below := from.Child("ou", "below")
	for _, dn := range []DN{from, below} {
		if isRefused, err := p.unit(ctx, dn); isRefused || err != nil {
			return err
		}
	}
	dn, as := p.group("follow", from.String(), below.String())
	if isRefused, err := refused(ctx, p.add(ctx, dn, as)); isRefused || err != nil {
		return err
	}
	isRefused, err := refused(ctx, p.send(ctx, Operation{Kind: Rename, DN: from, NewDN: to}))
	p.profile.SubtreeRename = !isRefused
	if isRefused || err != nil {
		return err
	}
	entries, err := p.search(ctx, dn, BaseObject, "(objectClass=*)", "member")
	if err != nil || len(entries) == 0 {
		return err
	}
	p.profile.MembersFollow = p.profile.Dialect != OpenLDAP // its overlay refint comes after the answer, sometimes long after
	for _, want := range []DN{to, to.Child("ou", "below")} {
		p.profile.MembersFollow = p.profile.MembersFollow && slices.ContainsFunc(entries[0].Attributes["member"], func(value string) bool {
			dn, err := p.profile.Folding.ParseDN(value)
			return err == nil && dn.Equal(want)
		})
	}
	return nil
}

// disable tries the switch that takes access away.
func (p *prober) disable(ctx context.Context) error {
	if p.profile.DisableBy == "" || p.profile.isAD() { // every account there has it
		return nil
	}
	dn := p.top.Child(p.profile.userRDN(), "probe")
	as := Attributes{"objectClass": p.profile.classes(UserEntry), "uid": {"probe"}, "cn": {"probe"}, "sn": {"probe"}}
	if isRefused, err := refused(ctx, p.add(ctx, dn, as)); isRefused || err != nil {
		return err
	}
	change := Change{ReplaceValues, p.profile.DisableBy, []string{"true"}}
	isRefused, err := refused(ctx, p.send(ctx, Operation{Kind: Modify, DN: dn, Changes: []Change{change}}))
	if isRefused {
		p.profile.DisableBy = ""
	}
	return err
}

func first[A, B any](a A, _ B) A  { return a }
func second[A, B any](_ A, b B) B { return b }

// tidyProbes deletes what earlier probes left behind when they broke off.
func (s server) tidyProbes(ctx context.Context, now time.Time) error {
	return s.tidyBelow(ctx, s.base, now)
}

func (s server) tidyBelow(ctx context.Context, dn DN, now time.Time) error {
	filter := "(|(ou=" + probePrefix + "*)(cn=" + probePrefix + "*))"
	entries, err := s.search(ctx, dn, SingleLevel, filter, "createTimestamp", "whenCreated")
	if err != nil {
		return err
	}
	for _, e := range entries {
		made := slices.Concat(e.Attributes["createTimestamp"], e.Attributes["whenCreated"])
		if len(made) == 0 {
			continue
		}
		// GeneralizedTime, RFC 4517, section 3.3.13; servers write UTC.
		at, err := time.Parse("20060102150405", made[0][:min(14, len(made[0]))])
		if err != nil || now.Sub(at) < probeLeftover {
			continue // another one is at work
		}
		if err := s.removeProbe(ctx, e.DN); err != nil {
			return err
		}
	}
	return nil
}

// removeProbe deletes the entries of a probe, deepest first.
func (s server) removeProbe(ctx context.Context, top DN) error {
	entries, err := s.search(ctx, top, Subtree, "(objectClass=*)", "1.1")
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b found) int { return b.DN.Depth() - a.DN.Depth() })
	for _, e := range entries {
		if err := s.send(ctx, Operation{Kind: Delete, DN: e.DN}); err != nil {
			return err
		}
	}
	return nil
}
