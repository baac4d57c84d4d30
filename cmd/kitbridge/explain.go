package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

const explainLong = `Say why a user is here, disabled, parked or missing, along the way of their data:

  state    the tenant, its subscriptions, what was granted, revoked and removed when,
           the department, what is parked
  sinks    whether each holds what the state says, or what it is owed and why
  journal  the newest pushes that name the user, as far as their bodies are kept

USER@TENANT: the last @ separates; the tenant by its id or code. Mobile numbers and
mail addresses are shown in part. --json has every register with its time.

It reads only, and works beside a running serve.`

// explanation is the JSON form. Fields are only ever added.
type explanation struct {
	// Verdict says it in one sentence.
	Verdict string `json:"verdict"`
	store.Explanation
}

func newExplainCommand(p process) *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:     "explain USER@TENANT",
		Short:   "Why a user is here, disabled, parked or missing",
		Long:    explainLong,
		Example: "  kitbridge explain zhangsan@chenguang\n  kitbridge explain zhangsan@68cbc86abc2018ab880d92f36422fa0e --json",
		GroupID: operating,
		Args:    someArgs("USER@TENANT"),
		RunE: func(c *cobra.Command, args []string) error {
			user, tenant, err := splitAccount(args[0])
			if err != nil {
				return err
			}
			return withDatabase(c.Context(), p, file, toRead, func(s *store.Store, cfg Config) error {
				e, err := explainUser(c.Context(), s, cfg, tenant, user)
				if err != nil {
					return fmt.Errorf("explain: %w", err)
				}
				if asJSON {
					return writeJSON(p.stdout, e)
				}
				printExplanation(p.stdout, e)
				return nil
			})
		},
	}
	configFlag(c, &file)
	jsonFlag(c, &asJSON)
	return c
}

func explainUser(ctx context.Context, s *store.Store, cfg Config, tenant string, user orgsync.UserName) (explanation, error) {
	own, isOwn := ownTenant(cfg.SSO, tenant)
	t, err := findTenant(ctx, s, tenant)
	if isOwn && errors.Is(err, orgsync.ErrNotFound) { // no push needs to have named it
		t, err = store.TenantItem{ID: orgsync.TenantID(own.ID)}, nil
	}
	if err != nil {
		return explanation{}, err
	}
	e, err := s.Explain(ctx, t.ID, user)
	if isOwn && errors.Is(err, orgsync.ErrNotFound) {
		e, err = nothingKnown(t, user), nil
	}
	if err != nil {
		return explanation{}, err
	}
	markExcluded(cfg, &e)
	if isOwn && !e.Tenant.Announced && len(e.Instances) == 0 { // otherwise pushes win
		e.Tenant.Code, e.Tenant.Name = cmp.Or(e.Tenant.Code, own.Code), cmp.Or(e.Tenant.Name, own.Name)
		return explanation{Verdict: ownVerdict(cfg.SSO.of(own), own), Explanation: e}, nil
	}
	return explanation{Verdict: verdictOf(e), Explanation: e}, nil
}

// nothingKnown is the explanation of a user of whose tenant the database knows nothing.
func nothingKnown(t store.TenantItem, user orgsync.UserName) store.Explanation {
	e := store.Explanation{
		Tenant: t, Instances: []store.InstanceItem{}, Grants: []store.ExplainedGrant{}, Parked: []store.ParkedItem{},
		Sinks: []store.ExplainedSink{}, Pushes: []store.ExplainedPush{},
	}
	e.User.User = user
	return e
}

// ownTenant is the tenant with that id or code whose provider the configuration names.
func ownTenant(c SSO, name string) (StaticTenant, bool) {
	for _, t := range c.Tenants {
		if t.Issuer != "" && (t.ID == name || t.Code == name) {
			return t, true
		}
	}
	return StaticTenant{}, false
}

// ownVerdict says who comes in where no push decides.
func ownVerdict(c SSO, t StaticTenant) string {
	text := "needs no push: the tenant stands in sso.tenants, and who its people are says only its provider " + visible(t.Issuer)
	if c.UnknownUser == "deny" {
		return text + "; unknown_user is deny, so nobody is admitted"
	}
	role := "the role user"
	if c.RoleClaim != "" {
		role = "the role that the claim " + visible(c.RoleClaim) + " says"
	}
	return text + "; whoever signs in there is admitted, with " + role + ", and stands in no sink"
}

const excludedText = "this sink is not meant for the tenant (sinks[].tenants): whoever it held of it is disabled there, and deleted purge_after later"

// markExcluded corrects what the database cannot know: a sink that is not to hold the
// tenant's people is owed nothing, and enables nobody.
func markExcluded(cfg Config, e *store.Explanation) {
	for n := range e.Sinks {
		for _, c := range cfg.Sinks {
			holds := allowTenants(c.Tenants)(orgsync.Tenant{ID: e.Tenant.ID, Code: e.Tenant.Code})
			if c.Name == e.Sinks[n].Sink && !holds {
				e.Sinks[n].State, e.Sinks[n].Reason = "excluded", excludedText
			}
		}
	}
}

// verdictOf says in one sentence why the user stands where they stand.
func verdictOf(e store.Explanation) string {
	switch {
	case !e.Tenant.Announced && len(e.Instances) == 0:
		return "waits: no tenantSync has announced the tenant" + parkedText(e)
	case !e.Tenant.Active && e.Tenant.Announced:
		return "has no access: the tenant's last subscription ended" + since(e.Tenant.RemovedAt)
	}
	switch e.User.Status {
	case orgsync.StatusEnabled.String():
		return "is enabled, with the role " + string(e.User.Role) + placeText(e)
	case orgsync.StatusDisabled.String():
		return "is disabled: " + disabledText(e)
	case orgsync.StatusRemoved.String():
		return "was removed" + since(e.User.RemovedAt) + parkedText(e)
	}
	if len(e.Grants) == 0 && len(e.Parked) == 0 {
		return "is not known: no push that was accepted ever named them"
	}
	return "is not here yet" + parkedText(e)
}

