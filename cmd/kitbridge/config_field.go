package main

import (
	"reflect"
	"strings"
)

// field is what the struct tag of a configuration field says about its key.
type field struct {
	// name is the key (yaml:"name").
	name string
	// secret (yaml:"name,secret") adds the key <name>_file and keeps the value out of faults.
	secret bool
	// enum lists the words allowed (enum:"a b").
	enum []string
	// kind names a further check or conversion of a text (see kinds).
	kind string
	// min and max bound a number (min:"1" max:"64"); empty: no bound.
	min, max string
	// zeroOK (zero:"ok") allows a duration of nothing.
	zeroOK bool
	// singleOK (single:"ok") lets a list of one be written without brackets.
	singleOK bool
	// only is the sink type that has this key.
	only string
}

// fieldOf reads the tag of a struct's field; ok is false for a field that is no key.
func fieldOf(sf reflect.StructField) (f field, ok bool) {
	tag, ok := sf.Tag.Lookup("yaml")
	if !ok {
		return field{}, false
	}
	name, option, _ := strings.Cut(tag, ",")
	return field{
		name:     name,
		secret:   option == "secret",
		enum:     strings.Fields(sf.Tag.Get("enum")),
		kind:     sf.Tag.Get("kind"),
		min:      sf.Tag.Get("min"),
		max:      sf.Tag.Get("max"),
		zeroOK:   sf.Tag.Get("zero") == "ok",
		singleOK: sf.Tag.Get("single") == "ok",
		only:     sf.Tag.Get("only"),
	}, true
}

// keyed is a struct's field with the index by which reflect finds it.
type keyed struct {
	field
	index int
}

// keysOf lists the keys of a configuration struct by name.
func keysOf(t reflect.Type) map[string]keyed {
	keys := make(map[string]keyed, t.NumField())
	for i := range t.NumField() {
		if f, ok := fieldOf(t.Field(i)); ok {
			keys[f.name] = keyed{f, i}
		}
	}
	return keys
}
