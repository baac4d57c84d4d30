package ldaptest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/ldapsink/ldaptest"
)

// pair is the directory in memory and a slapd, which are to behave alike.
type pair struct {
	memory *ldaptest.Directory
	slapd  *ldap.Conn
}

func newPair(t *testing.T) pair {
	t.Helper()
	conn, err := ldap.DialURL(peers.Slapd(t, peers.SlapdOptions{NoSync: true}).URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.Bind(peers.ServiceDN, peers.ServicePassword); err != nil {
		t.Fatal(err)
	}
	p := pair{ldaptest.New(peers.BaseDN, peers.AdminDN), conn}
	for _, o := range []ldapsink.Operation{
		add("ou=services", "objectClass: organizationalUnit", "ou: services"),
		add("cn=kitbridge,ou=services", "objectClass: organizationalRole", "objectClass: simpleSecurityObject", "cn: kitbridge", "userPassword: x"),
	} {
		if err := p.memory.Write(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	p.memory = p.memory.As(peers.ServiceDN)
	return p
}

// do writes to both and returns the result codes.
func (p pair) do(ctx context.Context, o ldapsink.Operation) (memory, slapd uint16) {
	return code(p.memory.Write(ctx, o)), code(write(p.slapd, o))
}

func code(err error) uint16 {
	if e, ok := errors.AsType[*ldap.Error](err); ok {
		return e.ResultCode
	}
	if err != nil {
		return 999
	}
	return 0
}

// write is written apart from the sink's own, so that this test believes nobody.
func write(conn *ldap.Conn, o ldapsink.Operation) error {
	switch o.Kind {
	case ldapsink.Add:
		request := ldap.NewAddRequest(o.DN.String(), nil)
		for name, values := range o.Attributes {
			request.Attribute(name, values)
		}
		return conn.Add(request)
	case ldapsink.Modify:
		request := ldap.NewModifyRequest(o.DN.String(), nil)
		for _, c := range o.Changes {
			switch c.Kind {
			case ldapsink.AddValues:
				request.Add(c.Name, c.Values)
			case ldapsink.DeleteValues:
				request.Delete(c.Name, c.Values)
			case ldapsink.ReplaceValues:
				request.Replace(c.Name, c.Values)
			}
		}
		return conn.Modify(request)
	case ldapsink.Rename:
		above := o.NewDN.Parent().String()
		if o.NewDN.Parent().Equal(o.DN.Parent()) {
			above = ""
		}
		return conn.ModifyDN(ldap.NewModifyDNRequest(o.DN.String(), o.NewDN.RDN(), true, above))
	case ldapsink.Delete:
		return conn.Del(ldap.NewDelRequest(o.DN.String(), nil))
	default:
		return errors.New("unknown operation")
	}
}

// tree is everything below the base, as a search with the filter finds it.
type tree map[string]map[string][]string

// trees reads both.
func (p pair) trees(t *testing.T, filter string, attributes ...string) (memory, slapd tree) {
	t.Helper()
	memory, slapd = tree{}, tree{}
	base := mustDN(t, peers.BaseDN)
	q := ldapsink.Search{Base: base, Scope: ldapsink.Subtree, Filter: filter, Attributes: attributes}
	err := p.memory.Search(t.Context(), q, func(f ldapsink.Found) error {
		memory[f.DN] = sorted(t, f.Attributes)
		return nil
	})
	if err != nil {
		t.Fatalf("search in memory: %v", err)
	}
	result, err := p.slapd.Search(ldap.NewSearchRequest(peers.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil))
	if err != nil {
		t.Fatalf("search in slapd: %v", err)
	}
	for _, e := range result.Entries {
		as := ldapsink.Attributes{}
		for _, a := range e.Attributes {
			as[a.Name] = a.Values
		}
		slapd[e.DN] = sorted(t, as)
	}
	return memory, slapd
}

// sorted drops what cannot be equal, and makes DNs comparable.
func sorted(t *testing.T, as ldapsink.Attributes) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for name, values := range as {
		if name == "userPassword" {
			continue
		}
		values = slices.Clone(values)
		if name == "member" {
			for i := range values {
				values[i] = mustDN(t, values[i]).Key()
			}
		}
		slices.Sort(values)
		out[name] = values
	}
	return out
}

func mustDN(t *testing.T, text string) ldapsink.DN {
	t.Helper()
	dn, err := ldapsink.ParseDN(text)
	if err != nil {
		t.Fatal(err)
	}
	return dn
}

// at is an entry below the base, by its name as people write it.
func at(text string) ldapsink.DN {
	if text != "" {
		text += ","
	}
	dn, err := ldapsink.ParseDN(text + peers.BaseDN)
	if err != nil {
		panic(err)
	}
	return dn
}

func add(dn string, lines ...string) ldapsink.Operation {
	as := ldapsink.Attributes{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		as[name] = append(as[name], value)
	}
	return ldapsink.Operation{Kind: ldapsink.Add, DN: at(dn), Attributes: as}
}

func unit(dn string) ldapsink.Operation {
	return add(dn, "objectClass: organizationalUnit", "ou: "+at(dn).Value())
}

func person(dn string, lines ...string) ldapsink.Operation {
	return add(dn, append([]string{"objectClass: top", "objectClass: inetOrgPerson", "cn: c", "sn: s", "uid: " + at(dn).Value()}, lines...)...)
}

func group(dn string, members ...string) ldapsink.Operation {
	lines := []string{"objectClass: groupOfNames", "cn: " + at(dn).Value()}
	for _, m := range members {
		lines = append(lines, "member: "+m)
	}
	return add(dn, lines...)
}

func modify(dn string, kind ldapsink.ChangeKind, name string, values ...string) ldapsink.Operation {
	return ldapsink.Operation{Kind: ldapsink.Modify, DN: at(dn), Changes: []ldapsink.Change{{Kind: kind, Name: name, Values: values}}}
}

func rename(dn, to string) ldapsink.Operation {
	return ldapsink.Operation{Kind: ldapsink.Rename, DN: at(dn), NewDN: at(to)}
}

func remove(dn string) ldapsink.Operation {
	return ldapsink.Operation{Kind: ldapsink.Delete, DN: at(dn)}
}

// TestLikeSlapd does each operation on both directories: the answers and, in the end, the
// trees are equal. The entries of one case are not used by another.
func TestLikeSlapd(t *testing.T) {
	t.Parallel()
	const addV, deleteV, replaceV = ldapsink.AddValues, ldapsink.DeleteValues, ldapsink.ReplaceValues
	dn := "cn=x," + peers.BaseDN
	tests := map[string][]ldapsink.Operation{
		"parents": {unit("ou=a0"), unit("ou=b,ou=a0"), unit("ou=c,ou=nowhere"), unit("ou=a0"), unit("ou=A0"), unit("ou=a0,ou=services")},
		"outside the suffix": {
			{Kind: ldapsink.Add, DN: dnOf("ou=x,dc=elsewhere"), Attributes: ldapsink.Attributes{"objectClass": {"organizationalUnit"}, "ou": {"x"}}},
			{Kind: ldapsink.Delete, DN: dnOf("ou=x,dc=elsewhere")},
		},
		"blanks and width": {unit(`ou=a1  b`), unit(`ou=a1 b`), unit("ou=Ａ1 b"), unit("ou=A1 B"), unit(`ou=\20a1 b\20`), unit("ou=a1　b"), unit("ou=㎡1"), unit("ou=m21")},
		"composition":      {unit("ou=é2"), unit("ou=é2"), unit("ou=straße"), unit("ou=strasse"), unit("ou=STRAßE"), unit("ou=İ2"), unit("ou=i2")},
		"specials": {
			unit(`ou=a3\,b`), unit(`ou=a3\2Cb`), unit(`ou=\#a3`), unit(`ou=\"a3\"`), unit(`ou=a3\+b\=c`), unit(`ou=a3\<b\>\;`), unit(`ou=a3\\b`),
			unit("ou=张三，（市场部）"), unit("ou=😀 3"), unit(`ou=a3\0Ab`), unit(`ou=a3\09b`), rename(`ou=a3\,b`, `ou=a3\;c`), remove(`ou=A3\;C`), remove(`ou=a3\,b`),
		},
		"long names": {
			unit("ou=" + strings.Repeat("a", 242)), unit("ou=" + strings.Repeat("b", 243)), unit("ou=" + strings.Repeat("研", 80)),
			unit("ou=" + strings.Repeat("发", 81)), unit("ou=" + strings.Repeat("部", 82)), unit("ou=" + strings.Repeat(`\,`, 80)), unit("ou=" + strings.Repeat(`\,`, 81)), unit("ou=" + strings.Repeat(`\,`, 82)),
			unit("ou=short"), rename("ou=short", "ou="+strings.Repeat("c", 243)),
		},
		"object classes": {
			add("ou=a4", "ou: a4"), add("ou=a4", "objectClass: nonsense", "ou: a4"), add("ou=a4", "objectClass: top", "ou: a4"),
			add("ou=a4", "objectClass: dcObject", "dc: a4", "ou: a4"), add("ou=a4", "objectClass: organizationalUnit"),
			add("cn=a4", "objectClass: person", "cn: a4"), add("cn=a4", "objectClass: person", "objectClass: device", "cn: a4", "sn: s"),
			add("cn=a4", "objectClass: person", "cn: a4", "sn: s", "title: t"), add("cn=a4", "objectClass: person", "cn: a4", "sn: s"),
			modify("cn=a4", addV, "objectClass", "inetOrgPerson"), modify("cn=a4", addV, "objectClass", "posixAccount"),
			modify("cn=a4", addV, "objectClass", "uidObject"), modify("cn=a4", replaceV, "objectClass", "device"), modify("cn=a4", replaceV, "objectClass"),
			modify("cn=a4", addV, "objectClass", "top"), modify("cn=a4", addV, "objectClass", "TOP"),
		},
		"posix accounts": {
			person("uid=a5", "objectClass: posixAccount", "uidNumber: 1000", "gidNumber: 1000", "homeDirectory: /home/a5"), modify("uid=a5", replaceV, "uidNumber", "x"),
			modify("uid=a5", addV, "uidNumber", "1001"), modify("uid=a5", replaceV, "uidNumber", "1001"), modify("uid=a5", replaceV, "homeDirectory"),
		},
		"values": {
			person("uid=a6", "mail: a@b", "mobile: +86 1"), modify("uid=a6", addV, "mail", "A@B"), modify("uid=a6", addV, "mail", "c@d", "C@D"),
			modify("uid=a6", addV, "mail", "c@d"), modify("uid=a6", deleteV, "mail", "C@D"), modify("uid=a6", deleteV, "mail", "none@x"), modify("uid=a6", deleteV, "title"),
			modify("uid=a6", replaceV, "title"), modify("uid=a6", deleteV, "mail"), modify("uid=a6", replaceV, "mail", "张@b"), modify("uid=a6", replaceV, "mail", ""),
			modify("uid=a6", replaceV, "title", ""), modify("uid=a6", replaceV, "title", " "), modify("uid=a6", replaceV, "mobile", "1#2"), modify("uid=a6", replaceV, "mobile", "＋86"), modify("uid=a6", replaceV, "mobile", "1=2"),
			modify("uid=a6", replaceV, "mobile", ""), modify("uid=a6", addV, "mobile", "12"), modify("uid=a6", replaceV, "mobile", "1 2", "1-2"), modify("uid=a6", replaceV, "displayName", "a", "b"),
			modify("uid=a6", replaceV, "employeeNumber", "1"), modify("uid=a6", addV, "employeeNumber", "2"), modify("uid=a6", replaceV, "nonsense", "x"),
			modify("uid=a6", replaceV, "ou", "  x  "), modify("uid=a6", addV, "ou", "X"), modify("uid=a6", addV, "ou", "Ｘ"), modify("uid=a6", replaceV, "serialNumber", "1"),
			modify("uid=a6", replaceV, "entryUUID", "0b1b6f0a-7c3e-103e-8d5a-9b3f6f6b2a11"), modify("uid=a6", replaceV, "creatorsName", dn), modify("uid=a6", replaceV, "title", string([]byte{0xff})),
			modify("uid=a6", replaceV, "sn"), modify("uid=a6", deleteV, "cn", "C"), modify("uid=a6", replaceV, "uid", "other"), modify("uid=a6", replaceV, "uid", "A6"), modify("uid=a6", deleteV, "uid"),
			modify("uid=nobody6", replaceV, "title", "x"), modify("uid=nobody6", replaceV, "title", ""), modify("uid=a6", addV, "title"), modify("uid=a6", replaceV, "labeledURI", "HTTP://x"), modify("uid=a6", addV, "labeledURI", "http://x"),
			{Kind: ldapsink.Modify, DN: at("uid=a6"), Changes: []ldapsink.Change{{Kind: addV, Name: "title", Values: []string{"one"}}, {Kind: deleteV, Name: "title", Values: []string{"two"}}}},
			{Kind: ldapsink.Modify, DN: at("uid=a6"), Changes: []ldapsink.Change{{Kind: replaceV, Name: "sn"}, {Kind: addV, Name: "sn", Values: []string{"new"}}}},
		},
		"groups": {
			group("cn=a7"), group("cn=a7", dn), modify("cn=a7", deleteV, "member", dn), modify("cn=a7", replaceV, "member"), modify("cn=a7", addV, "member", "nonsense"),
			modify("cn=a7", addV, "member", ""), modify("cn=a7", addV, "member", strings.ToUpper(dn)), modify("cn=a7", addV, "member", "cn=y,  "+peers.BaseDN), modify("cn=a7", addV, "member", "CN=Y,"+peers.BaseDN),
			modify("cn=a7", addV, "member", `cn=a\,b,`+peers.BaseDN), modify("cn=a7", addV, "member", `cn=a\2cb,`+peers.BaseDN), modify("cn=a7", addV, "member", "nosuchtype=a,"+peers.BaseDN),
			{Kind: ldapsink.Modify, DN: at("cn=a7"), Changes: []ldapsink.Change{{Kind: deleteV, Name: "member", Values: []string{dn}}, {Kind: addV, Name: "member", Values: []string{dn}}}},
		},
		"naming": {
			add("ou=a8", "objectClass: organizationalUnit", "ou: other"), add("ou=a8", "objectClass: organizationalUnit", "ou: A8", "ou: more"), rename("ou=a8", "cn=a8"),
			add("mail=a8@b", "objectClass: organizationalUnit", "ou: a"), rename("ou=a8", "ou=A8"), rename("ou=a8", "ou=more"), unit("ou=z8"), rename("ou=z8", "ou=MORE"),
			add("ou=p8+description=q", "objectClass: organizationalUnit", "ou: p8", "description: q"), remove("description=Q+ou=P8"), rename("ou=z8", "nosuch=z8"),
		},
		"moves": {
			unit("ou=a9"), unit("ou=b9"), unit("ou=c,ou=a9"), unit("ou=d,ou=c,ou=a9"), person("uid=u,ou=d,ou=c,ou=a9"),
			rename("ou=c,ou=a9", "ou=c,ou=d,ou=c,ou=a9"), rename("ou=c,ou=a9", "ou=c,ou=c,ou=a9"), rename("ou=c,ou=a9", "ou=c,ou=nowhere"), rename("ou=none9", "ou=none9,ou=b9"),
			rename("ou=none9", "ou=none9,ou=none9"), rename("ou=c,ou=a9", "ou=c2,ou=b9"), rename("ou=c2,ou=b9", "ou=b9"), rename("ou=c2,ou=b9", "ou=a9"), unit("ou=e,ou=d,ou=c2,ou=b9"),
			remove("ou=b9"), remove("ou=a9"), remove("ou=a9"), rename("ou=c2,ou=b9", "ou=c2,ou=b9"), rename("ou=c2,ou=b9", "ou=c2,ou=B9"),
		},
		"deletions": {unit("ou=a10"), unit("ou=b,ou=a10"), remove("ou=a10"), remove("ou=b,ou=a10"), remove("ou=a10"), remove("ou=a10"), remove("ou=x,ou=a10")},
	}
	p := newPair(t)
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		for i, o := range tests[name] {
			if memory, slapd := p.do(t.Context(), o); memory != slapd {
				t.Errorf("%s, operation %d: memory answers %d, slapd %d:\n%s", name, i, memory, slapd, o)
			}
		}
	}
	memory, slapd := p.trees(t, "(objectClass=*)", "*", "creatorsName", "modifiersName", "structuralObjectClass")
	if diff := cmp.Diff(slapd, memory); diff != "" {
		t.Errorf("trees (-slapd +memory):\n%s", diff)
	}
	for _, filter := range []string{
		"(ou=a0)", "(ou=A0)", "(OU=a3,b)", "(&(objectClass=person)(cn=C))", "(objectClass=top)", "(!(ou=a0))", "(!(nonsense=x))", "(|(nonsense=x)(ou=b9))",
		"(uid=*)", "(nonsense=*)", "(surname=s)", "(member=" + dn + ")", "(member=CN=X, " + peers.BaseDN + ")", "(member=nonsense)", "(ou=a*)", "(ou=*3*b*)", "(ou=*b)",
		"(mobile=1 2)", "(mobile=12)", "(uidNumber=1001)", "(ou=Ａ1 b)", "(objectClass=nonsense)", "(!(objectClass=organizationalUnit))", "(entryUUID=*)", "(creatorsName=" + strings.ToUpper(peers.ServiceDN) + ")",
		"(&)", "(|)",
	} {
		memory, slapd := p.trees(t, filter, "1.1")
		if diff := cmp.Diff(slices.Sorted(maps.Keys(slapd)), slices.Sorted(maps.Keys(memory))); diff != "" {
			t.Errorf("filter %s (-slapd +memory):\n%s", filter, diff)
		}
	}
}

func dnOf(text string) ldapsink.DN {
	dn, err := ldapsink.ParseDN(text)
	if err != nil {
		panic(err)
	}
	return dn
}

// TestLikeSlapdAtRandom writes what comes to mind, in a small place so that operations meet.
func TestLikeSlapdAtRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			compareAtRandom(t, rand.New(rand.NewPCG(7, seed)))
		})
	}
}

