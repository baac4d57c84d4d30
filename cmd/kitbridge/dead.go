package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

const deadLong = `List and try again what a sink will not take as it is: a key (a tenant, department or
user) is dead when the directory or database refused it in a way that trying again does
not help. It is tried again by itself when newer data about it arrives, and when serve
starts.

The reason says what to do. When that is done, dead retry makes the keys due again, and a
running serve tries them within a second.`

func newDeadCommand(p process) *cobra.Command {
	group := &cobra.Command{
		Use:     "dead",
		Short:   "What a sink will not take, and why",
		Long:    deadLong,
		Example: "  kitbridge dead list\n  kitbridge dead retry --sink corp",
		GroupID: operating,
		Args:    cobra.ArbitraryArgs,
		RunE:    groupOnly,
	}
	group.AddCommand(newDeadListCommand(p), newDeadRetryCommand(p))
	return group
}

// laneFlags chooses among what is owed.
type laneFlags struct {
	file, sink, tenant string
	asJSON             bool
}

func (f *laneFlags) on(c *cobra.Command) {
	configFlag(c, &f.file)
	c.Flags().StringVar(&f.sink, "sink", "", "only this sink")
	c.Flags().StringVar(&f.tenant, "tenant", "", "only this tenant, by its id or code")
	jsonFlag(c, &f.asJSON)
}

// resolve checks the names; the tenant's id is empty if none was named.
func (f *laneFlags) resolve(c *cobra.Command, s *store.Store, cfg Config) (orgsync.TenantID, error) {
	if err := knownSink(cfg, f.sink); err != nil || f.tenant == "" {
		return "", err
	}
	t, err := findTenant(c.Context(), s, f.tenant)
	return t.ID, err
}

// knownSink refuses the name of a sink that the configuration does not have; none is fine.
func knownSink(cfg Config, name string) error {
	names := make([]string, 0, len(cfg.Sinks))
	for _, s := range cfg.Sinks {
		if s.Name == name {
			return nil
		}
		names = append(names, s.Name)
	}
	switch {
	case name == "":
		return nil
	case len(names) == 0:
		return &usageError{errors.New("--sink: the configuration has no sinks")}
	}
	if near := nearest(name, names); near != "" {
		return &usageError{fmt.Errorf("--sink: there is no sink %q; did you mean %s?", visible(name), near)}
	}
	return &usageError{fmt.Errorf("--sink: there is no sink %q; known are %s", visible(name), oneOf(names))}
}

// deadList is the JSON form of dead list. Fields are only ever added.
type deadList struct {
	Dead []store.DeadItem `json:"dead"`
}

func newDeadListCommand(p process) *cobra.Command {
	var f laneFlags
	c := &cobra.Command{
		Use:   "list",
		Short: "Which keys are dead, and why",
		Long: `List the dead keys with the reason, how often each was tried and since when it is owed.

It reads only, and works beside a running serve.`,
		Example: "  kitbridge dead list --sink corp --json",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withDatabase(c.Context(), p, f.file, toRead, func(s *store.Store, cfg Config) error {
				tenant, err := f.resolve(c, s, cfg)
				if err != nil {
					return err
				}
				l := deadList{Dead: []store.DeadItem{}}
				if err := everyItem(c.Context(), s.ListDead, tenant, func(i store.DeadItem) error {
					if f.sink == "" || i.Sink == f.sink {
						l.Dead = append(l.Dead, i)
					}
					return nil
				}); err != nil {
					return err
				}
				if f.asJSON {
					return writeJSON(p.stdout, l)
				}
				printDead(p, l.Dead)
				return nil
			})
		},
	}
	f.on(c)
	return c
}

func printDead(p process, dead []store.DeadItem) {
	if len(dead) == 0 {
		fmt.Fprintln(p.stdout, "No key is dead.")
		return
	}
	rows := make([][]string, 0, len(dead))
	for _, i := range dead {
		rows = append(rows, []string{
			i.Sink, string(i.Tenant), i.Kind, i.Key, decimal(int64(i.Attempts)), i.Since.Format(time.RFC3339), i.Reason,
		})
	}
	columns(p.stdout, []string{"SINK", "TENANT", "KIND", "KEY", "TRIED", "SINCE", "REASON"}, rows)
}

func newDeadRetryCommand(p process) *cobra.Command {
	var f laneFlags
	c := &cobra.Command{
		Use:     "retry",
		Short:   "Make dead keys due again",
		Long:    "Make dead keys due again, all of them or those of one sink or tenant.\n\n" + deadLong,
		Example: "  kitbridge dead retry\n  kitbridge dead retry --sink corp --tenant chenguang",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withDatabase(c.Context(), p, f.file, toWrite, func(s *store.Store, cfg Config) error {
				tenant, err := f.resolve(c, s, cfg)
				if err != nil {
					return err
				}
				n, err := s.RetryDead(c.Context(), f.sink, tenant)
				if err != nil {
					return err
				}
				if f.asJSON {
					return writeJSON(p.stdout, map[string]int{"retried": n})
				}
				_, err = fmt.Fprintf(p.stdout, "%d due again\n", n)
				return err
			})
		},
	}
	f.on(c)
	return c
}
