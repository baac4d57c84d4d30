package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagFault says what is wrong with a flag of a command line, and which one was probably meant.
func flagFault(c *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if near := nearest(unknown.GetSpecifiedName(), flagsOf(c)); near != "" {
			return &usageError{fmt.Errorf("%w; did you mean --%s?", err, near)}
		}
	}
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return &usageError{fmt.Errorf("--%s: %q is not %s; see %s --help", bad.GetFlag().Name, visible(bad.GetValue()), typeOf(bad.GetFlag()), c.CommandPath())}
	}
	return &usageError{fmt.Errorf("%w; see %s --help", err, c.CommandPath())}
}

// flagsOf lists the names of a command's flags.
func flagsOf(c *cobra.Command) (names []string) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

// typeOf says what a flag wants.
func typeOf(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "int", "int64", "uint", "uint64":
		return "a whole number"
	case "float64":
		return "a number"
	case "bool":
		return "true or false"
	case "duration":
		return "a duration such as 60s or 8h"
	default:
		return "acceptable"
	}
}

// groupOnly refuses a command that only groups others when it is called by itself.
func groupOnly(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	var names []string
	for _, sub := range c.Commands() {
		names = append(names, sub.Name())
	}
	hint := fmt.Sprintf("see %s --help", c.CommandPath())
	if near := nearest(args[0], names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return &usageError{fmt.Errorf("unknown command %q for %q; %s", visible(args[0]), c.CommandPath(), hint)}
}