func compareAtRandom(t *testing.T, r *rand.Rand) {
	t.Helper()
	p := newPair(t)
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	names := []string{"a", "A", "ａ", "b", "b  c", "b c", `x\,y`, "研发", "研發", "é", "é"}
	place := func() string {
		dn := ""
		for range 1 + r.IntN(3) {
			dn = pick("ou=", "ou=", "cn=") + names[r.IntN(len(names))] + "," + dn
		}
		return strings.TrimSuffix(dn, ",")
	}
	const n = 1500
	done := 0
	for i := range n {
		var o ldapsink.Operation
		dn := place()
		attribute, value := pick("description", "ou", "cn", "member", "seeAlso", "businessCategory"), pick(append(names, "cn=a,"+peers.BaseDN, "", " ")...)
		switch r.IntN(6) {
		case 0:
			o = add(dn, "objectClass: organizationalRole", "cn: "+at(dn).Value(), "ou: "+at(dn).Value())
		case 1:
			o = add(dn, "objectClass: organizationalUnit", "ou: "+at(dn).Value())
		case 2:
			o = group(dn, "cn=a,"+peers.BaseDN)
		case 3:
			o = modify(dn, ldapsink.ChangeKind(1+r.IntN(3)), attribute, value)
		case 4:
			o = rename(dn, place())
		case 5:
			o = remove(dn)
		}
		memory, slapd := p.do(t.Context(), o)
		if memory != slapd {
			t.Fatalf("operation %d: memory answers %d, slapd %d:\n%s", i, memory, slapd, o)
		}
		if memory == 0 {
			done++
		}
	}
	memory, slapd := p.trees(t, "(objectClass=*)", "*")
	delete(memory, peers.BaseDN)
	delete(slapd, peers.BaseDN)
	if diff := cmp.Diff(slapd, memory); diff != "" {
		t.Errorf("trees after %d operations (-slapd +memory):\n%s", n, diff)
	}
	if done < n/10 {
		t.Errorf("only %d of %d operations succeeded: they show little", done, n)
	}
}

