package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// comparison is what one tenant needs in one sink, or what was done about it. It is the
// JSON form of a plan. Fields are only ever added.
type comparison struct {
	Sink   string           `json:"sink"`
	Type   string           `json:"type"` // ldap or sql
	Tenant orgsync.TenantID `json:"tenant_id"`
	Name   string           `json:"tenant_name"`
	// Digest tells this plan from every other.
	Digest string `json:"digest"`
	// Held says why the deletions need a person's yes; empty if they do not.
	Held string `json:"held,omitempty"`
	// Left is a sink that is not meant for the tenant any more; absent if it is.
	Left     *leftSink `json:"left,omitempty"`
	Compared compared  `json:"compared"`
	// Operations are in the order in which they are done.
	Operations []plannedOperation `json:"operations"`
	Adopts     []adoptedEntry     `json:"adopts"`
	Reports    []entryReport      `json:"reports"`

	ldif    []ldapsink.Operation
	leftOut []entryReport // values that the sink would not take
}

// compared counts what was looked at: entries or rows of ours, and entries of others that
// stand among them.
type compared struct {
	Users       int `json:"users"`
	Departments int `json:"departments"`
	Groups      int `json:"groups"`
	Foreign     int `json:"foreign"`
}

// plannedOperation is one write.
type plannedOperation struct {
	// Op is add, modify, rename, delete; of a table insert, update, disable, delete.
	Op string `json:"op"`
	// Kind is tenant, container, department, user, group, role, app or grant.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// At is the DN or the table, To the DN after a rename.
	At      string          `json:"at"`
	To      string          `json:"to,omitempty"`
	Changes []plannedChange `json:"changes,omitempty"`
}

// plannedChange is one attribute or column.
type plannedChange struct {
	// Op is add, replace or delete; without values the attribute goes.
	Op        string   `json:"op"`
	Attribute string   `json:"attribute"`
	From      *string  `json:"from,omitempty"` // of a column
	Values    []string `json:"values"`
}

// adoptedEntry stood there before and becomes ours.
type adoptedEntry struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	At   string `json:"at"`
}

// entryReport is what cannot be as it should be, and why.
type entryReport struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// needs says whether there is anything to do.
func (c comparison) needs() bool { return len(c.Operations)+len(c.Adopts) > 0 }

// wholeOptions say how a tenant is compared with a sink, or made equal there.
type wholeOptions struct {
	adopt    bool
	guard    *orgsync.Guard
	most     int // of users that differ; 0: any number
	only     string
	progress func(done, total int)
	// everybody: what is left out of whom is told also of those who are as they should be.
	everybody bool
}

// wholeSink is a sink that can be compared with the whole of a tenant. Its errors may be
// an errHeld or an errPlanChanged.
type wholeSink interface {
	plan(ctx context.Context, view orgsync.Inventory, o wholeOptions) (comparison, error)
	reconcile(ctx context.Context, view orgsync.Inventory, o wholeOptions) (comparison, error)
}

var (
	errHeld        = errors.New("held for a person's yes")
	errPlanChanged = errors.New("it is not the saved plan any more")
)

// wholeOf is the sink as one that can be compared.
func wholeOf(s orgsync.Sink) (wholeSink, bool) {
	switch s := s.(type) {
	case *ldapsink.Sink:
		return wholeDirectory{s}, true
	case *sqlsink.Sink:
		return wholeTables{s}, true
	default:
		return nil, false
	}
}

type wholeDirectory struct{ sink *ldapsink.Sink }

func (d wholeDirectory) options(o wholeOptions) ldapsink.WholeOptions {
	return ldapsink.WholeOptions{Adopt: o.adopt, Guard: o.guard, Most: o.most, Only: o.only, Progress: o.progress, Everybody: o.everybody}
}

func (d wholeDirectory) plan(ctx context.Context, view orgsync.Inventory, o wholeOptions) (comparison, error) {
	w, err := d.sink.Plan(ctx, view, d.options(o))
	return d.comparison(w), err
}

