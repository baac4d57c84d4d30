package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// fault is one thing wrong with the configuration. Its text never holds a
// secret's value.
type fault struct {
	File      string
	Line, Col int    // from 1; 0 when the fault concerns the file as a whole
	Key       string // e.g. sinks[0].base_dn; empty for the file or its syntax
	Text      string // what is wrong; what to do
}

// Error returns "file:line:col: key: what is wrong; what to do".
func (f fault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Col)
	}
	b.WriteString(": ")
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	b.WriteString(f.Text)
	return b.String()
}

// configError is everything that is wrong with a configuration file, in the
// order of its lines. It makes a command exit with exitConfig.
type configError struct{ faults []fault }

func newConfigError(faults []fault) *configError {
	sorted := slices.Clone(faults)
	slices.SortStableFunc(sorted, func(a, b fault) int {
		return cmp.Or(a.Line-b.Line, a.Col-b.Col, strings.Compare(a.Key, b.Key))
	})
	return &configError{sorted}
}

// Error returns the faults, one a line.
func (e *configError) Error() string { return errors.Join(e.Unwrap()...).Error() }

// Unwrap returns each fault.
func (e *configError) Unwrap() []error {
	errs := make([]error, len(e.faults))
	for i, f := range e.faults {
		errs[i] = f
	}
	return errs
}

// Warning is something that works but deserves a look before production.
type Warning struct {
	File      string
	Line, Col int
	Key       string
	Text      string
}

// String returns "file:line:col: key: text".
func (w Warning) String() string { return fault(w).Error() }
