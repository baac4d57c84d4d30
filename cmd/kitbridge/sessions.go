package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

func newSessionsCommand(p process) *cobra.Command {
	group := &cobra.Command{
		Use:   "sessions",
		Short: "Who is signed in, and ending it",
		Long: `List the sessions of people who are signed in, and end them. A person whose session
ends signs in again at their own auth centre, if they may: to keep somebody out, the
buyer disables them there.

An ID ends a session and opens nothing.`,
		Example: "  kitbridge sessions list --tenant chenguang\n  kitbridge sessions end --user zhangsan@chenguang",
		GroupID: operating,
		Args:    cobra.ArbitraryArgs,
		RunE:    groupOnly,
	}
	group.AddCommand(newSessionsListCommand(p), newSessionsEndCommand(p))
	return group
}

func newSessionsListCommand(p process) *cobra.Command {
	var file, tenant string
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "Who is signed in",
		Long: `List the sessions that have not expired. One that is not live was revoked: its next
request is turned away. It reads only, and works beside a running serve.`,
		Example: "  kitbridge sessions list --tenant chenguang --json",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withDatabase(c.Context(), p, file, toRead, func(s *store.Store, _ Config) error {
				return listSessions(c.Context(), p, s, tenant, asJSON)
			})
		},
	}
	configFlag(c, &file)
	jsonFlag(c, &asJSON)
	c.Flags().StringVar(&tenant, "tenant", "", "of one tenant only, by id or code")
	return c
}

func listSessions(ctx context.Context, p process, s *store.Store, tenant string, asJSON bool) error {
	var id orgsync.TenantID
	if tenant != "" {
		t, err := findTenant(ctx, s, tenant)
		if err != nil {
			return err
		}
		id = t.ID
	}
	all := []store.SessionItem{}
	if err := everyItem(ctx, s.ListSessions, id, func(i store.SessionItem) error {
		all = append(all, i)
		return nil
	}); err != nil {
		return err
	}
	if asJSON {
		return writeJSON(p.stdout, struct {
			Sessions []store.SessionItem `json:"sessions"`
		}{all})
	}
	rows := make([][]string, 0, len(all))
	for _, i := range all {
		state := "live"
		if !i.Live {
			state = "revoked"
		}
		rows = append(rows, []string{
			string(i.Tenant), string(i.User), string(i.App), state,
			i.Created.Format(time.RFC3339), i.Seen.Format(time.RFC3339), i.Expires.Format(time.RFC3339), i.ID,
		})
	}
	columns(p.stdout, []string{"TENANT", "USER", "APP", "STATE", "SINCE", "SEEN", "EXPIRES", "ID"}, rows)
	return nil
}

func newSessionsEndCommand(p process) *cobra.Command {
	var file, account, tenant string
	var asJSON bool
	c := &cobra.Command{
		Use:   "end [ID…] [--user USER@TENANT] [--tenant TENANT]",
		Short: "End sessions, by their IDs or all of a user or tenant",
		Long: `End sessions: those with the given IDs (from sessions list; each is one browser), with
--user all of one person, or with --tenant all of one tenant. The next request with such
a session is turned away, on every replica within a second. Ending one that is over
already changes nothing and is no fault.`,
		Example: "  kitbridge sessions end --user zhangsan@chenguang",
		RunE: func(c *cobra.Command, ids []string) error {
			if ways := []bool{len(ids) > 0, account != "", tenant != ""}; count(ways) != 1 {
				return &usageError{errors.New("sessions end wants one of IDs, --user USER@TENANT and --tenant TENANT; see kitbridge sessions end --help")}
			}
			return withDatabase(c.Context(), p, file, toWrite, func(s *store.Store, _ Config) error {
				ended, err := endSessions(c.Context(), s, ids, account, tenant)
				switch {
				case err != nil:
					return fmt.Errorf("sessions end: %w", err)
				case asJSON:
					return writeJSON(p.stdout, map[string]int{"ended": ended})
				}
				_, err = fmt.Fprintf(p.stdout, "ended %d\n", ended)
				return err
			})
		},
	}
	configFlag(c, &file)
	jsonFlag(c, &asJSON)
	c.Flags().StringVar(&account, "user", "", "USER@TENANT: all sessions of that person; the last @ separates")
	c.Flags().StringVar(&tenant, "tenant", "", "all sessions of that tenant, by id or code")
	return c
}

// count says how many are true.
func count(all []bool) (n int) {
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}

// endSessionsOf ends all sessions of a user, or of the tenant if user is empty.
func endSessionsOf(ctx context.Context, s *store.Store, tenant sso.TenantID, user sso.UserName) (int, error) {
	if user == "" {
		return s.EndSessionsAt(ctx, tenant)
	}
	return s.EndSessionsBy(ctx, tenant, user)
}

func endSessions(ctx context.Context, s *store.Store, ids []string, account, tenant string) (ended int, err error) {
	if tenant != "" {
		t, err := findTenant(ctx, s, tenant)
		if err != nil {
			return 0, err
		}
		return s.EndSessionsAt(ctx, sso.TenantID(t.ID))
	}
	if account != "" {
		user, tenant, err := splitAccount(account)
		if err != nil {
			return 0, err
		}
		t, err := findTenant(ctx, s, tenant)
		if err != nil {
			return 0, err
		}
		return s.EndSessionsBy(ctx, sso.TenantID(t.ID), sso.UserName(user))
	}
	for _, id := range ids {
		n, err := s.EndSessionNamed(ctx, id)
		if err != nil {
			return ended, fmt.Errorf("%s: %w", visible(id), err)
		}
		ended += n
	}
	return ended, nil
}