func (d wholeDirectory) reconcile(ctx context.Context, view orgsync.Inventory, o wholeOptions) (comparison, error) {
	w, err := d.sink.Reconcile(ctx, view, d.options(o))
	switch {
	case errors.Is(err, ldapsink.ErrHeld):
		err = errHeld
	case errors.Is(err, ldapsink.ErrPlanChanged):
		err = errPlanChanged
	}
	return d.comparison(w), err
}

func (d wholeDirectory) comparison(w ldapsink.Whole) comparison {
	c := comparison{
		Sink: d.sink.Name(), Type: sinkLDAP, Tenant: w.Tenant, Digest: w.Digest, Held: w.Held, Left: leftOf(w), ldif: w.Operations,
		Compared:   compared{w.Users, w.Departments, w.Groups, w.Foreign},
		Operations: []plannedOperation{}, Adopts: []adoptedEntry{}, Reports: []entryReport{},
	}
	for _, o := range w.Operations {
		c.Operations = append(c.Operations, directoryOperation(o))
	}
	for _, l := range w.Adopted {
		c.Adopts = append(c.Adopts, adoptedEntry{string(l.ID.Kind), l.ID.Name, l.DN})
	}
	for _, r := range w.Reports {
		c.Reports = append(c.Reports, entryReport{string(r.ID.Kind), r.ID.Name, r.Err.Error()})
	}
	for _, x := range w.Warnings {
		c.leftOut = append(c.leftOut, entryReport{string(x.ID.Kind), x.ID.Name, x.Text})
	}
	return c
}

func directoryOperation(o ldapsink.Operation) plannedOperation {
	p := plannedOperation{Op: o.Kind.String(), Kind: string(o.ID.Kind), Name: o.ID.Name, At: o.DN.String()}
	switch o.Kind {
	case ldapsink.Rename:
		p.To = o.NewDN.String()
	case ldapsink.Add:
		for _, name := range slices.Sorted(maps.Keys(o.Attributes)) {
			p.Changes = append(p.Changes, plannedChange{Op: "add", Attribute: name, Values: o.Attributes[name]})
		}
	default:
		for _, c := range o.Changes {
			values := c.Values
			if values == nil {
				values = []string{}
			}
			p.Changes = append(p.Changes, plannedChange{Op: c.Kind.String(), Attribute: c.Name, Values: values})
		}
	}
	return p
}

type wholeTables struct{ sink *sqlsink.Sink }

func (t wholeTables) options(o wholeOptions) sqlsink.WholeOptions {
	return sqlsink.WholeOptions{Guard: o.guard, Only: o.only, Progress: o.progress}
}

func (t wholeTables) plan(ctx context.Context, view orgsync.Inventory, o wholeOptions) (comparison, error) {
	w, err := t.sink.Plan(ctx, view, t.options(o))
	return t.comparison(w), err
}

func (t wholeTables) reconcile(ctx context.Context, view orgsync.Inventory, o wholeOptions) (comparison, error) {
	w, err := t.sink.Reconcile(ctx, view, t.options(o))
	switch {
	case errors.Is(err, sqlsink.ErrHeld):
		err = errHeld
	case errors.Is(err, sqlsink.ErrPlanChanged):
		err = errPlanChanged
	}
	return t.comparison(w), err
}

func (t wholeTables) comparison(w sqlsink.Whole) comparison {
	c := comparison{
		Sink: t.sink.Name(), Type: sinkSQL, Tenant: w.Tenant, Digest: w.Digest, Held: w.Held,
		Compared:   compared{Users: w.Users, Departments: w.Departments},
		Operations: []plannedOperation{}, Adopts: []adoptedEntry{}, Reports: []entryReport{},
	}
	if w.IsLeft {
		c.Left = &leftSink{}
	}
	for _, s := range w.Steps {
		c.Operations = append(c.Operations, rowOperation(s))
	}
	for _, r := range w.Reports {
		c.Reports = append(c.Reports, entryReport{r.Key.Kind.String(), r.Key.ID, r.Err.Error()})
	}
	return c
}

