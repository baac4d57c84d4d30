package ldapsink

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kitbridge/kitbridge/orgsync"
)

// template makes one value from the fields of a user.
type template struct {
	parts []part
	pool  *pooled // the value is a number that nobody else has
}

// part is literal text, or a field and what is done to it.
type part struct {
	text    string
	field   string
	filters []func(string) string
}

// pooled are the numbers from low to high, both included.
type pooled struct {
	field     string
	low, high int
}

// templateFields are the names that templates know.
func templateFields() []string {
	return []string{
		"userName", "name", "tenantId", "tenantCode", "tenantName", "orgCode", "role", "position", "employeeCode", "employeeType",
		"mobile", "email", "workPlace", "entryDate",
	}
}

// fieldsOf are the values of the fields.
func fieldsOf(t orgsync.Tenant, name orgsync.UserName, as orgsync.Attributes) map[string]string {
	word, _ := employeeType(as.Value(orgsync.AttrEmployeeType))
	return map[string]string{
		"userName": string(name), "name": as.Value(orgsync.AttrName),
		"tenantId": string(t.ID), "tenantCode": t.Code, "tenantName": t.Name,
		"orgCode": as.Value(orgsync.AttrOrgCode), "role": as.Value(orgsync.AttrRole), "position": as.Value(orgsync.AttrPosition),
		"employeeCode": as.Value(orgsync.AttrEmployeeCode), "employeeType": word,
		"mobile": as.Value(orgsync.AttrMobile), "email": as.Value(orgsync.AttrEmail),
		"workPlace": as.Value(orgsync.AttrWorkPlace), "entryDate": as.Value(orgsync.AttrEntryDate),
	}
}

func (t template) isEmpty() bool { return len(t.parts) == 0 && t.pool == nil }

// expand returns the value, empty if all fields are.
func (t template) expand(fields map[string]string) string {
	var b strings.Builder
	hasField, hasValue := false, false
	for _, p := range t.parts {
		b.WriteString(p.text)
		if p.field == "" {
			continue
		}
		hasField = true
		value := fields[p.field]
		if value == "" {
			continue
		}
		for _, f := range p.filters {
			value = f(value)
		}
		hasValue = hasValue || value != ""
		b.WriteString(value)
	}
	if hasField && !hasValue {
		return ""
	}
	return b.String()
}

// parseTemplate reads text with fields; {{ and }} stand for braces.
func parseTemplate(text string) (template, error) {
	var t template
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			t.parts = append(t.parts, part{text: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "{{"), strings.HasPrefix(text[i:], "}}"):
			literal.WriteByte(text[i])
			i++
		case text[i] == '}':
			return t, fmt.Errorf("has a } without its {; write }} for the character")
		case text[i] == '{':
			length := strings.IndexByte(text[i:], '}')
			if length < 0 {
				return t, fmt.Errorf("has a { without its }; write {{ for the character")
			}
			flush()
			if err := t.addField(text[i+1 : i+length]); err != nil {
				return t, err
			}
			i += length
		default:
			literal.WriteByte(text[i])
		}
	}
	flush()
	if t.pool != nil && len(t.parts) > 0 {
		return t, fmt.Errorf("number makes the whole value; nothing can stand beside it")
	}
	return t, nil
}

// addField reads what stands between braces.
func (t *template) addField(text string) error {
	words := strings.Split(text, "|")
	p := part{field: strings.TrimSpace(words[0])}
	if !slices.Contains(templateFields(), p.field) {
		return fmt.Errorf("there is no field {%s}; there are %s", p.field, strings.Join(templateFields(), ", "))
	}
	for i, word := range words[1:] {
		name, argument, _ := strings.Cut(strings.TrimSpace(word), ":")
		if name == "number" {
			if i != len(words)-2 || len(p.filters) > 0 || t.pool != nil || p.field != "userName" {
				return fmt.Errorf("number stands alone: write {userName|number:10000-59999}")
			}
			return t.addPool(p.field, argument)
		}
		f, err := filterNamed(name, argument)
		if err != nil {
			return err
		}
		p.filters = append(p.filters, f)
	}
	t.parts = append(t.parts, p)
	return nil
}

func (t *template) addPool(field, argument string) error {
	from, to, _ := strings.Cut(argument, "-")
	low, err1 := strconv.Atoi(from)
	high, err2 := strconv.Atoi(to)
	if err1 != nil || err2 != nil || low < 1 || high <= low || high > 1<<31-1 {
		return fmt.Errorf("number:%s: want the smallest and the greatest number, as number:10000-59999", argument)
	}
	t.pool = &pooled{field: field, low: low, high: high}
	return nil
}

// filterNamed returns what a filter does.
func filterNamed(name, argument string) (func(string) string, error) {
	switch name {
	case "lower", "upper", "trim":
		if argument != "" {
			return nil, fmt.Errorf("%s takes no argument", name)
		}
		return map[string]func(string) string{"lower": strings.ToLower, "upper": strings.ToUpper, "trim": strings.TrimSpace}[name], nil
	case "truncate", "hash":
		n, err := strconv.Atoi(argument)
		if err != nil || n < 1 || name == "hash" && n > 64 {
			return nil, fmt.Errorf("%s:%s: want a number of characters, as %s:20", name, argument, name)
		}
		if name == "hash" {
			return func(s string) string {
				sum := sha256.Sum256([]byte(s))
				return hex.EncodeToString(sum[:])[:n]
			}, nil
		}
		return func(s string) string {
			runes := []rune(s)
			return string(runes[:min(n, len(runes))])
		}, nil
	default:
		return nil, fmt.Errorf("there is no filter %q; there are lower, upper, trim, truncate:N, hash:N and number:FROM-TO", name)
	}
}
