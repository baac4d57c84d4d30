package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

const reconcileLong = `Compare every tenant with every sink and make the sinks equal. kitbridge plan shows
before what it would do.

Entries and attributes of others stay. With --adopt, entries that are not ours become
ours if they stand for a user, department or group by its id; from then on they are
kept equal like any other. Without it they are left alone and reported.

What would delete more than marketplace.deletion_guard allows is shown first, and asks
for a yes; --yes says it beforehand. --plan-file does exactly what a saved plan says
(kitbridge plan --format json --out FILE), or nothing at all, if the sink or the state
changed since.

It works beside a running serve, which waits with the same tenant and sink meanwhile,
and without one. It may be cut off anywhere: run it again, it does the rest. A sink that
belongs to another bridge is not written to (see take-over --help).

Exit codes: 0 everything is equal, 1 something could not be done: it is listed.`

type reconcileOptions struct {
	selection
	file, planFile     string
	adopt, yes, asJSON bool
}

func newReconcileCommand(p process) *cobra.Command {
	var o reconcileOptions
	c := &cobra.Command{
		Use:     "reconcile --config FILE",
		Short:   "Make every sink equal to the state",
		Long:    reconcileLong,
		Example: "  kitbridge reconcile --config /etc/kitbridge/kitbridge.yaml\n  kitbridge reconcile --sink corp --adopt\n  kitbridge reconcile --plan-file plan.json",
		GroupID: operating,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var saved *savedPlan
			if o.planFile != "" {
				if o.adopt || o.sink != "" || o.tenant != "" {
					return &usageError{errors.New("--plan-file does what the file says; leave --adopt, --sink and --tenant out")}
				}
				read, err := readPlan(o.planFile)
				if err != nil {
					return err
				}
				saved, o.adopt = &read, read.Adopt
			}
			return withDatabase(c.Context(), p, o.file, toWrite, func(s *store.Store, cfg Config) error {
				r := &reconciler{p: p, s: s, o: o, guard: guardOf(cfg), log: newLogger(p.stderr, Log{Level: "error", Format: "text"})}
				return r.run(c.Context(), cfg, saved)
			})
		},
	}
	configFlag(c, &o.file)
	selectionFlags(c, &o.selection)
	c.Flags().BoolVar(&o.adopt, "adopt", false, "make entries ours that stand for a user, department or group")
	c.Flags().StringVar(&o.planFile, "plan-file", "", "do exactly this saved plan, or nothing")
	c.Flags().BoolVar(&o.yes, "yes", false, "do not ask before many deletions")
	jsonFlag(c, &o.asJSON)
	return c
}

// reconciler is one run of the command.
type reconciler struct {
	p     process
	s     *store.Store
	o     reconcileOptions
	guard *orgsync.Guard
	log   *slog.Logger
}

// reconciled is the JSON form of what was done. Fields are only ever added.
type reconciled struct {
	Sink       string           `json:"sink"`
	Tenant     orgsync.TenantID `json:"tenant_id"`
	Operations int              `json:"operations"`
	Adopted    int              `json:"adopted"`
	Reports    []entryReport    `json:"reports"`
}

func (r *reconciler) run(ctx context.Context, cfg Config, saved *savedPlan) error {
	pairs, closeAll, err := r.o.choose(ctx, cfg, r.s, r.tie(ctx, cfg), r.log)
	if err != nil {
		return err
	}
	defer closeAll()
	if saved != nil {
		if pairs, err = r.checkPlan(ctx, pairs, *saved); err != nil {
			return err
		}
	}
	results := []reconciled{}
	var faults []error
	for n, pr := range pairs {
		if ctx.Err() != nil {
			faults = append(faults, fmt.Errorf("interrupted: %s not looked at", countOf(len(pairs)-n, "tenant and sink", "tenants and sinks")))
			break
		}
		c, err := r.one(ctx, pr, saved)
		if err != nil {
			faults = append(faults, pr.fault("reconcile", err))
			continue
		}
		results = append(results, reconciled{c.Sink, c.Tenant, len(c.Operations), len(c.Adopts), c.Reports})
		if !r.o.asJSON {
			r.tell(c)
		}
		if len(c.Reports) > 0 {
			faults = append(faults, pr.fault("reconcile", fmt.Errorf("%s cannot be as it should be", countOf(len(c.Reports), "entry", "entries"))))
		}
	}
	if r.o.asJSON {
		faults = append(faults, writeJSON(r.p.stdout, results))
	}
	return errors.Join(faults...)
}

// tie ties a sink as serve does.
func (r *reconciler) tie(ctx context.Context, cfg Config) func(string) (ties, error) {
	keepers := newKeepers(cfg, r.s, r.log)
	return func(name string) (ties, error) {
		adopts, err := tookOver(ctx, r.s, name)
		return ties{register: keepers[name].register, adopts: adopts, links: r.s.Links(name), switched: lookAgain(name, r.s, r.log)}, err
	}
}

