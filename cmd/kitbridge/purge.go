package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

const purgeLong = `Forget a tenant that ended: its users, departments and credentials, its sessions, the
bodies of its messages, and the key these are sealed with, so that nobody can read them
again. The sinks give up what is theirs: entries of ours and rows, never an entry of
others; a row that a foreign key of the product's holds stays, disabled, and is listed
by kitbridge dead list.

What stays are the digests of messages, for their repetitions, and the versions that
make everything void that was said until now: no late message brings anything back. A
tenant that is bound again later begins anew.

Tenants that ended are purged by themselves after marketplace.purge_after. A tenant that
is still bound is refused; --force REASON ends it first, as if the marketplace had
said so, and keeps the reason in the journal. It also gives up messages that are dated
in the future.

It works beside a running serve, which then cleans the sinks within seconds; without
one that waits for the next start. It asks before it does anything, unless --yes.`

func newPurgeCommand(p process) *cobra.Command {
	var o purgeOptions
	c := &cobra.Command{
		Use:     "purge TENANT",
		Short:   "Forget a tenant that ended",
		Long:    purgeLong,
		Example: "  kitbridge purge chenguang\n  kitbridge purge 68cbc86abc2018ab880d92f36422fa0e --force \"contract ended, ticket 4711\" --yes",
		GroupID: operating,
		Args:    someArgs("a tenant, by its id or code"),
		RunE: func(c *cobra.Command, args []string) error {
			o.forced = c.Flags().Changed("force")
			if o.forced && strings.TrimSpace(o.reason) == "" {
				return &usageError{errors.New("--force wants the reason, for the journal")}
			}
			return withDatabase(c.Context(), p, o.file, toWrite, func(s *store.Store, cfg Config) error {
				return purgeTenant(c.Context(), p, s, cfg, args[0], o)
			})
		},
	}
	configFlag(c, &o.file)
	c.Flags().BoolVar(&o.yes, "yes", false, "do not ask")
	c.Flags().StringVar(&o.reason, "force", "", "also a tenant that is still bound, and why")
	jsonFlag(c, &o.asJSON)
	return c
}

type purgeOptions struct {
	file, reason        string
	yes, forced, asJSON bool
}

// purged is the JSON form of a purge. Fields are only ever added.
type purged struct {
	TenantID orgsync.TenantID `json:"tenant_id"`
	orgsync.Forgotten
	// Bodies is how many messages' bodies were dropped, Ended how many subscriptions were
	// ended by force.
	Bodies int `json:"bodies"`
	Ended  int `json:"ended"`
}

func purgeTenant(ctx context.Context, p process, s *store.Store, cfg Config, name string, o purgeOptions) error {
	t, err := findTenant(ctx, s, name)
	switch {
	case err != nil:
		return err
	case t.Active && !o.forced:
		return fmt.Errorf("tenant %s is still bound, so it is not purged; the marketplace ends it, or --force REASON does", visible(string(t.ID)))
	}
	if !o.yes {
		if err := confirmPurge(p, t); err != nil {
			return err
		}
	}
	a := newOperatorAcceptor(s, cfg)
	out := purged{TenantID: t.ID}
	if o.forced {
		if out.Ended, err = endTenant(ctx, a, t.ID, o.reason, time.Now()); err != nil {
			return err
		}
	}
	if out.Forgotten, out.Bodies, err = purgeEverywhere(ctx, s, a, t.ID, o.forced); err != nil {
		return purgeError(t.ID, err)
	}
	if o.asJSON {
		return writeJSON(p.stdout, out)
	}
	_, err = fmt.Fprintf(p.stdout, "purged %s: %d users, %d departments, the bodies of %d messages\nThe sinks give up what is theirs while serve runs; kitbridge status says what they still owe.\n",
		visible(string(t.ID)), out.Users, out.Departments, out.Bodies)
	return err
}

// purgeError says what to do.
func purgeError(tenant orgsync.TenantID, err error) error {
	switch {
	case errors.Is(err, orgsync.ErrActive):
		return fmt.Errorf("tenant %s was bound meanwhile, or by a message dated ahead of now; nothing was purged", visible(string(tenant)))
	case errors.Is(err, orgsync.ErrWaits):
		return fmt.Errorf("messages of tenant %s that are dated in the future wait, and purging would lose them; decide about them (kitbridge held list), or --force REASON", visible(string(tenant)))
	}
	return err
}

