package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// planText prints plans for people.
type planText struct {
	w        io.Writer
	coloured bool
}

const (
	// shownEach is how many changes of one kind are shown one by one, shownValue how long a
	// value may be.
	shownEach, shownValue = 200, 60
)

// isColoured says whether w is a terminal that somebody wants coloured (no-color.org).
func isColoured(w io.Writer, env func(string) (string, bool)) bool {
	if no, _ := env("NO_COLOR"); no != "" {
		return false
	}
	if term, _ := env("TERM"); term == "dumb" {
		return false
	}
	return isTerminal(w)
}

// isTerminal says whether w is a terminal.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// colour is the text in a colour of ECMA-48.
func (t planText) colour(code, text string) string {
	if !t.coloured || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

const (
	bold, red, green, yellow, cyan = "1", "31", "32", "33", "36"
)

func colourOf(op string) string {
	switch op {
	case "add", "insert":
		return green
	case "delete", "disable":
		return red
	case "rename":
		return cyan
	default:
		return yellow
	}
}

// print prints the counts of everything, then what could not be compared, then each plan.
func (t planText) print(list []comparison, failures []planFailure) {
	compared := countOf(len(list), "tenant and sink", "tenants and sinks")
	if len(failures) > 0 {
		compared += fmt.Sprintf("; not compared: %d", len(failures))
	}
	fmt.Fprintf(t.w, "%s (compared: %s)\n", t.colour(bold, sumOf(list, failures)), compared)
	for _, f := range failures {
		text := fmt.Sprintf("sink %s, tenant %s: could not be compared: ", f.Sink, visible(string(f.Tenant)))
		fmt.Fprintln(t.w, t.colour(red, text+visible(f.Error)))
	}
	for _, c := range list {
		t.printOne(c)
	}
}

// sumOf is the counts of everything in a line. Of what could not be compared it says nothing
// that reads as equal.
func sumOf(list []comparison, failures []planFailure) string {
	operations, adopts, reports := 0, 0, 0
	for _, c := range list {
		operations += len(c.Operations)
		adopts += len(c.Adopts)
		reports += len(c.Reports)
	}
	sum := countOf(operations, "change")
	switch {
	case operations == 0 && len(failures) > 0 && len(list) == 0:
		sum = "nothing could be compared"
	case operations == 0 && len(failures) > 0:
		sum = "nothing to do where it could be compared"
	case operations == 0:
		sum = "nothing to do"
	}
	if adopts > 0 {
		sum += fmt.Sprintf(", %d to adopt", adopts)
	}
	if reports > 0 {
		sum += fmt.Sprintf(", %d that cannot be done", reports)
	}
	return sum
}

func countOf(n int, word string, plural ...string) string {
	switch {
	case n == 1:
		return "1 " + word
	case len(plural) > 0:
		return fmt.Sprintf("%d %s", n, plural[0])
	default:
		return fmt.Sprintf("%d %ss", n, word)
	}
}

// printOne prints the plan of one tenant and sink.
func (t planText) printOne(c comparison) {
	head := fmt.Sprintf("sink %s, tenant %s %s: ", c.Sink, visible(string(c.Tenant)), visible(c.Name))
	counts := countsOf(c.Operations)
	if counts == "" {
		counts = "equal"
	}
	fmt.Fprintf(t.w, "\n%s\n", t.colour(bold, head+counts))
	looked := fmt.Sprintf("%s and %s", countOf(c.Compared.Users, "user"), countOf(c.Compared.Departments, "department"))
	if c.Compared.Foreign > 0 {
		looked += fmt.Sprintf("; %s of others among them, never changed", countOf(c.Compared.Foreign, "entry", "entries"))
	}
	fmt.Fprintf(t.w, "  there now: %s\n", looked)
	if c.Left != nil {
		fmt.Fprintln(t.w, "  "+t.colour(yellow, c.Left.String()))
	}
	if c.Held != "" {
		fmt.Fprintln(t.w, "  "+t.colour(red, "held: it "+c.Held+"; reconcile asks, or wants --yes"))
	}
	t.printOperations(c.Operations)
	for _, a := range first(c.Adopts) {
		fmt.Fprintf(t.w, "  %s %s %s  %s\n", t.colour(green, "adopt  "), a.Kind, visible(a.Name), visible(a.At))
	}
	t.printRest(len(c.Adopts), "adopted entries")
	for _, r := range first(c.Reports) {
		fmt.Fprintf(t.w, "  %s %s %s: %s\n", t.colour(red, "cannot "), r.Kind, visible(r.Name), visible(r.Reason))
	}
	t.printRest(len(c.Reports), "reports")
}

// kindsInOrder are the kinds as they are grouped.
func kindsInOrder() []string {
	return []string{"user", "department", "group", "role", "app", "grant", "tenant", "container"}
}

func opsInOrder() []string {
	return []string{"add", "insert", "rename", "modify", "update", "disable", "delete"}
}

// countsOf is a line like users: 3 add, 1 delete; groups: 1 modify.
func countsOf(operations []plannedOperation) string {
	n := map[[2]string]int{}
	for _, o := range operations {
		n[[2]string{o.Kind, o.Op}]++
	}
	var parts []string
	for _, kind := range kindsInOrder() {
		var counts []string
		for _, op := range opsInOrder() {
			if c := n[[2]string{kind, op}]; c > 0 {
				counts = append(counts, fmt.Sprintf("%d %s", c, op))
			}
		}
		if len(counts) > 0 {
			parts = append(parts, kind+"s: "+strings.Join(counts, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

// printOperations prints the changes by kind, of each kind in the order in which they are
// done.
func (t planText) printOperations(operations []plannedOperation) {
	for _, kind := range kindsInOrder() {
		of := slices.DeleteFunc(slices.Clone(operations), func(o plannedOperation) bool { return o.Kind != kind })
		for _, o := range first(of) {
			at := visible(o.At)
			if o.To != "" {
				at += " -> " + visible(o.To)
			}
			fmt.Fprintf(t.w, "  %s %s %s  %s\n", t.colour(colourOf(o.Op), fmt.Sprintf("%-7s", o.Op)), o.Kind, visible(o.Name), at)
			if o.Op != "add" && o.Op != "insert" {
				for _, c := range o.Changes {
					fmt.Fprintf(t.w, "            %s\n", changeText(c))
				}
			}
		}
		t.printRest(len(of), "changes of "+kind+"s")
	}
}

// first are as many as are shown.
func first[T any](list []T) []T { return list[:min(len(list), shownEach)] }

func (t planText) printRest(n int, what string) {
	if n > shownEach {
		fmt.Fprintf(t.w, "  … and %d more %s: --format json lists them all\n", n-shownEach, what)
	}
}

// changeText is one attribute or column in a line.
func changeText(c plannedChange) string {
	name := visible(c.Attribute)
	switch {
	case c.From != nil:
		return fmt.Sprintf("%s: %s -> %s", name, quoted(*c.From), quoted(strings.Join(c.Values, ", ")))
	case len(c.Values) == 0:
		return name + " goes"
	case len(c.Values) > 3:
		return fmt.Sprintf("%s: %s %d values, %s and so on", name, c.Op, len(c.Values), quoted(c.Values[0]))
	}
	values := make([]string, 0, len(c.Values))
	for _, v := range c.Values {
		values = append(values, quoted(v))
	}
	return fmt.Sprintf("%s: %s %s", name, c.Op, strings.Join(values, ", "))
}

// quoted is a value as a terminal may show it, not too long.
func quoted(s string) string {
	if r := []rune(s); len(r) > shownValue {
		s = string(r[:shownValue]) + "…"
	}
	return `"` + visible(s) + `"`
}