func since(t time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case t.Equal(oldest()):
		return " by an import"
	}
	return " on " + t.Format(time.RFC3339)
}

func parkedText(e store.Explanation) string {
	if len(e.Parked) == 0 {
		return ""
	}
	return "; parked: " + e.Parked[0].Reason
}

// placeText says what is wrong with the department; access does not depend on it.
func placeText(e store.Explanation) string {
	switch d := e.Department; {
	case d.Code == "":
		return ", in no department"
	case !d.Known:
		return fmt.Sprintf("; their department %s is not known", d.Code)
	case d.Parked:
		return fmt.Sprintf("; their department %s is parked: %s", d.Code, d.Reason)
	}
	return ""
}

// disabledText names the grants that would give access if they did.
func disabledText(e store.Explanation) string {
	var reasons []string
	for _, g := range e.Grants {
		of := fmt.Sprintf(" (instance %s, application %s)", g.Instance, g.App)
		switch {
		case g.Presence == "withdrawn":
			reasons = append(reasons, "the authorisation was taken back"+since(g.RevokedAt)+of)
		case g.Live && !g.Enabled:
			at := time.Time{}
			for _, a := range g.Attributes {
				if a.Name == orgsync.AttrEnable.String() {
					at = a.At
				}
			}
			reasons = append(reasons, "the account was switched off"+since(at)+of)
		}
	}
	if len(reasons) == 0 {
		return "no grant gives access"
	}
	return strings.Join(reasons, "; ")
}

func printExplanation(w io.Writer, e explanation) {
	fmt.Fprintf(w, "%s of %s %s\n", visible(string(e.User.User)), visible(string(e.Tenant.ID)), visible(e.Verdict))
	facts := [][]string{
		{"name", e.User.Name},
		{"department", departmentText(e)},
		{"mobile", e.User.Mobile},
		{"email", e.User.Email},
		{"tenant", fmt.Sprintf("%s (%s)", e.Tenant.Name, e.Tenant.Code)},
	}
	for _, i := range e.Instances {
		state := "not bound"
		if i.Bound {
			state = "bound"
		}
		facts = append(facts, []string{"instance " + string(i.ID), state + momentsText("bound", i.BoundAt, "modified", i.ModifiedAt, "ended", i.EndedAt)})
	}
	for _, g := range e.Grants {
		state := g.Presence
		if g.Live && !g.Enabled {
			state += ", switched off"
		}
		facts = append(facts, []string{
			fmt.Sprintf("grant %s / %s", g.Instance, g.App),
			state + momentsText("granted", g.GrantedAt, "changed", g.ChangedAt, "revoked", g.RevokedAt, "removed", g.RemovedAt),
		})
	}
	for _, p := range e.Parked {
		facts = append(facts, []string{"parked", p.Reason + " (instance " + string(p.Instance) + ")"})
	}
	for _, s := range e.Sinks {
		facts = append(facts, []string{"sink " + s.Sink, sinkText(s)})
	}
	var rows [][]string
	for _, f := range facts {
		if f[1] != "" {
			rows = append(rows, append([]string{" "}, f...))
		}
	}
	columns(w, []string{" ", "", ""}, rows)
	printPushes(w, e)
}

func departmentText(e explanation) string {
	d := e.Department
	if d.Code == "" {
		return ""
	}
	path := make([]string, 0, len(d.Path))
	for _, c := range d.Path {
		path = append(path, string(c))
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", d.Code, d.Name, "/"+strings.Join(path, "/")))
}

// momentsText lists those of the moments that there were: name, time, name, time …
func momentsText(pairs ...any) string {
	var b strings.Builder
	for n := 0; n+1 < len(pairs); n += 2 {
		if t, ok := pairs[n+1].(time.Time); ok && !t.IsZero() {
			fmt.Fprintf(&b, ", %s%s", pairs[n], since(t))
		}
	}
	return b.String()
}

func sinkText(s store.ExplainedSink) string {
	text := s.State
	if s.State == "done" {
		text = "holds what the state says"
	}
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	if s.Attempts > 0 {
		text += fmt.Sprintf(" (tried %d times)", s.Attempts)
	}
	if len(s.Warnings) > 0 {
		text += "; left out: " + strings.Join(s.Warnings, "; ")
	}
	return text
}

func printPushes(w io.Writer, e explanation) {
	fmt.Fprintln(w)
	if len(e.Pushes) == 0 {
		fmt.Fprintf(w, "  no push names them, among the newest %d whose body is kept\n", e.Searched)
		return
	}
	rows := make([][]string, 0, len(e.Pushes))
	for _, push := range e.Pushes {
		rows = append(rows, []string{
			"  " + decimal(int64(push.ID)), push.Received.Format(time.RFC3339), flagText(push.Flag), push.Said["enable"], push.Said["role"],
			push.Said["orgCode"], push.Answer, push.Refusal,
		})
	}
	columns(w, []string{"  PUSH", "RECEIVED", "FLAG", "ENABLE", "ROLE", "ORGCODE", "ANSWER", ""}, rows)
}

// flagText says what a flag of authSync means (marketplace access guide, authSync).
func flagText(flag string) string {
	switch flag {
	case "0":
		return "0 remove"
	case "1":
		return "1 add"
	case "2":
		return "2 change"
	case "3":
		return "3 revoke"
	default:
		return flag
	}
}