// confirmPurge asks a person at a terminal; anything else has to say --yes.
func confirmPurge(p process, t store.TenantItem) error {
	f, ok := p.stdin.(*os.File)
	if ok {
		info, err := f.Stat()
		ok = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	if !ok {
		return &usageError{errors.New("purge asks before it forgets, and there is no terminal; say --yes")}
	}
	return askPurge(p.stderr, p.stdin, t)
}

// askPurge wants the tenant's id written out.
func askPurge(w io.Writer, r io.Reader, t store.TenantItem) error {
	fmt.Fprintf(w, "This forgets tenant %s %s for good, here and in every sink.\nWrite its id to go on: ", visible(string(t.ID)), visible(t.Name))
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(line) != string(t.ID) {
		return errors.New("that is not its id; nothing was purged")
	}
	return nil
}

// endTenant ends what is bound, as the marketplace would. It says how many subscriptions.
func endTenant(ctx context.Context, a *orgsync.Acceptor, tenant orgsync.TenantID, reason string, now time.Time) (int, error) {
	ends, err := a.End(ctx, orgsync.Scope{Tenant: tenant}, now)
	if err != nil {
		return 0, err
	}
	for _, m := range ends {
		nonce := "purge/" + rand.Text()
		if _, err := a.Accept(ctx, orgsync.Push{
			Message: m, Kind: m.Kind, Nonce: nonce, Digest: sha256.Sum256([]byte(nonce)), Body: []byte("{}"),
			Signed: now, Received: now, Candidate: "purge: " + reason,
		}); err != nil {
			return 0, err
		}
	}
	return len(ends), nil
}

// purgeEverywhere purges a tenant in both realms; debugging messages may have brought data
// of it too.
func purgeEverywhere(
	ctx context.Context, s *store.Store, a *orgsync.Acceptor, tenant orgsync.TenantID, lose bool,
) (orgsync.Forgotten, int, error) {
	gone, err := a.Purge(ctx, orgsync.Scope{Tenant: tenant}, lose)
	if err != nil {
		return gone, 0, err
	}
	debugging := orgsync.Scope{Realm: orgsync.Test, Tenant: tenant}
	known, err := s.HasScope(ctx, debugging)
	if err != nil {
		return gone, 0, err
	}
	scopes := []orgsync.Scope{{Tenant: tenant}}
	if known {
		scopes = append(scopes, debugging)
		if err := purgeDebugging(ctx, a, debugging); err != nil {
			return gone, 0, err
		}
	}
	bodies := 0
	for _, scope := range scopes {
		n, err := s.DropBodies(ctx, scope)
		bodies += n
		if err != nil {
			return gone, bodies, err
		}
	}
	return gone, bodies, nil
}

// purgeDebugging purges a tenant's debugging data. One that is still bound there stays: the
// marketplace may be trying it.
func purgeDebugging(ctx context.Context, a *orgsync.Acceptor, scope orgsync.Scope) error {
	_, err := a.Purge(ctx, scope, true)
	if errors.Is(err, orgsync.ErrActive) {
		return nil
	}
	return err
}

// purgeEnded purges the tenants that ended long enough ago.
func (b *bridge) purgeEnded(ctx context.Context, now time.Time) {
	ended, err := b.store.Ended(ctx, now.Add(-b.config.Marketplace.PurgeAfter))
	for _, tenant := range ended {
		if err != nil {
			break
		}
		gone, bodies, failed := purgeEverywhere(ctx, b.store, b.acceptor, tenant, false)
		switch {
		case errors.Is(failed, orgsync.ErrActive), errors.Is(failed, orgsync.ErrWaits): // another time
		case failed != nil:
			err = failed
		default:
			b.log.InfoContext(ctx, "tenant purged", "tenant_id", string(tenant), "users", gone.Users, "departments", gone.Departments, "bodies", bodies)
		}
	}
	if err != nil && ctx.Err() == nil {
		b.log.WarnContext(ctx, "tenants that ended were not purged", "error", err.Error())
	}
}
