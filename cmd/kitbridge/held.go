package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

const heldLong = `List and decide about messages that were accepted and wait for a person:

  guard   it would remove or cut off more departments than marketplace.deletion_guard
          allows, or all of them
  host    it moves a tenant's auth centre to another host, where its client secret
          would be sent

Until then nothing of a guarded list is applied; disabling people is never delayed.
Newer data about the same thing takes a held message's place.

approve applies exactly the message that was held. reject refuses it for good, and a
list with the same content from then on. A running serve does the rest by itself.`

func newHeldCommand(p process) *cobra.Command {
	group := &cobra.Command{
		Use:     "held",
		Short:   "Messages that wait for a person's yes",
		Long:    heldLong,
		Example: "  kitbridge held list\n  kitbridge held approve 1287\n  kitbridge held reject 1287",
		GroupID: operating,
		Args:    cobra.ArbitraryArgs,
		RunE:    groupOnly,
	}
	group.AddCommand(
		newHeldListCommand(p),
		newHeldDecision(p, approve, "Apply a held message, exactly it", (*orgsync.Acceptor).Approve),
		newHeldDecision(p, reject, "Refuse a held message, and its content from then on", (*orgsync.Acceptor).Reject),
	)
	return group
}

// heldList is the JSON form of held list. Fields are only ever added.
type heldList struct {
	Held []store.HeldItem `json:"held"`
	// Future are messages dated in the future: they apply when due.
	Future []store.ParkedItem `json:"future"`
}

func newHeldListCommand(p process) *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "Which messages wait, and why",
		Long: `List the messages that wait for a person, and those that are dated in the future
and apply by themselves when due; approve and reject take the number of either.

It reads only, and works beside a running serve.`,
		Example: "  kitbridge held list --json",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withDatabase(c.Context(), p, file, toRead, func(s *store.Store, _ Config) error {
				l, err := readHeld(c.Context(), s)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(p.stdout, l)
				}
				printHeld(p, l)
				return nil
			})
		},
	}
	configFlag(c, &file)
	jsonFlag(c, &asJSON)
	return c
}

func readHeld(ctx context.Context, s *store.Store) (heldList, error) {
	l := heldList{Held: []store.HeldItem{}, Future: []store.ParkedItem{}}
	if err := everyItem(ctx, s.ListHeld, "", func(h store.HeldItem) error {
		l.Held = append(l.Held, h)
		return nil
	}); err != nil {
		return l, err
	}
	err := everyItem(ctx, s.ListParked, "", func(i store.ParkedItem) error {
		if i.Kind != "message" { // these come first
			return errEnough
		}
		l.Future = append(l.Future, i)
		return nil
	})
	return l, err
}

func printHeld(p process, l heldList) {
	if len(l.Held)+len(l.Future) == 0 {
		fmt.Fprintln(p.stdout, "Nothing waits.")
		return
	}
	rows := make([][]string, 0, len(l.Held)+len(l.Future))
	for _, h := range l.Held {
		rows = append(rows, []string{
			decimal(int64(h.ID)), string(h.Tenant), h.Kind, h.Why, decimal(h.Changes), h.Received.Format(time.RFC3339), h.Reason,
		})
	}
	for _, f := range l.Future {
		rows = append(rows, []string{
			decimal(int64(f.Journal)), string(f.Tenant), f.Key, "future", decimal(f.Changes), "due " + f.Due.Format(time.RFC3339), f.Reason,
		})
	}
	columns(p.stdout, []string{"ID", "TENANT", "MESSAGE", "WHY", "CHANGES", "RECEIVED", "REASON"}, rows)
}

// The two decisions, as the command line names them.
const (
	approve = "approve"
	reject  = "reject"
)

// decision is [orgsync.Acceptor.Approve] or Reject.
type decision func(*orgsync.Acceptor, context.Context, orgsync.Scope, orgsync.JournalID) (orgsync.Receipt, error)

// decided is the JSON form of a decision. Fields are only ever added.
type decided struct {
	ID       orgsync.JournalID `json:"id"`
	TenantID orgsync.TenantID  `json:"tenant_id"`
	Decision string            `json:"decision"`
	// The verdicts of the message's changes now.
	Applied int64 `json:"applied"`
	Stale   int64 `json:"stale"`
	Parked  int64 `json:"parked"`
	Held    int64 `json:"held"`
	Refused int64 `json:"refused"`
}

func newHeldDecision(p process, name, short string, decide decision) *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:     name + " ID",
		Short:   short,
		Long:    short + ".\n\n" + heldLong,
		Example: "  kitbridge held " + name + " 1287 --config /etc/kitbridge/kitbridge.yaml",
		Args:    someArgs("the ID of a message, from held list"),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || id <= 0 {
				return &usageError{fmt.Errorf("held %s: %q is no ID; kitbridge held list has them", name, visible(args[0]))}
			}
			return withDatabase(c.Context(), p, file, toWrite, func(s *store.Store, cfg Config) error {
				d, err := decideHeld(c.Context(), s, cfg, orgsync.JournalID(id), decide)
				if err != nil {
					return fmt.Errorf("held %s: %w", name, err)
				}
				commandAuditor(p, cfg).heldDecided(c.Context(), d.TenantID, d.ID, name == approve)
				d.Decision = name
				if asJSON {
					return writeJSON(p.stdout, d)
				}
				_, err = fmt.Fprintf(p.stdout, "%s %d of tenant %s: %d applied, %d stale, %d parked, %d refused\n",
					name, d.ID, visible(string(d.TenantID)), d.Applied, d.Stale, d.Parked, d.Refused)
				return err
			})
		},
	}
	configFlag(c, &file)
	jsonFlag(c, &asJSON)
	return c
}

func decideHeld(ctx context.Context, s *store.Store, cfg Config, id orgsync.JournalID, decide decision) (decided, error) {
	scope, err := s.WaitingScope(ctx, id)
	if err != nil {
		return decided{}, heldError(id, err)
	}
	r, err := decide(newOperatorAcceptor(s, cfg), ctx, scope, id)
	if err != nil {
		return decided{}, heldError(id, err)
	}
	return decided{
		ID: id, TenantID: scope.Tenant, Applied: r.Tally[orgsync.Applied], Stale: r.Tally[orgsync.Stale],
		Parked: r.Tally[orgsync.Parked], Held: r.Tally[orgsync.Held], Refused: r.Tally[orgsync.Refused],
	}, nil
}

func heldError(id orgsync.JournalID, err error) error {
	if errors.Is(err, orgsync.ErrNotFound) {
		return fmt.Errorf("no message waits under %d: it was decided about, or newer data took its place", id)
	}
	return err
}
