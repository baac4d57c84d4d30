package main

import (
	"fmt"
	"reflect"
	"strings"
)

// suggestKey says what to do about a key that a section does not have.
func suggestKey(section reflect.Type, name string) string {
	if near := nearest(name, sortedKeys(section)); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	if homes := homesOf(reflect.TypeFor[Config](), name, ""); len(homes) > 0 {
		return "it belongs to " + oneOf(homes)
	}
	return "known here: " + strings.Join(sortedKeys(section), ", ")
}

// homesOf lists the sections below t that have the key.
func homesOf(t reflect.Type, name, path string) []string {
	var homes []string
	for i := range t.NumField() {
		f, ok := fieldOf(t.Field(i))
		if !ok {
			continue
		}
		if f.name == name {
			home := path
			if home == "" {
				home = "the top level"
			}
			homes = append(homes, home)
		}
		sub := t.Field(i).Type
		if sub.Kind() == reflect.Slice {
			sub = sub.Elem()
		}
		if sub.Kind() == reflect.Struct && !isScalar(sub) {
			homes = append(homes, homesOf(sub, name, join(path, f.name))...)
		}
	}
	return homes
}

// nearest returns the word most like name, or "" when none is alike: at most one
// error in three letters.
func nearest(name string, words []string) string {
	if len(name) > 64 {
		return "" // nobody's slip of the finger
	}
	best, bestDistance := "", max(1, len(name)/3)+1
	for _, w := range words {
		if n := editDistance(strings.ToLower(name), w); n < bestDistance {
			best, bestDistance = w, n
		}
	}
	return best
}

// editDistance counts the letters to insert, delete, replace or swap with their
// neighbour to make b of a (optimal string alignment).
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
