package store

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Registers that are only ever read whole are kept as one value each: a push of 500
// users reads and writes 500 of them on the marketplace's clock.
//
// A value begins with its format. Numbers are varints, texts carry their length.

const (
	grantFormat    = 1
	grantsFormat   = 1
	userFormat     = 1
	instanceFormat = 1
	purgedFormat   = 2 // an instance that was purged
	marksFormat    = 1
	headerFormat   = 1
)

type encoder []byte

func (e *encoder) number(n uint64) { *e = binary.AppendUvarint(*e, n) }

func (e *encoder) text(s string) {
	e.number(uint64(len(s)))
	*e = append(*e, s...)
}

func (e *encoder) bytes(b []byte) {
	e.number(uint64(len(b)))
	*e = append(*e, b...)
}

func (e *encoder) flag(b bool) {
	n := uint64(0)
	if b {
		n = 1
	}
	e.number(n)
}

// moment writes a time with its milliseconds; the zero time stays zero.
func (e *encoder) moment(t time.Time) {
	if t.IsZero() {
		e.number(0)
		return
	}
	e.number(uint64(max(t.UnixMilli(), 0)) + 1)
}

// decoder reads what encoder wrote. After the first fault it gives zero values.
type decoder struct {
	rest string
	bad  bool
}

func decode[T string | []byte](b T, format uint64) *decoder {
	d := &decoder{rest: string(b)}
	if d.number() != format {
		d.bad = true
	}
	return d
}

func (d *decoder) number() uint64 {
	var n uint64
	for shift := 0; shift < 64 && shift/7 < len(d.rest); shift += 7 {
		b := d.rest[shift/7]
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			d.rest = d.rest[shift/7+1:]
			return n
		}
	}
	d.bad, d.rest = true, ""
	return 0
}

func (d *decoder) text() string {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.bad, d.rest = true, ""
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

// count reads the length of a list, which cannot be longer than what is left.
func (d *decoder) count() int {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.bad, d.rest = true, ""
		return 0
	}
	return int(n) //nolint:gosec // not above the length of a text
}

func (d *decoder) flag() bool { return d.number() == 1 }

func (d *decoder) moment() time.Time {
	n := d.number()
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(n - 1)).UTC() //nolint:gosec // written from an int64
}

func (d *decoder) attribute() orgsync.Attribute {
	n := d.number()
	if n >= uint64(len(orgsync.Grant{}.Attributes)) {
		d.bad = true
		return 0
	}
	return orgsync.Attribute(n)
}

func (d *decoder) end(what string) error {
	if d.bad || d.rest != "" {
		return fmt.Errorf("stored %s cannot be read", what)
	}
	return nil
}

// encodeGrant writes each version once: most registers of a grant have the same.
func encodeGrant(g orgsync.Grant) []byte {
	var versions []orgsync.Version
	index := func(v orgsync.Version) uint64 {
		if v == "" {
			return 0
		}
		n := slices.Index(versions, v)
		if n < 0 {
			versions = append(versions, v)
			n = len(versions) - 1
		}
		return uint64(n) + 1 //nolint:gosec // an index
	}
	var body encoder
	for _, v := range []orgsync.Version{g.Granted, g.Changed, g.Revoked, g.Removed} {
		body.number(index(v))
	}
	body.text(string(g.Mark))
	said := uint64(0)
	for _, r := range g.Attributes {
		if r != (orgsync.Register{}) {
			said++
		}
	}
	body.number(said)
	for a, r := range g.Attributes {
		if r != (orgsync.Register{}) {
			body.number(uint64(a))
			body.number(index(r.Version))
			body.text(r.Value)
		}
	}
	e := make(encoder, 0, len(body)+len(versions)*32+4)
	e.number(grantFormat)
	e.number(uint64(len(versions)))
	for _, v := range versions {
		e.text(string(v))
	}
	return append(e, body...)
}

// decodeGrant fills in everything but the key.
func decodeGrant[T string | []byte](b T, g *orgsync.Grant) error {
	d := decode(b, grantFormat)
	versions := make([]orgsync.Version, d.count())
	for n := range versions {
		versions[n] = orgsync.Version(d.text())
	}
	version := func() orgsync.Version {
		n := d.number()
		switch {
		case n == 0:
			return ""
		case n > uint64(len(versions)):
			d.bad = true
			return ""
		}
		return versions[n-1]
	}
	g.Granted, g.Changed, g.Revoked, g.Removed = version(), version(), version(), version()
	g.Mark = orgsync.Moment(d.text())
	for range d.count() {
		a, v := d.attribute(), version()
		g.Attributes[a] = orgsync.Register{Version: v, Value: d.text()}
	}
	return d.end("grant")
}

