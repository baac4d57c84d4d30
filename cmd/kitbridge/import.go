package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

const importLong = `Take in the departments and users that a product has of a tenant already, so that
they are in the directory and the tables before the marketplace says anything of them.

They are weak statements: anything the marketplace pushed, or will ever push, about
the same user or department is newer, and a department that its newest full list does
not have, before or after the import, is not there. A later import wins over an
earlier one; the same file again changes nothing.

FILE is what kitbridge export writes: CSV with a first line of column names, or JSON,
an object for each. Columns that are missing are empty:

  user_name, name, org_code, role (user or admin), status (enabled or disabled),
  position, employee_code, employee_type (1 to 4), mobile, email, work_place,
  entry_date                                  of a user
  org_code, name, parent_code                 of a department: a line without user_name
  kind                                        user or department, for doubtful lines

Tenants and removed users in the file are left out. A line that cannot be read stops
the import, and all such lines are named.

Without --apply nothing is changed, and it says what would become of each change. What
belongs to a subscription that the marketplace has not announced waits, parked, until
it does. --instance and --app are needed if the tenant has several or none.`

// maxImport is the greatest size of a file, in bytes.
const maxImport = 64 << 20

func newImportCommand(p process) *cobra.Command {
	var file, tenant, instance, app string
	var apply, asJSON bool
	c := &cobra.Command{
		Use:   "import FILE --tenant T",
		Short: "Take in the users that a product has already",
		Long:  importLong,
		Example: "  kitbridge import people.csv --tenant chenguang            # says what would happen\n" +
			"  kitbridge import people.csv --tenant chenguang --apply",
		GroupID: operating,
		Args:    someArgs("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			if tenant == "" {
				return &usageError{errors.New("import: --tenant is required")}
			}
			records, err := readRecords(args[0])
			if err != nil {
				return fmt.Errorf("import: %w", err)
			}
			return withDatabase(c.Context(), p, file, toWrite, func(s *store.Store, cfg Config) error {
				i := importer{store: s, config: cfg, instance: orgsync.InstanceID(instance), app: orgsync.AppID(app)}
				if err := i.find(c.Context(), tenant); err != nil {
					return fmt.Errorf("import: %w", err)
				}
				outcome, err := i.run(c.Context(), records, apply)
				if err != nil {
					return fmt.Errorf("import: %w", err)
				}
				if asJSON {
					return writeJSON(p.stdout, outcome)
				}
				printImport(p, outcome)
				return nil
			})
		},
	}
	configFlag(c, &file)
	jsonFlag(c, &asJSON)
	flags := c.Flags()
	flags.StringVar(&tenant, "tenant", "", "whose they are, by id or code (required)")
	flags.StringVar(&instance, "instance", "", "the subscription (instanceId); the tenant's only one")
	flags.StringVar(&app, "app", "", "the application (appId); sso.app_id, or the tenant's only one")
	flags.BoolVar(&apply, "apply", false, "do it")
	return c
}

func readRecords(name string) ([]record, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case info.Size() > maxImport:
		return nil, fmt.Errorf("%s is larger than %d MiB; split it", name, maxImport>>20)
	}
	text, err := os.ReadFile(filepath.Clean(name))
	if err != nil {
		return nil, err
	}
	return parseRecords(name, text)
}

// importOutcome is the JSON form of an import. Fields are only ever added.
type importOutcome struct {
	// Done is false if this only says what would become of it.
	Done        bool               `json:"done"`
	TenantID    orgsync.TenantID   `json:"tenant_id"`
	Instance    orgsync.InstanceID `json:"instance_id"`
	App         orgsync.AppID      `json:"app_id"`
	Departments int                `json:"departments"`
	Users       int                `json:"users"`
	// Applied is what is new, Stale what the marketplace said something newer of,
	// Parked what waits.
	Applied int64 `json:"applied"`
	Stale   int64 `json:"stale"`
	Parked  int64 `json:"parked"`
	// Repeated counts changes that were imported before, in the same words.
	Repeated int64 `json:"repeated"`
}

// importer takes records in as pushes of its own.
type importer struct {
	store    *store.Store
	config   Config
	tenant   orgsync.TenantID
	instance orgsync.InstanceID
	app      orgsync.AppID
}

