package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

const planLong = `Compare every tenant with every sink and say what kitbridge reconcile would do. It
changes nothing, neither here nor in the sinks, and works beside a running serve and
without one, also on a sink that is not this bridge's.

  text  for people: counts first, then each change
  ldif  for directories: what ldapmodify would do the same with
  json  for scripts, and for kitbridge reconcile --plan-file

What serve still owes a sink is in the plan too: kitbridge status says how much.
Entries that are not ours are never changed. With --adopt those that stand for a user,
department or group, by its id, count as ours: that is what reconcile --adopt does.

A plan holds names and telephone numbers of people; --out writes it to a file that only
you can read.

Exit codes: 0 there is nothing to do, 3 there is, 1 it could not be found out.`

// codePlanned is the exit code of a plan that is not empty.
const codePlanned = 3

type planOptions struct {
	selection
	file, format, out string
	adopt             bool
}

func newPlanCommand(p process) *cobra.Command {
	var o planOptions
	c := &cobra.Command{
		Use:     "plan --config FILE",
		Short:   "What a reconcile would do; changes nothing",
		Long:    planLong,
		Example: "  kitbridge plan --config /etc/kitbridge/kitbridge.yaml\n  kitbridge plan --sink corp --tenant chenguang --format ldif\n  kitbridge plan --format json --out plan.json && kitbridge reconcile --plan-file plan.json",
		GroupID: operating,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !slices.Contains([]string{"text", "ldif", "json"}, o.format) {
				return &usageError{fmt.Errorf("--format: %q is none of text, ldif, json", visible(o.format))}
			}
			return withDatabase(c.Context(), p, o.file, toRead, func(s *store.Store, cfg Config) error {
				return printPlan(c.Context(), p, s, cfg, o)
			})
		},
	}
	configFlag(c, &o.file)
	selectionFlags(c, &o.selection)
	c.Flags().StringVar(&o.format, "format", "text", "text, ldif or json")
	c.Flags().StringVar(&o.out, "out", "", "write to this file instead of the terminal")
	c.Flags().BoolVar(&o.adopt, "adopt", false, "count entries as ours that stand for a user, department or group")
	return c
}

func selectionFlags(c *cobra.Command, sel *selection) {
	c.Flags().StringVar(&sel.sink, "sink", "", "only this sink")
	c.Flags().StringVar(&sel.tenant, "tenant", "", "only this tenant, by its id or code")
}

func printPlan(ctx context.Context, p process, s *store.Store, cfg Config, o planOptions) error {
	if o.format == "ldif" {
		if err := checkLDIF(cfg, o.sink); err != nil {
			return err
		}
	}
	pairs, closeAll, err := o.choose(ctx, cfg, s, toPlan(ctx, s), newLogger(p.stderr, Log{Level: "error", Format: "text"}))
	if err != nil {
		return err
	}
	defer closeAll()
	list, failures, err := planAll(ctx, s, pairs, wholeOptions{adopt: o.adopt, guard: guardOf(cfg)})
	if err != nil {
		return err
	}
	if err := o.write(p, list, failures); err != nil {
		return err
	}
	if len(failures) > 0 {
		faults := make([]error, 0, len(failures))
		for _, f := range failures {
			faults = append(faults, f.cause)
		}
		return errors.Join(faults...)
	}
	if slices.ContainsFunc(list, comparison.needs) {
		return silentExit(codePlanned)
	}
	return nil
}

// toPlan ties a sink so that nothing is recorded about it.
func toPlan(ctx context.Context, s *store.Store) func(string) (ties, error) {
	return func(name string) (ties, error) {
		adopts, err := tookOver(ctx, s, name)
		return ties{register: onlyJudge(s, name), adopts: adopts, links: s.Links(name)}, err
	}
}

func guardOf(cfg Config) *orgsync.Guard {
	g := cfg.Marketplace.DeletionGuard
	return &orgsync.Guard{Count: g.Count, Percent: g.Percent, Max: g.Max}
}

// planFailure is a tenant and sink that could not be compared. It is the JSON form. Fields are
// only ever added.
type planFailure struct {
	Sink   string           `json:"sink"`
	Tenant orgsync.TenantID `json:"tenant_id"`
	Error  string           `json:"error"`

	cause error // says also what was being done
}

