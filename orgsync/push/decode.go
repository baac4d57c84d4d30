package push

import (
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Decode reads the body of a push. It is tolerant in spelling – every accepted variant
// is named in wire.go with its source – and strict in meaning: a required field that is
// missing or an unknown flag is an [orgsync.FieldError] that names the field. The
// message returned beside such an error holds what could be read, so that it is counted
// where it belongs, and must not be applied.
//
// Removals (flag 0 and 3) need their keys only, so that nothing keeps them from taking
// effect. Keys are not judged ([orgsync.CheckKey]): a bad one stays as it came, in the
// message or in an element of its list, and the rules set aside what it names. A full
// list that breaks off is Incomplete.
//
// signed is the time of the signature. It stands in for a timeStamp that is missing or
// cannot be read; the zero time says that there is none, and then such a timeStamp is an
// error.
//
// Message.Client.Secret is the ciphertext; see [Opener].
func Decode(kind orgsync.Kind, body []byte, signed time.Time) (orgsync.Message, error) {
	m := orgsync.Message{Kind: kind}
	doc, err := parse(body)
	if err != nil {
		return m, &orgsync.FieldError{Field: fieldBody, Reason: err.Error()}
	}
	if doc.root().kind() != objectToken {
		return m, &orgsync.FieldError{Field: fieldBody, Reason: "is not a JSON object"}
	}
	f := &fields{object: doc.root()}
	f.envelope(&m)
	f.times(&m, signed)
	switch kind {
	case orgsync.TenantSync:
		f.enterprise(&m)
	case orgsync.ApplicationSync:
		f.client(&m)
	case orgsync.AuthSync:
		f.users(&m)
	case orgsync.SingleOrgSync:
		f.department(&m)
	case orgsync.AllOrgSync:
		f.departments(&m)
	default:
		f.fail(fieldBody, "belongs to no interface")
	}
	return m, f.err
}

// fields reads the fields of a message and remembers the first fault.
type fields struct {
	object node
	err    error
}

func (f *fields) fail(field, reason string) {
	if f.err == nil {
		f.err = &orgsync.FieldError{Field: field, Reason: reason}
	}
}

// text is the field's text. A field that is absent, null or no text returns false; the
// last is a fault.
func (f *fields) text(names ...string) (string, bool) {
	n := f.object.member(names...)
	s, ok := n.scalar()
	if !ok && n.kind() != absentToken {
		f.fail(names[0], "is not a text")
	}
	return s, ok
}

// requiredText is the text of a field that must be there; it may be empty.
func (f *fields) requiredText(names ...string) string {
	s, ok := f.text(names...)
	if !ok {
		f.fail(names[0], "is missing")
	}
	return clean(s)
}

// key is a required key of the message itself. A bad one is kept as it came: the rules
// set the message aside under it.
func (f *fields) key(name string) string {
	s, _ := f.text(name)
	if s == "" {
		f.fail(name, "is missing")
	}
	return s
}

func (f *fields) envelope(m *orgsync.Message) {
	test, _ := f.text(fieldTestFlag)
	realm, ok := readRealm(test)
	if !ok {
		f.fail(fieldTestFlag, "is neither 0 nor 1")
	}
	m.Realm = realm
	m.Tenant = orgsync.TenantID(f.key(fieldTenantID))
	// The guide marks instanceId mandatory, and it is empty or absent when a credential
	// is applied for and in debugging.
	instance, _ := f.text(fieldInstanceID)
	m.Instance = orgsync.InstanceID(instance)
	if m.Kind == orgsync.AllOrgSync {
		return // an undocumented flag in the guide's example means nothing
	}
	flag, ok := f.text(fieldFlag)
	if !ok {
		f.fail(fieldFlag, "is missing")
	}
	if m.Flag, ok = readFlag(m.Kind, flag); !ok {
		f.fail(fieldFlag, "is unknown")
	}
}

func (f *fields) times(m *orgsync.Message, signed time.Time) {
	stamp, ok := f.time(fieldTimeStamp)
	if !ok {
		stamp = signed.UTC()
		if signed.IsZero() {
			f.fail(fieldTimeStamp, "is missing or unreadable")
		}
	}
	m.Stamp, m.At = stamp, stamp
	if m.Kind != orgsync.AuthSync {
		return
	}
	if at, ok := f.time(fieldCurrentSyncTime); ok {
		m.At = at
	}
}

// time reads a time. One of another type is as unreadable as any other.
func (f *fields) time(name string) (time.Time, bool) {
	s, _ := f.object.member(name).scalar()
	return readTime(s)
}

// isRemoval says whether the flag takes access away.
func isRemoval(flag orgsync.Flag) bool {
	return flag == orgsync.FlagRemove || flag == orgsync.FlagRevoke
}

func (f *fields) enterprise(m *orgsync.Message) {
	if isRemoval(m.Flag) {
		return
	}
	order, _ := f.text(fieldOrderID)
	m.Enterprise.OrderID = clean(order)
	for _, x := range []struct {
		name  string
		field **string
	}{
		{fieldTenantCode, &m.Enterprise.Code},
		{fieldName, &m.Enterprise.Name},
		{fieldDomainName, &m.Enterprise.Domain},
	} {
		s, ok := f.text(x.name)
		if ok {
			*x.field = new(clean(s))
		} else if m.Flag == orgsync.FlagAdd { // flag 2 says what changed
			f.fail(x.name, "is missing")
		}
	}
}

func (f *fields) client(m *orgsync.Message) {
	m.App = orgsync.AppID(f.key(fieldAppID))
	if isRemoval(m.Flag) {
		return // not even a secret that nobody can open keeps it from taking effect
	}
	m.Client.ID, _ = f.text(fieldClientID)
	if m.Client.ID == "" {
		f.fail(fieldClientID, "is missing")
	}
	if clean(m.Client.ID) != m.Client.ID {
		f.fail(fieldClientID, "holds a control character")
	}
	secret, _ := f.text(fieldClientSecret)
	if secret == "" {
		f.fail(fieldClientSecret, "is missing")
	}
	m.Client.Secret = orgsync.Secret(secret)
}

// list is a field that holds a list, or the text of one: V1 has texts, V2 lists, and the
// example of V2 allOrgSync a text in which names stand without quotes. cut says that the
// text broke off.
func (f *fields) list(names ...string) (list node, cut bool) {
	n := f.object.member(names...)
	if n.kind() == stringToken {
		text := []byte(n.unquote())
		doc, err := parse(text)
		if err != nil {
			doc, err = parseLenient(text)
		}
		if err != nil {
			f.fail(names[0], err.Error())
			return node{}, false
		}
		n, cut = doc.root(), doc.cut
	}
	switch n.kind() {
	case arrayToken:
	case absentToken:
		f.fail(names[0], "is missing")
	default:
		f.fail(names[0], "is not a list")
	}
	return n, cut
}

func (f *fields) users(m *orgsync.Message) {
	m.App = orgsync.AppID(f.key(fieldAppID))
	list, cut := f.list(fieldUserList)
	if cut {
		f.fail(fieldUserList, "breaks off")
	}
	for e := range list.elements() {
		name, _ := e.member(fieldUserName).scalar()
		u := orgsync.UserChange{Name: orgsync.UserName(name)}
		if !isRemoval(m.Flag) {
			u.Attributes = attributes(e)
		}
		m.Users = append(m.Users, u)
	}
}

// attributes reads what an element of userList says about a user. Flat fields win over
// those in extension, which V1 may send as a text.
func attributes(user node) orgsync.Attributes {
	var as orgsync.Attributes
	extension := user.member(fieldExtension)
	if text, ok := extension.scalar(); ok {
		if doc, err := parseLenient([]byte(text)); err == nil {
			extension = doc.root()
		}
	}
	for name, value := range extension.members() {
		if a, ok := orgsync.AttributeNamed(name.unquote()); ok && isExtended(a) {
			as = setAttribute(as, a, value)
		}
	}
	for name, value := range user.members() {
		if a, ok := orgsync.AttributeNamed(name.unquote()); ok {
			as = setAttribute(as, a, value)
		}
	}
	return as
}

func setAttribute(as orgsync.Attributes, a orgsync.Attribute, value node) orgsync.Attributes {
	s, ok := value.scalar()
	switch {
	case ok:
		return as.Set(a, s)
	case value.kind() != nullToken && (a == orgsync.AttrEnable || a == orgsync.AttrRole):
		return as.Set(a, "") // no word at all means less, as an unknown one does
	default:
		return as
	}
}

func (f *fields) department(m *orgsync.Message) {
	d := orgsync.DepartmentChange{Code: orgsync.OrgCode(f.key(fieldOrgCode))}
	if !isRemoval(m.Flag) {
		d.Name = f.requiredText(orgNameSpellings()...)
		parent, _ := f.text(fieldParentCode)
		d.Parent = orgsync.OrgCode(parent)
	}
	m.Departments = []orgsync.DepartmentChange{d}
}

func (f *fields) departments(m *orgsync.Message) {
	list, cut := f.list(orgListSpellings()...)
	m.Incomplete = cut
	for e := range list.elements() {
		code, _ := e.member(fieldOrgCode).scalar()
		name, _ := e.member(orgNameSpellings()...).scalar()
		parent, _ := e.member(fieldParentCode).scalar()
		m.Departments = append(m.Departments, orgsync.DepartmentChange{
			Code: orgsync.OrgCode(code), Name: clean(name), Parent: orgsync.OrgCode(parent),
		})
	}
}
