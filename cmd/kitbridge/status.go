package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/console"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

const statusLong = `Print how much there is and how much waits: what each sink is owed, what there is of
each tenant, and what became of every change that was accepted. The numbers are those
of GET /api/v1/status.

  pending   keys (a tenant, department or user) that the sink is still owed
  dead      keys that the sink will not take as they are; explain says why
  oldest    how long the oldest pending key is owed: normally below 2 s
  parked    accepted, not placeable yet
  held      waits for a person's yes: kitbridge held list

accepted is always the sum of applied, stale, parked, held and refused.

It reads only, and works beside a running serve.`

func newStatusCommand(p process) *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:     "status --config FILE",
		Short:   "How much there is, and how much waits",
		Long:    statusLong,
		Example: "  kitbridge status --config /etc/kitbridge/kitbridge.yaml\n  kitbridge status --json | jq '.sinks[] | select(.pending > 0)'",
		GroupID: operating,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withDatabase(c.Context(), p, file, toRead, func(s *store.Store, _ Config) error {
				status, err := readStatus(c.Context(), s)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(p.stdout, status)
				}
				printStatus(p.stdout, status)
				return nil
			})
		},
	}
	configFlag(c, &file)
	jsonFlag(c, &asJSON)
	return c
}

// readStatus reads the counts in the form of the API.
func readStatus(ctx context.Context, s *store.Store) (console.Status, error) {
	counts, err := s.Status(ctx)
	if err != nil {
		return console.Status{}, err
	}
	j := counts.Journal
	out := console.Status{
		Sinks: []console.SinkStatus{}, Tenants: []console.TenantStatus{},
		Journal: console.JournalStatus{
			Accepted: j.Accepted(), Applied: j[orgsync.Applied], Stale: j[orgsync.Stale],
			Parked: j[orgsync.Parked], Held: j[orgsync.Held], Refused: j[orgsync.Refused],
		},
	}
	for _, s := range counts.Sinks {
		out.Sinks = append(out.Sinks, console.SinkStatus{
			Name: s.Name, Pending: s.Pending, Dead: s.Dead, OldestPendingSeconds: s.Oldest.Seconds(),
		})
	}
	for _, t := range counts.Tenants {
		out.Tenants = append(out.Tenants, console.TenantStatus{
			TenantID: string(t.ID), Name: t.Name, Users: t.Users, Departments: t.Departments, Parked: t.Parked, Held: t.Held,
		})
	}
	return out, nil
}

func printStatus(w io.Writer, s console.Status) {
	var sinks, tenants [][]string
	for _, k := range s.Sinks {
		oldest := time.Duration(k.OldestPendingSeconds * float64(time.Second)).Round(time.Millisecond)
		sinks = append(sinks, []string{k.Name, decimal(k.Pending), decimal(k.Dead), oldest.String()})
	}
	for _, t := range s.Tenants {
		tenants = append(tenants, []string{
			t.TenantID, t.Name, decimal(t.Users), decimal(t.Departments), decimal(t.Parked), decimal(t.Held),
		})
	}
	columns(w, []string{"SINK", "PENDING", "DEAD", "OLDEST"}, sinks)
	fmt.Fprintln(w)
	columns(w, []string{"TENANT", "NAME", "USERS", "DEPARTMENTS", "PARKED", "HELD"}, tenants)
	fmt.Fprintln(w)
	j := s.Journal
	columns(w, []string{"ACCEPTED", "APPLIED", "STALE", "PARKED", "HELD", "REFUSED"}, [][]string{{
		decimal(j.Accepted), decimal(j.Applied), decimal(j.Stale), decimal(j.Parked), decimal(j.Held), decimal(j.Refused),
	}})
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
