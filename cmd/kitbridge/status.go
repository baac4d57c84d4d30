package main

import (
	"cmp"
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
  dead      keys that the sink will not take as they are: kitbridge dead list
  oldest    how long the oldest pending key is owed: normally below 2 s
  parked    accepted, not placeable yet
  held      waits for a person's yes: kitbridge held list

Below the sinks stands which of them does not answer, as serve found it last, and
which is closed: another bridge keeps it, or the database was restored (see
take-over --help), and which differs although nothing is owed (see plan
--help). After a restore what may be missing is told at the end.
accepted is always the sum of applied, stale, parked, held and refused. With --details
every dead key and everything that is parked is listed, with the reason.

It reads only, and works beside a running serve.`

func newStatusCommand(p process) *cobra.Command {
	var file string
	var details, asJSON bool
	c := &cobra.Command{
		Use:     "status --config FILE",
		Short:   "How much there is, and how much waits",
		Long:    statusLong,
		Example: "  kitbridge status --config /etc/kitbridge/kitbridge.yaml\n  kitbridge status --json | jq '.sinks[] | select(.pending > 0)'\n  kitbridge status --details",
		GroupID: operating,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withDatabase(c.Context(), p, file, toRead, func(s *store.Store, _ Config) error {
				d, err := readDetails(c.Context(), s, details)
				switch {
				case err != nil:
					return err
				case asJSON && details:
					return writeJSON(p.stdout, d)
				case asJSON:
					return writeJSON(p.stdout, d.Status)
				}
				printStatus(p.stdout, d.Status)
				if details {
					printDetails(p.stdout, d)
				}
				return nil
			})
		},
	}
	configFlag(c, &file)
	c.Flags().BoolVar(&details, "details", false, "list what is dead and parked too")
	jsonFlag(c, &asJSON)
	return c
}

// statusDetails is the JSON form of status --details. Fields are only ever added.
type statusDetails struct {
	console.Status
	DeadKeys []store.DeadItem   `json:"dead_keys"`
	Waiting  []store.ParkedItem `json:"parked_changes"`
}

func readDetails(ctx context.Context, s *store.Store, details bool) (d statusDetails, err error) {
	if d.Status, err = readStatus(ctx, s); err != nil || !details {
		return d, err
	}
	d.DeadKeys, d.Waiting = []store.DeadItem{}, []store.ParkedItem{}
	if err := everyItem(ctx, s.ListDead, "", func(i store.DeadItem) error {
		d.DeadKeys = append(d.DeadKeys, i)
		return nil
	}); err != nil {
		return d, err
	}
	err = everyItem(ctx, s.ListParked, "", func(i store.ParkedItem) error {
		d.Waiting = append(d.Waiting, i)
		return nil
	})
	return d, err
}

func printDetails(w io.Writer, d statusDetails) {
	var dead, parked [][]string
	for _, i := range d.DeadKeys {
		dead = append(dead, []string{i.Sink, string(i.Tenant), i.Kind, i.Key, i.Since.Format(time.RFC3339), i.Reason})
	}
	for _, i := range d.Waiting {
		parked = append(parked, []string{string(i.Tenant), i.Kind, i.Key, string(i.Instance), i.Reason})
	}
	fmt.Fprintln(w)
	columns(w, []string{"DEAD IN", "TENANT", "KIND", "KEY", "SINCE", "REASON"}, dead)
	fmt.Fprintln(w)
	columns(w, []string{"PARKED OF", "KIND", "KEY", "INSTANCE", "REASON"}, parked)
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
			Fault: cmp.Or(s.Closed, s.Fault), FaultSince: s.Since, Closed: s.Closed != "", Drift: s.Drift,
		})
	}
	for _, t := range counts.Tenants {
		out.Tenants = append(out.Tenants, console.TenantStatus{
			TenantID: string(t.ID), Name: t.Name, Users: t.Users, Departments: t.Departments, Parked: t.Parked, Held: t.Held,
		})
	}
	out.Restored, err = readRestoration(ctx, s)
	return out, err
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
	for _, k := range s.Sinks {
		switch {
		case k.Closed:
			fmt.Fprintf(w, "%s is closed to this bridge: %s\n", k.Name, visible(k.Fault))
		case k.Fault != "":
			fmt.Fprintf(w, "%s does not answer since %s: %s\n", k.Name, k.FaultSince.Format(time.RFC3339), visible(k.Fault))
		}
	}
	for _, k := range s.Sinks {
		if k.Drift > 0 {
			fmt.Fprintln(w, driftText(k.Name, k.Drift))
		}
	}
	fmt.Fprintln(w)
	columns(w, []string{"TENANT", "NAME", "USERS", "DEPARTMENTS", "PARKED", "HELD"}, tenants)
	fmt.Fprintln(w)
	j := s.Journal
	columns(w, []string{"ACCEPTED", "APPLIED", "STALE", "PARKED", "HELD", "REFUSED"}, [][]string{{
		decimal(j.Accepted), decimal(j.Applied), decimal(j.Stale), decimal(j.Parked), decimal(j.Held), decimal(j.Refused),
	}})
	if s.Restored != nil {
		fmt.Fprintln(w)
		writeRestoration(w, *s.Restored)
	}
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