// planAll compares each pair. What cannot be compared keeps nobody else from it.
func planAll(ctx context.Context, s *store.Store, pairs []pair, o wholeOptions) ([]comparison, []planFailure, error) {
	list, failures := []comparison{}, []planFailure{}
	for _, pr := range pairs {
		view, err := inventoryOf(s, pr.tenant.ID)
		if err != nil {
			return nil, nil, err
		}
		c, err := pr.sink.plan(ctx, view, o)
		if err != nil {
			failures = append(failures, planFailure{pr.config.Name, pr.tenant.ID, err.Error(), pr.fault("compare", err)})
			continue
		}
		c.Name = pr.tenant.Name
		list = append(list, c)
	}
	return list, failures, nil
}

// fault says what was being done.
func (pr pair) fault(what string, err error) error {
	return fmt.Errorf("%s tenant %s in sink %s: %w", what, visible(string(pr.tenant.ID)), pr.config.Name, err)
}

// checkLDIF wants one directory: a file of changes is for one server.
func checkLDIF(cfg Config, sink string) error {
	if sink == "" && len(cfg.Sinks) > 1 {
		return &usageError{errors.New("--format ldif is for one directory: say which with --sink")}
	}
	for _, c := range cfg.Sinks {
		if c.Type == sinkSQL && (sink == "" || c.Name == sink) {
			return &usageError{fmt.Errorf("--format ldif: sink %s is no directory; use text or json", c.Name)}
		}
	}
	return nil
}

// savedPlan is the JSON form of plan, and what reconcile --plan-file reads. Fields are only
// ever added.
type savedPlan struct {
	// Version is 1.
	Version int       `json:"version"`
	MadeAt  time.Time `json:"made_at"`
	Adopt   bool      `json:"adopt"`
	// Operations counts those of all plans.
	Operations int          `json:"operations"`
	Plans      []comparison `json:"plans"`
	// Errors are those that could not be compared: of them nothing is known.
	Errors []planFailure `json:"errors"`
}

const planVersion = 1

func (o planOptions) write(p process, list []comparison, failures []planFailure) error {
	if o.out == "" {
		return o.print(p.stdout, list, failures, isColoured(p.stdout, p.env))
	}
	var b strings.Builder
	if err := o.print(&b, list, failures, false); err != nil {
		return err
	}
	if err := writePrivate(o.out, b.String()); err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "%s, written to %s\n", sumOf(list, failures), visible(o.out))
	return nil
}

func (o planOptions) print(w io.Writer, list []comparison, failures []planFailure, coloured bool) error {
	switch o.format {
	case "json":
		saved := savedPlan{Version: planVersion, MadeAt: time.Now().UTC().Truncate(time.Second), Adopt: o.adopt, Plans: list, Errors: failures}
		for _, c := range list {
			saved.Operations += len(c.Operations)
		}
		return writeJSON(w, saved)
	case "ldif":
		var all []ldapsink.Operation
		for _, c := range list {
			all = append(all, c.ldif...)
		}
		return ldapsink.WriteLDIF(w, all)
	default:
		planText{w, coloured}.print(list, failures)
		return nil
	}
}

// writePrivate puts a whole file in place, or none.
func writePrivate(name, text string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".kitbridge-plan-*") // 0600
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
			err = fmt.Errorf("--out: %w", err)
		}
	}()
	if _, err = f.WriteString(text); err != nil {
		return errors.Join(err, f.Close())
	}
	if err = errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// readPlan reads a plan that was saved.
func readPlan(name string) (savedPlan, error) {
	text, err := os.ReadFile(filepath.Clean(name))
	if err != nil {
		return savedPlan{}, &usageError{fmt.Errorf("--plan-file: %w", err)}
	}
	var p savedPlan
	if err := json.Unmarshal(text, &p); err != nil || p.Version == 0 {
		return savedPlan{}, &usageError{fmt.Errorf("--plan-file: %s is no plan of kitbridge plan --format json", name)}
	}
	if p.Version != planVersion {
		return savedPlan{}, &usageError{fmt.Errorf("--plan-file: %s has version %d, this program knows %d", name, p.Version, planVersion)}
	}
	return p, nil
}
