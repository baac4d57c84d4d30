package ldaptest

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/ldapsink"
)

// Directory is a directory in memory with one suffix. It is safe for concurrent use.
type Directory struct {
	*store
	account string
}

// store is the tree and what its users share.
type store struct {
	suffix     name
	suffixText string

	mu    sync.Mutex
	root  *entry // under mu; nil: there is no entry at all
	limit int    // under mu
	fault func(ldapsink.Operation) (before, after error)
}

var _ ldapsink.Directory = (*Directory)(nil)

// New returns a directory that holds its suffix, a dc=…, as only entry. account is the DN of
// the one who writes, which becomes the creatorsName of entries. It panics if one of the two
// is no DN.
func New(suffix, account string) *Directory {
	n, err := parseDN(suffix)
	if err == nil {
		_, err = parseDN(account)
	}
	if err != nil || len(n) == 0 || n[0].avas[0][0] != "dc" {
		panic(fmt.Sprintf("ldaptest: suffix %q, account %q: %v", suffix, account, err))
	}
	d := &Directory{&store{suffix: n, suffixText: n.text()}, account}
	dn, err := ldapsink.ParseDN(suffix)
	if err == nil {
		err = d.add(dn, ldapsink.Attributes{"objectClass": {"dcObject", "organization"}, "dc": {n[0].avas[0][1]}, "o": {"Example"}})
	}
	if err != nil {
		panic(fmt.Sprintf("ldaptest: %v", err))
	}
	return d
}

// As is the same directory for somebody else.
func (d *Directory) As(account string) *Directory { return &Directory{d.store, account} }

// SetSizeLimit makes every search end with an error after so many entries; 0: no limit.
func (d *Directory) SetSizeLimit(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit = n
}

// Fault decides of every write that follows whether it fails although nothing is wrong with
// it: before it is done, or after, as when an answer is lost. It is called with the
// directory locked. Nil: none does.
func (d *Directory) Fault(decide func(ldapsink.Operation) (before, after error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = decide
}

// Reset implements [ldapsink.Directory]. There is no connection.
func (d *Directory) Reset() {}

// Account says who we are.
func (d *Directory) Account(context.Context) (string, error) { return d.account, nil }

// Write implements [ldapsink.Directory].
func (d *Directory) Write(ctx context.Context, o ldapsink.Operation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var after error
	if d.fault != nil {
		var before error
		if before, after = d.fault(o); before != nil {
			return before
		}
	}
	if err := d.write(o); err != nil {
		return err
	}
	return after
}

func (d *Directory) write(o ldapsink.Operation) error {
	switch o.Kind {
	case ldapsink.Add:
		return d.add(o.DN, o.Attributes)
	case ldapsink.Modify:
		return d.modify(o.DN, o.Changes)
	case ldapsink.Rename:
		return d.rename(o.DN, o.NewDN)
	case ldapsink.Delete:
		return d.remove(o.DN)
	default:
		return fail(ldap.LDAPResultProtocolError, "unknown %s", o.Kind)
	}
}

// find returns the entry of that name, and the nearest one above it if there is none.
func (s *store) find(n name) (found, nearest *entry) {
	if !s.holds(n) || s.root == nil {
		return nil, nil
	}
	e := s.root
	for i := len(n) - len(s.suffix) - 1; i >= 0; i-- {
		child := e.children[n[i].key]
		if child == nil {
			return nil, e
		}
		e = child
	}
	return e, e
}

// holds says whether the name is the suffix or below it.
func (s *store) holds(n name) bool {
	depth := len(n) - len(s.suffix)
	return depth >= 0 && n[depth:].key() == s.suffix.key()
}

// elsewhere is slapd's answer to a write outside its suffixes.
func elsewhere() error {
	return fail(ldap.LDAPResultUnwillingToPerform, "no global superior knowledge")
}

func (s *store) mustFind(dn ldapsink.DN) (*entry, name, error) {
	n, err := parseDN(dn.String())
	if err != nil {
		return nil, nil, err
	}
	if !s.holds(n) {
		return nil, n, elsewhere()
	}
	e, _ := s.find(n)
	if e == nil {
		return nil, n, fail(ldap.LDAPResultNoSuchObject, "no such object")
	}
	return e, n, nil
}

func (n name) text() string {
	texts := make([]string, len(n))
	for i, s := range n {
		texts[i] = s.text
	}
	return strings.Join(texts, ",")
}

// newUUID is a version 4 UUID, RFC 9562.
func newUUID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
