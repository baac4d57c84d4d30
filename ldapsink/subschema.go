package ldapsink

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// subschema is what a server says of its object classes and attributes (RFC 4512, section
// 4.1). It is a value.
type subschema struct {
	classes    map[string]objectClass // by each of its names, in lower case
	attributes map[string]string      // the first name by each, in lower case
}

// objectClass is an object class with what it demands and allows, in lower case.
type objectClass struct{ sup, must, may []string }

// parseSubschema reads definitions of object classes and attribute types. One that it does
// not understand is as if it were not there.
func parseSubschema(classes, attributes []string) subschema {
	s := subschema{classes: map[string]objectClass{}, attributes: map[string]string{}}
	for _, text := range attributes {
		d := parseDefinition(text)
		for _, name := range slices.Concat(d["NAME"], d["OID"]) {
			if first := slices.Concat(d["NAME"], d["OID"])[0]; s.attributes[name] == "" {
				s.attributes[name] = first
			}
		}
	}
	for _, text := range classes {
		d := parseDefinition(text)
		for _, name := range slices.Concat(d["NAME"], d["OID"]) {
			s.classes[name] = objectClass{d["SUP"], d["MUST"], d["MAY"]}
		}
	}
	return s
}

// parseDefinition takes a definition apart: the words after each keyword, in lower case. The
// numeric name stands under OID.
func parseDefinition(text string) map[string][]string {
	d := map[string][]string{}
	keyword, depth := "OID", 0
	for _, token := range definitionTokens(text) {
		switch {
		case token == "(":
			depth++
		case token == ")":
			depth--
		case token == "$":
		case token[0] == '\'':
			d[keyword] = append(d[keyword], strings.ToLower(strings.Trim(token, "'")))
		case depth == 1 && isKeyword(token):
			keyword = token
		default:
			d[keyword] = append(d[keyword], strings.ToLower(token))
		}
	}
	return d
}

// isKeyword: keywords are in capitals, and what we read after them is not.
func isKeyword(token string) bool {
	return strings.IndexFunc(token, func(r rune) bool { return (r < 'A' || r > 'Z') && r != '-' && r != '_' }) < 0
}

func definitionTokens(text string) []string {
	var tokens []string
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case ' ', '\t', '\n':
			i++
		case '(', ')', '$':
			tokens = append(tokens, string(c))
			i++
		case '\'':
			end := strings.IndexByte(text[i+1:], '\'')
			if end < 0 {
				return tokens
			}
			tokens = append(tokens, text[i:i+end+2])
			i += end + 2
		default:
			end := strings.IndexAny(text[i:], " \t\n()$'")
			if end < 0 {
				end = len(text) - i
			}
			tokens = append(tokens, text[i:i+end])
			i += end
		}
	}
	return tokens
}

// name is an attribute's first name, its own if the server does not know it.
func (s subschema) name(attribute string) string {
	key := strings.ToLower(attribute)
	if first := s.attributes[key]; first != "" {
		return first
	}
	return key
}

// closure collects what these classes and those above them demand and allow.
func (s subschema) closure(names []string) (must, may map[string]bool) {
	must, may = map[string]bool{}, map[string]bool{}
	seen := map[string]bool{}
	for queue := slices.Clone(names); len(queue) > 0; queue = queue[1:] {
		key := strings.ToLower(queue[0])
		if seen[key] {
			continue
		}
		seen[key] = true
		c := s.classes[key]
		for _, a := range c.must {
			must[s.name(a)] = true
		}
		for _, a := range c.may {
			may[s.name(a)] = true
		}
		queue = append(queue, c.sup...)
	}
	return must, may
}

// lacks says what the schema lacks of what kitbridge writes there, and what to do.
func (s subschema) lacks(p Profile, m Mapping) []string {
	var list []string
	known := func(class string) bool { _, ok := s.classes[strings.ToLower(class)]; return ok }
	for _, class := range slices.Concat(p.classes(UserEntry), p.classes(DepartmentEntry), p.classes(DepartmentGroup), []string{ownerClass}) {
		text := fmt.Sprintf("object class %s is unknown: load the schemas core, cosine and inetorgperson", class)
		if !known(class) && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	for _, name := range ownAttributes() {
		if s.attributes[strings.ToLower(name)] == "" {
			list = append(list, fmt.Sprintf("attribute %s is unknown: load the schemas core, cosine and inetorgperson; it is left out until then", name))
		}
	}
	for _, class := range m.classes {
		if !known(class) {
			list = append(list, fmt.Sprintf("object class %s of attributes.objectClass is unknown: load the schema that has it, or take it away; "+
				"users are made without it until then", class))
		}
	}
	for _, name := range m.names() {
		if s.attributes[strings.ToLower(name)] == "" && !m.templates[name].isEmpty() && !slices.Contains(ownAttributes(), name) {
			list = append(list, fmt.Sprintf("attribute %s of attributes is unknown: load the schema that has it, or take it away; it is left out until then", name))
		}
	}
	if !p.isAD() { // there classes allow more by rules that stand elsewhere
		list = append(list, s.misplaced(p, m)...)
	}
	return list
}

// misplaced lists mapped attributes that no object class of a user allows, and demanded ones
// that nobody writes.
func (s subschema) misplaced(p Profile, m Mapping) []string {
	classes := slices.Concat(p.classes(UserEntry), m.classes)
	if slices.ContainsFunc(classes, func(c string) bool { return strings.EqualFold(c, "extensibleObject") }) {
		return nil // RFC 4512, section 4.3: it allows all
	}
	must, may := s.closure(classes)
	written := map[string]bool{"objectclass": true}
	for _, name := range ownAttributes() {
		written[s.name(name)] = true
	}
	var list []string
	for _, name := range m.names() {
		key := s.name(name)
		if t := m.templates[name]; !t.isEmpty() {
			written[key] = true
			if s.attributes[strings.ToLower(name)] != "" && !must[key] && !may[key] {
				list = append(list, fmt.Sprintf("attribute %s of attributes: no object class of users has it; name one that does in attributes.objectClass", name))
			}
		}
	}
	for _, class := range m.classes {
		demanded, _ := s.closure([]string{class})
		for _, name := range sortedNames(demanded) {
			if !written[name] {
				list = append(list, fmt.Sprintf("object class %s of attributes.objectClass demands %s: add it to attributes", class, name))
			}
		}
	}
	return list
}

// ownAttributes are what kitbridge writes without being told to.
func ownAttributes() []string {
	return append(defaultAttributes(), "ou", "description", "businessCategory", "member")
}

func sortedNames(set map[string]bool) []string {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// readSubschema asks the server for its schema; false if it does not show it to us.
func (s server) readSubschema(ctx context.Context) (subschema, bool, error) {
	root, err := s.search(ctx, DN{}, BaseObject, "(objectClass=*)", "subschemaSubentry")
	if err != nil || len(root) == 0 || len(root[0].Attributes["subschemaSubentry"]) == 0 {
		return subschema{}, false, err
	}
	at, err := s.profile.Folding.ParseDN(root[0].Attributes["subschemaSubentry"][0])
	if err != nil {
		return subschema{}, false, nil //nolint:nilerr // what cannot be read is not shown
	}
	entries, err := s.search(ctx, at, BaseObject, "(objectClass=*)", "objectClasses", "attributeTypes")
	if err != nil || len(entries) == 0 || len(entries[0].Attributes["objectClasses"]) == 0 {
		return subschema{}, false, err
	}
	return parseSubschema(entries[0].Attributes["objectClasses"], entries[0].Attributes["attributeTypes"]), true, nil
}