// encodeGrants writes all grants of one user; nothing if there are none.
func encodeGrants(grants []orgsync.Grant) []byte {
	if len(grants) == 0 {
		return []byte{}
	}
	e := make(encoder, 0, 384*len(grants))
	e.number(grantsFormat)
	e.number(uint64(len(grants)))
	for _, g := range grants {
		e.text(string(g.Instance))
		e.text(string(g.App))
		e.bytes(encodeGrant(g))
	}
	return e
}

// decodeGrants is its inverse. It also reads what the migration makes of the rows of older
// programs.
func decodeGrants(b []byte, user orgsync.UserName) ([]orgsync.Grant, error) {
	switch {
	case len(b) == 0:
		return nil, nil
	case b[0] == '[':
		return decodeListedGrants(b, user)
	}
	d := decode(b, grantsFormat)
	grants := make([]orgsync.Grant, d.count())
	for n := range grants {
		g := &grants[n]
		g.User, g.Instance, g.App = user, orgsync.InstanceID(d.text()), orgsync.AppID(d.text())
		if err := decodeGrant(d.text(), g); err != nil {
			return nil, err
		}
	}
	return grants, d.end("grants")
}

func decodeListedGrants(b []byte, user orgsync.UserName) ([]orgsync.Grant, error) {
	var list [][3]string
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("stored grants cannot be read: %w", err)
	}
	grants := make([]orgsync.Grant, 0, len(list))
	for _, l := range list {
		g := orgsync.Grant{User: user, Instance: orgsync.InstanceID(l[0]), App: orgsync.AppID(l[1])}
		data, err := hex.DecodeString(l[2])
		if err == nil {
			err = decodeGrant(data, &g)
		}
		if err != nil {
			return nil, fmt.Errorf("stored grants cannot be read: %w", err)
		}
		grants = append(grants, g)
	}
	slices.SortFunc(grants, func(a, b orgsync.Grant) int {
		return cmp.Or(cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.App, b.App))
	})
	return grants, nil
}

// encodeUser writes everything but name and status, which are columns.
func encodeUser(u orgsync.User) []byte {
	e := make(encoder, 0, 256)
	e.number(userFormat)
	e.text(string(u.Role))
	e.number(uint64(max(u.Generation, 0)))
	e.moment(u.RemovedAt)
	var said encoder
	n := uint64(0)
	for a := range len(orgsync.Grant{}.Attributes) {
		attribute := orgsync.Attribute(a)
		if value, ok := u.Attributes.Get(attribute); ok {
			n++
			said.number(uint64(attribute))
			said.text(value)
		}
	}
	e.number(n)
	e = append(e, said...)
	e.number(uint64(len(u.Grants)))
	for _, g := range u.Grants {
		e.text(string(g.Instance))
		e.text(string(g.App))
		e.text(string(g.Role))
		e.flag(g.Enabled)
	}
	return e
}

func decodeUser(b []byte, u *orgsync.User) error {
	d := decode(b, userFormat)
	u.Role = orgsync.Role(d.text())
	u.Generation = int64(d.number()) //nolint:gosec // written from an int64
	u.RemovedAt = d.moment()
	for range d.count() {
		a := d.attribute()
		u.Attributes = u.Attributes.Set(a, d.text())
	}
	for range d.count() {
		u.Grants = append(u.Grants, orgsync.UserGrant{
			Instance: orgsync.InstanceID(d.text()), App: orgsync.AppID(d.text()),
			Role: orgsync.Role(d.text()), Enabled: d.flag(),
		})
	}
	return d.end("user")
}

func encodeInstance(i orgsync.Instance) []byte {
	e := make(encoder, 0, 256)
	if i.Purged == "" {
		e.number(instanceFormat)
	} else {
		e.number(purgedFormat)
		e.text(string(i.Purged))
	}
	for _, s := range []string{
		i.OrderID, string(i.Bound), string(i.Modified), string(i.Ended), string(i.Listed),
		i.Code.Value, string(i.Code.Version), i.Name.Value, string(i.Name.Version),
		i.Domain.Value, string(i.Domain.Version), string(i.Mark),
	} {
		e.text(s)
	}
	return e
}

func decodeInstance(b []byte, i *orgsync.Instance) error {
	d := &decoder{rest: string(b)}
	switch d.number() {
	case instanceFormat:
	case purgedFormat:
		i.Purged = orgsync.Version(d.text())
	default:
		d.bad = true
	}
	i.OrderID = d.text()
	for _, v := range []*orgsync.Version{&i.Bound, &i.Modified, &i.Ended, &i.Listed} {
		*v = orgsync.Version(d.text())
	}
	for _, r := range []*orgsync.Register{&i.Code, &i.Name, &i.Domain} {
		*r = orgsync.Register{Value: d.text(), Version: orgsync.Version(d.text())}
	}
	i.Mark = orgsync.Moment(d.text())
	return d.end("instance")
}