// find works out whose the records are: tenant, subscription and application.
func (i *importer) find(ctx context.Context, tenant string) error {
	t, err := findTenant(ctx, i.store, tenant)
	switch {
	case err == nil:
		i.tenant = t.ID
	case errors.Is(err, orgsync.ErrNotFound) && i.instance != "" && i.app != "":
		i.tenant = orgsync.TenantID(tenant) // not announced: all of it is parked
	case errors.Is(err, orgsync.ErrNotFound):
		return fmt.Errorf("%w; for a tenant that is not announced yet name --instance and --app, and its id", err)
	default:
		return err
	}
	for _, k := range []string{string(i.tenant), string(i.instance), string(i.app)} {
		if err := orgsync.CheckKey(k); k != "" && err != nil {
			return &usageError{fmt.Errorf("%q %w", visible(k), err)}
		}
	}
	if i.app == "" {
		i.app = orgsync.AppID(i.config.SSO.AppID)
	}
	if i.instance != "" && i.app != "" {
		return nil
	}
	return i.findOnly(ctx)
}

// errUndo ends a transaction that must leave no trace.
var errUndo = errors.New("undo")

// findOnly takes the tenant's only subscription and application.
func (i *importer) findOnly(ctx context.Context) error {
	instances, apps := map[orgsync.InstanceID]bool{}, map[orgsync.AppID]bool{}
	err := i.store.Update(ctx, orgsync.Scope{Tenant: i.tenant}, func(tx orgsync.Tx) error {
		bound, err := tx.Instances()
		if err != nil {
			return err
		}
		credentials, err := tx.Credentials()
		if err != nil {
			return err
		}
		for _, b := range bound {
			if b.IsBound() {
				instances[b.ID] = true
			}
		}
		for _, c := range credentials {
			if c.IsLive(orgsync.InstanceOf(bound, c.Instance)) {
				apps[c.App] = true
			}
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		return err
	}
	if i.instance == "" && !only(instances, &i.instance) {
		return &usageError{fmt.Errorf("tenant %s has %d bound subscriptions; name one by --instance", visible(string(i.tenant)), len(instances))}
	}
	if i.app == "" && !only(apps, &i.app) {
		return &usageError{fmt.Errorf("tenant %s has credentials of %d applications; name one by --app", visible(string(i.tenant)), len(apps))}
	}
	return nil
}

func only[K comparable](set map[K]bool, into *K) bool {
	for k := range set {
		*into = k
	}
	return len(set) == 1
}

// undone is a store that leaves no trace of what was done in it.
type undone struct{ orgsync.Store }

// Update runs fn and takes everything back.
func (u undone) Update(ctx context.Context, scope orgsync.Scope, fn func(orgsync.Tx) error) error {
	err := u.Store.Update(ctx, scope, func(tx orgsync.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return errUndo
	})
	if errors.Is(err, errUndo) {
		return nil
	}
	return err
}

// run takes the records in, or only says what would become of them.
func (i *importer) run(ctx context.Context, records []record, apply bool) (importOutcome, error) {
	o := importOutcome{Done: apply, TenantID: i.tenant, Instance: i.instance, App: i.app}
	pushes, err := i.pushes(records, time.Now())
	if err != nil {
		return o, err
	}
	var into orgsync.Store = undone{i.store}
	if apply {
		into = i.store
	}
	acceptor := orgsync.NewAcceptor(into, orgsync.Policy{}, nil) // nothing here destroys or moves anything
	for _, p := range pushes {
		receipt, err := acceptor.Accept(ctx, p)
		if err != nil {
			return o, err
		}
		o.Departments += len(p.Message.Departments)
		o.Users += len(p.Message.Users)
		if receipt.Repeated {
			o.Repeated += int64(p.Message.Changes())
			continue
		}
		o.Applied += receipt.Tally[orgsync.Applied]
		o.Stale += receipt.Tally[orgsync.Stale]
		o.Parked += receipt.Tally[orgsync.Parked]
	}
	return o, nil
}

func printImport(p process, o importOutcome) {
	would := "would be"
	if o.Done {
		would = "were"
	}
	fmt.Fprintf(p.stdout, "tenant %s, instance %s, application %s: %d departments, %d users\n",
		visible(string(o.TenantID)), visible(string(o.Instance)), visible(string(o.App)), o.Departments, o.Users)
	for _, line := range []struct {
		n    int64
		text string
	}{
		{o.Applied, would + " taken in"},
		{o.Stale, would + " left as they are: something newer was said of them"},
		{o.Parked, would + " parked: the subscription is not announced, or a parent is missing"},
		{o.Repeated, "were imported before, in the same words"},
	} {
		if line.n > 0 {
			fmt.Fprintf(p.stdout, "  %d %s\n", line.n, line.text)
		}
	}
	if !o.Done {
		fmt.Fprintln(p.stdout, "Nothing was changed; --apply does it.")
	}
}
