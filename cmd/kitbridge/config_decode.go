package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// decoder walks a YAML tree beside the Config type. It keeps going after a
// fault, so that one run finds all of them.
type decoder struct {
	file, dir string
	env       func(string) (string, bool)

	faults []fault
	// unreadable is set when there was no tree to walk; checks would only make noise.
	unreadable bool
	// places says of each key that the file gives (its path) where, and what came of it.
	places map[string]*place
}

// place is one given key.
type place struct {
	line, col int
	// bad: the value could not be read; checks pass over it.
	bad bool
}

func placeOf(n ast.Node) place {
	tk := n.GetToken()
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		// A block mapping's own token is the first colon; the first key is what people see.
		tk = m.Values[0].Key.GetToken()
	}
	if tk == nil || tk.Position == nil {
		return place{}
	}
	return place{line: tk.Position.Line, col: tk.Position.Column}
}

// given reports whether the file has the key at path, whatever its value.
func (d *decoder) given(path string) bool { return d.places[path] != nil }

// bad reports whether the value at path, or something above or below it, could
// not be read, so that checks of it would only repeat the fault.
func (d *decoder) bad(path string) bool {
	for other, p := range d.places {
		if p.bad && (other == path || isBelow(other, path) || isBelow(path, other)) {
			return true
		}
	}
	return false
}