// checkPlan looks whether everything is as it was when the plan was saved, before anything
// is written, and returns what there is to do.
func (r *reconciler) checkPlan(ctx context.Context, pairs []pair, saved savedPlan) ([]pair, error) {
	var chosen []pair
	for _, want := range saved.Plans {
		i := slices.IndexFunc(pairs, func(pr pair) bool { return pr.config.Name == want.Sink && pr.tenant.ID == want.Tenant })
		if i < 0 {
			return nil, fmt.Errorf("--plan-file: no sink %s is to hold tenant %s any more; nothing was done", visible(want.Sink), visible(string(want.Tenant)))
		}
		view, err := inventoryOf(r.s, want.Tenant)
		if err != nil {
			return nil, err
		}
		now, err := pairs[i].sink.plan(ctx, view, wholeOptions{adopt: saved.Adopt, guard: r.guard})
		if err != nil {
			return nil, pairs[i].fault("compare", err)
		}
		if !samePlan(want, now) {
			return nil, pairs[i].fault("reconcile", fmt.Errorf("--plan-file: %w: the sink or the state changed since %s, or the file was edited; "+
				"nothing was done, make a new plan", errPlanChanged, saved.MadeAt.Format(time.RFC3339)))
		}
		if now.needs() {
			chosen = append(chosen, pairs[i])
		}
	}
	return chosen, nil
}

// samePlan compares what would be done, as it is written in the file.
func samePlan(saved, now comparison) bool {
	text := func(c comparison) string {
		b, err := json.Marshal([]any{c.Digest, c.Operations, c.Adopts})
		return fmt.Sprint(string(b), err)
	}
	return text(saved) == text(now)
}

// one makes one tenant equal in one sink.
func (r *reconciler) one(ctx context.Context, pr pair, saved *savedPlan) (c comparison, err error) {
	view, err := inventoryOf(r.s, pr.tenant.ID)
	if err != nil {
		return c, err
	}
	if err := r.s.AddSink(ctx, pr.config.Name); err != nil {
		return c, err
	}
	o := wholeOptions{adopt: r.o.adopt, guard: r.guard}
	if r.o.yes {
		o.guard = nil
	}
	if saved != nil {
		i := slices.IndexFunc(saved.Plans, func(c comparison) bool { return c.Sink == pr.config.Name && c.Tenant == pr.tenant.ID })
		o.only = saved.Plans[i].Digest
	}
	err = withLane(ctx, r.s, pr.config.Name, pr.tenant.ID, busyFor, func(ctx context.Context, _ bool) error {
		if c, err = r.reconcile(ctx, pr, view, o); !errors.Is(err, errHeld) {
			return err
		}
		if err := r.ask(c); err != nil {
			return err
		}
		o.guard, o.only = nil, c.Digest // what was shown, and nothing else
		c, err = r.reconcile(ctx, pr, view, o)
		return err
	})
	c.Name = pr.tenant.Name
	if err == nil {
		err = r.s.NoteCompared(ctx, pr.config.Name, pr.tenant.ID, time.Now(), 0)
	}
	if err == nil && c.needs() { // what failed before may be possible now
		_, err = r.s.RetryDead(ctx, pr.config.Name, pr.tenant.ID)
	}
	return c, err
}

func (r *reconciler) reconcile(ctx context.Context, pr pair, view orgsync.Inventory, o wholeOptions) (comparison, error) {
	shown := newProgress(r.p.stderr, fmt.Sprintf("%s %s", pr.config.Name, pr.tenant.Name), time.Now)
	defer shown.end()
	o.progress = shown.step
	c, err := pr.sink.reconcile(ctx, view, o)
	for other := 1; other < len(pr.config.URL) && errors.Is(err, orgsync.ErrUnavailable) && o.only == "" && ctx.Err() == nil; other++ {
		c, err = pr.sink.reconcile(ctx, view, o) // at another server, which may lack what the one before had
	}
	return c, shown.cutOff(ctx, err)
}

// ask shows what is held and wants a yes.
func (r *reconciler) ask(c comparison) error {
	if !isTerminal(r.p.stdin) {
		return fmt.Errorf("held: it %s, more than marketplace.deletion_guard allows; nothing was done. See kitbridge plan, then say --yes", c.Held)
	}
	planText{r.p.stderr, isColoured(r.p.stderr, r.p.env)}.print([]comparison{c}, nil)
	return askYes(r.p.stderr, r.p.stdin, c.Held)
}

func askYes(w io.Writer, in io.Reader, held string) error {
	fmt.Fprintf(w, "\nThis %s. Write yes to go on: ", held)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(line) != "yes" {
		return errors.New("no yes was said; nothing was done")
	}
	return nil
}

// tell says in some lines what was done.
func (r *reconciler) tell(c comparison) {
	what := countsOf(c.Operations)
	switch {
	case what != "":
		what = "done: " + what
	case !c.needs():
		what = "equal, nothing to do"
	default:
		what = "done"
	}
	if len(c.Adopts) > 0 {
		what += fmt.Sprintf("; %d adopted", len(c.Adopts))
	}
	fmt.Fprintf(r.p.stdout, "sink %s, tenant %s %s: %s\n", c.Sink, visible(string(c.Tenant)), visible(c.Name), what)
	if c.Left != nil {
		fmt.Fprintf(r.p.stdout, "  %s\n", c.Left)
	}
	for _, e := range first(c.Reports) {
		fmt.Fprintf(r.p.stdout, "  cannot %s %s: %s\n", e.Kind, visible(e.Name), visible(e.Reason))
	}
	planText{w: r.p.stdout}.printRest(len(c.Reports), "reports")
}