func rowOperation(s sqlsink.Step) plannedOperation {
	p := plannedOperation{Op: s.Op, Kind: s.Key.Kind.String(), Name: s.Key.ID, At: s.Table}
	if len(s.Row) > 1 {
		p.Kind, p.Name = "grant", fmt.Sprintf("%s (instance %s, application %s)", s.Row[0], s.Row[1], s.Row[2])
	}
	for _, c := range s.Columns {
		change := plannedChange{Op: "replace", Attribute: c.Column, Values: []string{c.To}}
		if s.Op != "insert" {
			change.From = &c.From
		}
		p.Changes = append(p.Changes, change)
	}
	return p
}

// selection is which sinks and tenants a command is about; empty means all.
type selection struct{ sink, tenant string }

// pair is one tenant and a sink that is to hold it.
type pair struct {
	config Sink
	sink   wholeSink
	tenant store.TenantItem
}

// choose opens the sinks of the configuration that are chosen and lists what each is to
// hold, or holds of tenants for which it is not meant any more. ties says what a sink is
// given; closeAll gives its connections back.
func (sel selection) choose(
	ctx context.Context, cfg Config, s *store.Store, tie func(name string) (ties, error), log *slog.Logger,
) (pairs []pair, closeAll func(), err error) {
	tenants, err := sel.tenants(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	if sel.sink != "" {
		if err := checkSinkNames("--sink", cfg, []string{sel.sink}); err != nil {
			return nil, nil, err
		}
	}
	var closers []func() error
	closeAll = func() {
		for _, c := range closers {
			_ = c() // nothing is under way
		}
	}
	for _, c := range cfg.Sinks {
		if sel.sink != "" && c.Name != sel.sink {
			continue
		}
		t, err := tie(c.Name)
		if err == nil {
			var opened orgsync.Sink
			var closeOne func() error
			if opened, closeOne, err = openSink(c, t, log); err == nil {
				closers = append(closers, closeOne)
				if c.Type != sinkSQL {
					err = stillBelow(ctx, s, c)
				}
				whole, ok := wholeOf(opened)
				var left []orgsync.TenantID
				unsure := false // comparing tells why
				if err == nil {
					left, err = leftIn(ctx, s, c, opened)
					if unsure = err != nil && c.Type == sinkSQL; unsure {
						err = nil
					}
				}
				for _, t := range tenants {
					if ok && (allowTenants(c.Tenants)(orgsync.Tenant{ID: t.ID, Code: t.Code}) || unsure || slices.Contains(left, t.ID)) {
						pairs = append(pairs, pair{c, whole, t})
					}
				}
			}
		}
		if err != nil {
			closeAll()
			return nil, nil, err
		}
	}
	if len(pairs) == 0 && sel.tenant != "" {
		closeAll()
		return nil, nil, &usageError{fmt.Errorf("no sink is to hold tenant %s: sinks[].tenants leaves it out, or it was never announced", visible(sel.tenant))}
	}
	return pairs, closeAll, nil
}

// tenants lists those that were announced.
func (sel selection) tenants(ctx context.Context, s *store.Store) ([]store.TenantItem, error) {
	if sel.tenant != "" {
		t, err := findTenant(ctx, s, sel.tenant)
		if err != nil || !t.Announced {
			return nil, err
		}
		return []store.TenantItem{t}, nil
	}
	var all []store.TenantItem
	err := everyItem(ctx, s.ListTenants, "", func(t store.TenantItem) error {
		if t.Announced {
			all = append(all, t)
		}
		return nil
	})
	return all, err
}

// inventoryOf reads the whole state of a tenant.
func inventoryOf(s *store.Store, tenant orgsync.TenantID) (orgsync.Inventory, error) {
	view, ok := s.View(tenant).(orgsync.Inventory)
	if !ok {
		return nil, errors.New("the store cannot list everything") // a slip in this program
	}
	return view, nil
}

// tookOver says whether entries that our own account made are ours.
func tookOver(ctx context.Context, s *store.Store, sink string) (func() bool, error) {
	t, err := s.Tenure(ctx, sink)
	return func() bool { return t.Taken }, err
}