func TestSizeLimitAndFaults(t *testing.T) {
	t.Parallel()
	d := ldaptest.New(peers.BaseDN, peers.ServiceDN)
	for i := range 5 {
		if err := d.Write(t.Context(), unit(fmt.Sprintf("ou=u%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	count := func() (n int, err error) {
		q := ldapsink.Search{Base: at(""), Scope: ldapsink.SingleLevel, Filter: "(ou=*)"}
		err = d.Search(t.Context(), q, func(ldapsink.Found) error { n++; return nil })
		return n, err
	}
	d.SetSizeLimit(3)
	if n, err := count(); n != 3 || !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		t.Errorf("with a limit of 3: %d entries, %v", n, err)
	}
	d.SetSizeLimit(0)
	lost := errors.New("lost")
	for _, tt := range []struct {
		before, after error
		want          int
	}{{before: lost, want: 5}, {after: lost, want: 6}} {
		d.Fault(func(ldapsink.Operation) (error, error) { return tt.before, tt.after })
		if err := d.Write(t.Context(), unit("ou=more")); !errors.Is(err, lost) {
			t.Errorf("Write with a fault = %v", err)
		}
		d.Fault(nil)
		if n, err := count(); n != tt.want || err != nil {
			t.Errorf("%d entries, %v, want %d", n, err, tt.want)
		}
	}
	other := d.As("cn=other," + peers.BaseDN)
	if err := other.Write(t.Context(), unit("ou=theirs")); err != nil {
		t.Fatal(err)
	}
	q := ldapsink.Search{Base: at("ou=theirs"), Filter: "(objectClass=*)", Attributes: []string{"CREATORSNAME", "entryUUID"}}
	err := d.Search(t.Context(), q, func(f ldapsink.Found) error {
		if f.Attributes["CREATORSNAME"][0] != "cn=other,"+peers.BaseDN || len(f.Attributes["entryUUID"][0]) != 36 {
			t.Errorf("their entry is %v", f)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