func isBelow(path, parent string) bool {
	rest, ok := strings.CutPrefix(path, parent)
	return ok && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

// fault reports what is wrong with the key at path, at its place or that of the
// nearest key above it.
func (d *decoder) fault(path, format string, args ...any) {
	if p := d.places[path]; p != nil {
		p.bad = true
	}
	d.faultAt(d.placeFor(path), path, format, args...)
}

// placeFor is the place of the key at path, or of the nearest key above it.
func (d *decoder) placeFor(path string) place {
	for at := path; at != ""; at = at[:max(0, strings.LastIndexAny(at, ".["))] {
		if p := d.places[at]; p != nil {
			return *p
		}
	}
	return place{line: 1, col: 1}
}

func (d *decoder) faultAt(at place, path, format string, args ...any) {
	d.faults = append(d.faults, fault{
		File: d.file, Line: at.line, Col: at.col, Key: path, Text: fmt.Sprintf(format, args...),
	})
}

// value decodes n into v.
func (d *decoder) value(n ast.Node, v reflect.Value, f field, path string) {
	switch n.(type) {
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode:
		d.faultAs(path, n, "uses an anchor, alias or tag of YAML; write the value out")
		return
	}
	if allow, ok := v.Addr().Interface().(*Allow); ok {
		d.allow(n, allow, path)
		return
	}
	switch {
	case isScalar(v.Type()):
		d.scalar(n, v, f, path)
	case v.Kind() == reflect.Slice:
		d.list(n, v, f, path)
	case v.Kind() == reflect.Map:
		d.table(n, v.Addr().Interface().(*map[string]string), path)
	default:
		d.section(n, v, path)
	}
}

// faultAs is fault for a path that may be the root, which has no place.
func (d *decoder) faultAs(path string, n ast.Node, format string, args ...any) {
	if path == "" {
		d.unreadable = true
		d.faultAt(placeOf(n), "", format, args...)
		return
	}
	d.fault(path, format, args...)
}

// section decodes a mapping into a struct.
func (d *decoder) section(n ast.Node, v reflect.Value, path string) {
	entries, ok := entriesOf(n)
	if !ok {
		d.faultAs(path, n, "want keys and values, found %s; write them indented below, or as {key: value}", describe(n))
		return
	}
	keys := keysOf(v.Type())
	for _, e := range entries {
		name := keyName(e)
		sub := join(path, name)
		k, known := keys[name]
		secretOf, isFile := strings.CutSuffix(name, "_file")
		if s := keys[secretOf]; !known && isFile && s.secret {
			k = s
		} else if !known {
			d.faultAt(placeOf(e.Key), sub, "unknown key; %s", suggestKey(v.Type(), name))
			continue
		}
		if !d.claim(e, sub) {
			continue
		}
		if e.Value == nil || e.Value.Type() == ast.NullType {
			continue // "key:" with nothing behind it is the default, as if it were not there
		}
		target := v.Field(k.index)
		if name == k.name {
			d.value(e.Value, target, k.field, sub)
		} else {
			d.secretFile(e.Value, target, join(path, k.name), sub)
		}
	}
}

func same(a, b reflect.Value) bool { return reflect.DeepEqual(a.Interface(), b.Interface()) }

// claim records the place of a key; false and a fault if the file has it already.
func (d *decoder) claim(e *ast.MappingValueNode, path string) bool {
	at := placeOf(e.Key)
	if first := d.places[path]; first != nil {
		d.faultAt(at, path, "stands in line %d already; remove one of them", first.line)
		return false
	}
	d.places[path] = &at
	return true
}

// list decodes a sequence into a slice, which replaces the default.
func (d *decoder) list(n ast.Node, v reflect.Value, f field, path string) {
	elem := v.Type().Elem()
	seq, ok := n.(*ast.SequenceNode)
	if _, isText := textOf(n); !ok && isText && f.singleOK {
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		d.value(n, v.Index(0), f, path)
		return
	} else if !ok {
		d.fault(path, "want a list, found %s; write it as [a, b] or with one - a line", describe(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, value := range seq.Values {
		sub := path + "[" + strconv.Itoa(i) + "]"
		at := placeOf(value)
		d.places[sub] = &at
		if value.Type() == ast.NullType {
			d.fault(sub, "is empty; give it a value or remove it")
			continue
		}
		if elem == reflect.TypeFor[Sink]() {
			out.Index(i).Set(reflect.ValueOf(defaultSink()))
		}
		d.value(value, out.Index(i), f, sub)
	}
	v.Set(out)
}

// table decodes a mapping with free keys.
func (d *decoder) table(n ast.Node, out *map[string]string, path string) {
	entries, ok := entriesOf(n)
	if !ok {
		d.fault(path, "want keys and values, found %s; write them indented below, or as {key: value}", describe(n))
		return
	}
	*out = make(map[string]string, len(entries))
	for _, e := range entries {
		sub := join(path, keyName(e))
		if !d.claim(e, sub) {
			continue
		}
		var text string
		if e.Value == nil {
			continue
		}
		d.value(e.Value, reflect.ValueOf(&text).Elem(), field{}, sub)
		(*out)[keyName(e)] = text
	}
}

// allow decodes public, signed_in or {role, tenant, org}.
func (d *decoder) allow(n ast.Node, a *Allow, path string) {
	if _, ok := entriesOf(n); ok {
		d.section(n, reflect.ValueOf(a).Elem(), path)
		return
	}
	var word string
	d.value(n, reflect.ValueOf(&word).Elem(), field{enum: []string{"public", "signed_in"}}, path)
	a.Public = word == "public"
	a.SignedIn = word == "signed_in"
}

// secretFile reads the file named by <key>_file into the secret at target, whose
// own path is path. A list takes one secret a line.
func (d *decoder) secretFile(n ast.Node, target reflect.Value, path, filePath string) {
	if d.given(path) {
		d.fault(filePath, "stands beside %s; remove one of them", path)
		return
	}
	var name string
	d.scalar(n, reflect.ValueOf(&name).Elem(), field{kind: "path"}, filePath)
	// Checks speak of the secret itself; what they find is found where its file is named.
	at := *d.places[filePath]
	d.places[path] = &at
	if at.bad {
		return
	}
	text, err := readLimited(name, maxSecretFile)
	if err != nil {
		d.fault(filePath, "file %s %s", name, err)
		at.bad = true // so that nothing calls the secret empty, too
		return
	}
	content := strings.TrimRight(string(text), "\r\n")
	if content == "" {
		d.fault(filePath, "file %s holds nothing; write the secret into it", name)
		at.bad = true
		return
	}
	switch out := target.Addr().Interface().(type) {
	case *Secret:
		*out = NewSecret(content)
	case *[]Secret:
		*out = nil
		for line := range strings.Lines(content) {
			if line = strings.TrimRight(line, "\r\n"); line != "" {
				*out = append(*out, NewSecret(line))
			}
		}
	}
}

// entriesOf returns the entries of a mapping.
func entriesOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	}
	return nil, false
}

func keyName(e *ast.MappingValueNode) string {
	if s, ok := e.Key.(*ast.StringNode); ok {
		return s.Value
	}
	if tk := e.Key.GetToken(); tk != nil {
		return tk.Value
	}
	return ""
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// describe names what a node is, for people.
func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys and values"
	case *ast.NullNode:
		return "nothing"
	}
	return "something else"
}

// sortedKeys lists the keys of a section for a person.
func sortedKeys(t reflect.Type) []string { return slices.Sorted(maps.Keys(keysOf(t))) }
