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
	var file string
	var w whose
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "Who is signed in",
		Long: `List the sessions that have not expired. One that is not live was revoked: its next
request is turned away. DEVICE is the kind of browser that the session was begun with,
and the network that it was in. It reads only, and works beside a running serve.`,
		Example: "  kitbridge sessions list --tenant chenguang --json\n  kitbridge sessions list --user zhangsan@chenguang",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if w.account != "" && w.tenant != "" {
				return &usageError{errors.New("--user names the tenant already: leave --tenant out")}
			}
			return withDatabase(c.Context(), p, file, toRead, func(s *store.Store, _ Config) error {
				return listSessions(c.Context(), p, s, w, asJSON)
			})
		},
	}
	configFlag(c, &file)
	jsonFlag(c, &asJSON)
	c.Flags().StringVar(&w.tenant, "tenant", "", "of one tenant only, by id or code")
	c.Flags().StringVar(&w.account, "user", "", "of USER@TENANT only; the last @ separates")
	c.Flags().StringVar(&w.device, "device", "", "begun with that device only, as it stands in the list")
	return c
}

// whose says which sessions are meant, as the flags do.
type whose struct{ account, tenant, device string }

// find looks up what the flags name. Without a tenant the id is empty.
func (w whose) find(ctx context.Context, s *store.Store) (orgsync.TenantID, store.SessionsOf, error) {
	of := store.SessionsOf{Device: w.device}
	tenant := w.tenant
	if w.account != "" {
		user, named, err := splitAccount(w.account)
		if err != nil {
			return "", of, err
		}
		of.User, tenant = sso.UserName(user), named
	}
	if tenant == "" {
		return "", of, nil
	}
	t, err := findTenant(ctx, s, tenant)
	return t.ID, of, err
}

func listSessions(ctx context.Context, p process, s *store.Store, w whose, asJSON bool) error {
	id, of, err := w.find(ctx, s)
	if err != nil {
		return err
	}
	list := func(ctx context.Context, p store.Page) (store.List[store.SessionItem], error) {
		return s.ListSessions(ctx, of, p)
	}
	all := []store.SessionItem{}
	if err := everyItem(ctx, list, id, func(i store.SessionItem) error {
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
	if len(all) == 0 {
		text := "Nobody is signed in."
		if w != (whose{}) {
			text = "Nobody of those asked for is signed in."
		}
		_, err := fmt.Fprintln(p.stdout, text)
		return err
	}
	rows := make([][]string, 0, len(all))
	for _, i := range all {
		state := "live"
		if !i.Live {
			state = "revoked"
		}
		rows = append(rows, []string{
			string(i.Tenant), string(i.User), string(i.App), state,
			i.Created.Format(time.RFC3339), i.Seen.Format(time.RFC3339), i.Expires.Format(time.RFC3339), i.Device, i.ID,
		})
	}
	columns(p.stdout, []string{"TENANT", "USER", "APP", "STATE", "SINCE", "SEEN", "EXPIRES", "DEVICE", "ID"}, rows)
	return nil
}

func newSessionsEndCommand(p process) *cobra.Command {
	var file string
	var w whose
	var asJSON bool
	c := &cobra.Command{
		Use:   "end [ID…] [--user USER@TENANT] [--tenant TENANT] [--device DEVICE]",
		Short: "End sessions, by their IDs or all of a user, tenant or device",
		Long: `End sessions: those with the given IDs (from sessions list; each is one browser), with
--user all of one person, or with --tenant all of one tenant; with --device beside one of
these two only those begun with that device, as the list has it. The next request with
such a session is turned away, on every replica within a second. Ending one that is over
already changes nothing and is no fault.`,
		Example: "  kitbridge sessions end --user zhangsan@chenguang\n  kitbridge sessions end --user zhangsan@chenguang --device \"Firefox on Windows, 203.0.113.0/24\"",
		RunE: func(c *cobra.Command, ids []string) error {
			if ways := []bool{len(ids) > 0, w.account != "", w.tenant != ""}; count(ways) != 1 {
				return &usageError{errors.New("sessions end wants one of IDs, --user USER@TENANT and --tenant TENANT; see kitbridge sessions end --help")}
			}
			if len(ids) > 0 && w.device != "" {
				return &usageError{errors.New("--device goes with --user or --tenant: an ID is one session already")}
			}
			if c.Flags().Changed("device") && w.device == "" { // a script's empty variable must not end everybody's
				return &usageError{errors.New("--device is empty; leave it out to end all sessions of the user or tenant")}
			}
			return withDatabase(c.Context(), p, file, toWrite, func(s *store.Store, cfg Config) error {
				tenant, of, ended, err := endSessions(c.Context(), s, ids, w)
				commandAuditor(p, cfg).sessionsEnded(c.Context(), sso.TenantID(tenant), of.User, ended)
				if bad, ok := errors.AsType[*orgsync.FieldError](err); ok && bad.Field == "id" {
					return &usageError{fmt.Errorf("sessions end: %w; kitbridge sessions list has them", err)}
				}
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
	c.Flags().StringVar(&w.account, "user", "", "USER@TENANT: all sessions of that person; the last @ separates")
	c.Flags().StringVar(&w.tenant, "tenant", "", "all sessions of that tenant, by id or code")
	c.Flags().StringVar(&w.device, "device", "", "of these only the ones begun with that device")
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

// endSessions also says whose they were, if they were not named one by one.
func endSessions(ctx context.Context, s *store.Store, ids []string, w whose) (tenant orgsync.TenantID, of store.SessionsOf, ended int, err error) {
	if len(ids) == 0 {
		if tenant, of, err = w.find(ctx, s); err == nil {
			ended, err = s.EndSessionsAt(ctx, sso.TenantID(tenant), of)
		}
		return tenant, of, ended, err
	}
	for _, id := range ids {
		n, err := s.EndSessionNamed(ctx, id)
		if err != nil {
			return "", of, ended, fmt.Errorf("%s: %w", visible(id), err)
		}
		ended += n
	}
	return "", of, ended, nil
}
