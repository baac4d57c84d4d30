package main

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// isScalar reports whether a configuration field of this type is one value.
func isScalar(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[Secret](), reflect.TypeFor[netip.Prefix]():
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64:
		return true
	default:
		return false
	}
}

// textOf returns the text of a scalar as it stands in the file, without quotes.
func textOf(n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.LiteralNode:
		return s.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// scalar decodes one value into v. The variables in it are replaced here, after
// YAML has been read, so that no value of theirs changes what is a key.
func (d *decoder) scalar(n ast.Node, v reflect.Value, f field, path string) {
	raw, ok := textOf(n)
	if !ok {
		d.fault(path, "want %s, found %s; write one value", wanted(v.Type()), describe(n))
		return
	}
	text, err := expand(raw, d.env)
	if err != nil {
		d.fault(path, "%s", err)
		return
	}
	if f.kind == "listen" && n.Type() == ast.IntegerType {
		d.fault(path, "%s is no address to listen on; write host:port in quotes, for example \"127.0.0.1:%s\"", text, text)
		return
	}
	// A variable may hold a number or a truth value; its type is not in the file.
	if text == raw && !d.fitsType(n, v.Type(), f, path) {
		return
	}
	if err := d.convert(text, v, f); err != nil {
		d.fault(path, "%s", err)
	}
}

// fitsType reports whether the file's value is of the type that the key wants.
func (d *decoder) fitsType(n ast.Node, t reflect.Type, f field, path string) bool {
	isText := n.Type() == ast.StringType || n.Type() == ast.LiteralType
	isNumber := n.Type() == ast.IntegerType || n.Type() == ast.FloatType
	switch {
	case t.Kind() == reflect.Bool:
		if n.Type() == ast.BoolType {
			return true
		}
		d.fault(path, "want true or false, found %s; write true or false without quotes", describe(n))
	case t.Kind() == reflect.Int:
		if isNumber {
			return true
		}
		d.fault(path, "want a number, found %s; write it without quotes", describe(n))
	case len(f.enum) > 0 && !isText:
		d.fault(path, "want a word, found %s; write %s", describe(n), oneOf(f.enum))
	case t.Kind() == reflect.Int64 && isNumber:
		return true // a duration or size that lacks its unit: convert says so better
	default:
		if isText {
			return true
		}
		d.fault(path, "want %s, found %s; put it in quotes", wanted(t), describe(n))
	}
	return false
}

func wanted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "a duration such as 60s or 15d"
	case reflect.TypeFor[ByteSize]():
		return "a size such as 5MiB"
	case reflect.TypeFor[netip.Prefix]():
		return "a network such as 10.0.0.0/8"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a number"
	default:
		return "text"
	}
}

// convert turns text into v's type and checks it by the tag. Its errors say what
// is wrong and what to do; of a secret they never show the text.
func (d *decoder) convert(text string, v reflect.Value, f field) error {
	switch out := v.Addr().Interface().(type) {
	case *Secret:
		*out = NewSecret(text)
		return nil
	case *time.Duration:
		return convertDuration(text, out, f)
	case *ByteSize:
		size, err := parseByteSize(text)
		*out = size
		return errFirst(err, checkBounds(int64(size), text, f))
	case *int:
		n, err := parseInt(text)
		*out = n
		return errFirst(err, checkBounds(int64(n), text, f))
	case *netip.Prefix:
		p, err := parseNetwork(text)
		*out = p
		return err
	case *bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		*out = text == "true"
		return nil
	case *string:
		return d.convertText(text, out, f)
	}
	return fmt.Errorf("no way to read a %s", v.Type())
}

func errFirst(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// convertDuration reads a duration. out holds the key's default before.
func convertDuration(text string, out *time.Duration, f field) error {
	duration, err := parseDuration(text)
	if _, bare := strconv.Atoi(text); err != nil && bare == nil {
		return fmt.Errorf("%q has no unit; %s", text, suggestUnit(text, *out))
	}
	if err != nil {
		return err
	}
	if duration == 0 && !f.zeroOK {
		return fmt.Errorf("%q is no time at all; write for example 60s", text)
	}
	*out = duration
	return nil
}

func checkBounds(n int64, text string, f field) error {
	low, hasLow := strconv.ParseInt(f.min, 10, 64)
	high, hasHigh := strconv.ParseInt(f.max, 10, 64)
	switch {
	case hasLow == nil && n < low:
		return fmt.Errorf("%s is too small; the least is %s", text, f.min)
	case hasHigh == nil && n > high:
		return fmt.Errorf("%s is too large; the most is %s", text, f.max)
	}
	return nil
}

// parseNetwork reads a CIDR prefix or a single address.
func parseNetwork(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		if p != p.Masked() {
			return netip.Prefix{}, fmt.Errorf("%q has bits set beyond its length; write %s", text, p.Masked())
		}
		return p, nil
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.Prefix{}, fmt.Errorf("%q is no network; write for example 10.0.0.0/8 or 192.0.2.7", text)
}

// convertText checks a text by the tag's enum or kind.
func (d *decoder) convertText(text string, out *string, f field) error {
	*out = text
	if len(f.enum) > 0 && !slices.Contains(f.enum, text) {
		return fmt.Errorf("%q is not known here; write %s", text, oneOf(f.enum))
	}
	check := d.kind(f.kind)
	if check == nil || text == "" {
		return nil
	}
	normal, err := check(text)
	*out = normal
	return err
}

// oneOf lists words as "a, b or c".
func oneOf(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
