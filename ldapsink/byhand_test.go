package ldapsink_test

import (
	"context"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/ldapsink/ldaptest"
)

// hands are what an administrator changes entries with.
type hands interface {
	Add(request *ldap.AddRequest) error
	Modify(request *ldap.ModifyRequest) error
	ModifyDN(request *ldap.ModifyDNRequest) error
	Del(request *ldap.DelRequest) error
}

// hands are the administrator's, on whatever the directory is.
func (f *fixture) hands() hands {
	f.t.Helper()
	if f.memory != nil {
		return memoryHands{f.t.Context(), f.memory.As(peers.AdminDN)}
	}
	return f.admin()
}

// memoryHands take the requests of a client to the directory in memory.
type memoryHands struct {
	ctx context.Context //nolint:containedctx // of the test
	dir *ldaptest.Directory
}

func (h memoryHands) do(o ldapsink.Operation, dn string) error {
	var err error
	if o.DN, err = ldapsink.ParseDN(dn); err != nil {
		return err
	}
	return h.dir.Write(h.ctx, o)
}

func (h memoryHands) Add(request *ldap.AddRequest) error {
	as := ldapsink.Attributes{}
	for _, a := range request.Attributes {
		as[a.Type] = a.Vals
	}
	return h.do(ldapsink.Operation{Kind: ldapsink.Add, Attributes: as}, request.DN)
}

func (h memoryHands) Modify(request *ldap.ModifyRequest) error {
	kinds := map[uint]ldapsink.ChangeKind{
		ldap.AddAttribute: ldapsink.AddValues, ldap.DeleteAttribute: ldapsink.DeleteValues, ldap.ReplaceAttribute: ldapsink.ReplaceValues,
	}
	o := ldapsink.Operation{Kind: ldapsink.Modify}
	for _, c := range request.Changes {
		o.Changes = append(o.Changes, ldapsink.Change{Kind: kinds[c.Operation], Name: c.Modification.Type, Values: c.Modification.Vals})
	}
	return h.do(o, request.DN)
}

func (h memoryHands) ModifyDN(request *ldap.ModifyDNRequest) error {
	dn, err := ldapsink.ParseDN(request.DN)
	if err != nil {
		return err
	}
	above := request.NewSuperior
	if above == "" {
		above = dn.Parent().String()
	}
	to, err := ldapsink.ParseDN(request.NewRDN + "," + above)
	if err != nil {
		return err
	}
	return h.do(ldapsink.Operation{Kind: ldapsink.Rename, NewDN: to}, request.DN)
}

func (h memoryHands) Del(request *ldap.DelRequest) error {
	return h.do(ldapsink.Operation{Kind: ldapsink.Delete}, request.DN)
}
