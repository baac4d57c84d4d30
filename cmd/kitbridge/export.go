package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

const exportLong = `Write the state – tenants, departments, users – to standard output:

  json   one object a line, with "kind": "tenant", "department" or "user"
  csv    one table with a first line of column names; kitbridge import reads it back
  ldif   the entries that a directory of the layout people has (RFC 2849), groups left
         out; --base-dn says below which entry (that of the first LDAP sink)

It is the state of now, personal data in full: keep it as you keep the database.
Removed users are in json and csv, with the status removed. In csv a cell that a
spreadsheet would take for a formula (it begins with = + - @) has a ' in front.

It reads only, and works beside a running serve.`

// exportPage is how many users are read at a time.
const exportPage = 500

// record is a line of an export, and of an import. Fields are only ever added.
type record struct {
	Kind         string `json:"kind"` // tenant, department or user
	TenantID     string `json:"tenant_id"`
	TenantCode   string `json:"tenant_code,omitempty"`
	DomainName   string `json:"domain_name,omitempty"`
	OrgCode      string `json:"org_code,omitempty"`    // of the department, or the user's
	ParentCode   string `json:"parent_code,omitempty"` // of a department
	UserName     string `json:"user_name,omitempty"`
	Name         string `json:"name"`
	Status       string `json:"status,omitempty"` // tenant: active, ended; department: placed, parked; user: enabled, disabled, removed
	Role         string `json:"role,omitempty"`
	Position     string `json:"position,omitempty"`
	EmployeeCode string `json:"employee_code,omitempty"`
	EmployeeType string `json:"employee_type,omitempty"`
	Mobile       string `json:"mobile,omitempty"`
	Email        string `json:"email,omitempty"`
	WorkPlace    string `json:"work_place,omitempty"`
	EntryDate    string `json:"entry_date,omitempty"`
}

// exporter writes records in one format.
type exporter interface {
	tenant(t orgsync.Tenant) error
	department(t orgsync.Tenant, d orgsync.PlacedDepartment) error
	user(t orgsync.Tenant, u orgsync.User) error
	end() error
}

func newExportCommand(p process) *cobra.Command {
	var file, format, tenant, base string
	c := &cobra.Command{
		Use:     "export --format ldif|csv|json",
		Short:   "Write the state to standard output",
		Long:    exportLong,
		Example: "  kitbridge export --format csv --tenant chenguang > chenguang.csv\n  kitbridge export --format json | jq -r 'select(.kind == \"user\") | .user_name'",
		GroupID: operating,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withDatabase(c.Context(), p, file, toRead, func(s *store.Store, cfg Config) error {
				out := bufio.NewWriter(screened(p.stdout))
				to, err := newExporter(out, format, base, cfg)
				if err != nil {
					return &usageError{fmt.Errorf("export: %w", err)}
				}
				if err := export(c.Context(), s, tenant, to); err != nil {
					return fmt.Errorf("export: %w", err)
				}
				return out.Flush()
			})
		},
	}
	configFlag(c, &file)
	c.Flags().StringVar(&format, "format", "", "ldif, csv or json (required)")
	c.Flags().StringVar(&tenant, "tenant", "", "one tenant only, by id or code")
	c.Flags().StringVar(&base, "base-dn", "", "ldif: the entry below which the tenants stand")
	return c
}

func newExporter(out *bufio.Writer, format, base string, cfg Config) (exporter, error) {
	if base != "" && format != "ldif" {
		return nil, errors.New("--base-dn: is for --format ldif only")
	}
	switch format {
	case "json":
		return &jsonExporter{out: out}, nil
	case "csv":
		return newCSVExporter(out)
	case "ldif":
		if base == "" {
			for _, c := range cfg.Sinks {
				if c.Type != sinkSQL && base == "" {
					base = c.BaseDN
				}
			}
		}
		if base == "" {
			return nil, errors.New("--base-dn: is required, as no LDAP sink is configured")
		}
		dn, err := ldapsink.ParseDN(base)
		if err != nil {
			return nil, fmt.Errorf("--base-dn: %w", err)
		}
		return &ldifExporter{out: out, base: dn}, nil
	default:
		return nil, errors.New("--format: wants ldif, csv or json")
	}
}

// export writes one tenant, or all.
func export(ctx context.Context, s *store.Store, tenant string, to exporter) error {
	var only orgsync.TenantID
	if tenant != "" {
		t, err := findTenant(ctx, s, tenant)
		if err != nil {
			return err
		}
		only = t.ID
	}
	if err := everyItem(ctx, s.ListTenants, only, func(i store.TenantItem) error { return exportTenant(ctx, s, i, to) }); err != nil {
		return err
	}
	return to.end()
}

func exportTenant(ctx context.Context, s *store.Store, i store.TenantItem, to exporter) error {
	t := orgsync.Tenant{ID: i.ID, Active: i.Active, Announced: i.Announced}
	view := s.View(i.ID)
	if i.Announced {
		var err error
		if t, err = view.Tenant(ctx); err != nil {
			return err
		}
	}
	if err := to.tenant(t); err != nil {
		return err
	}
	// The lists have the keys; their texts are cut and redacted, so the state is read.
	departments, err := departmentsOf(ctx, s, view, i.ID)
	if err != nil {
		return err
	}
	for _, d := range departments {
		if err := to.department(t, d); err != nil {
			return err
		}
	}
	return inBatches(exportPage, func(add func(orgsync.UserName) error) error {
		return everyItem(ctx, s.ListUsers, i.ID, func(u store.UserItem) error { return add(u.User) })
	}, func(names []orgsync.UserName) error {
		found, err := view.Users(ctx, names)
		if err != nil {
			return err
		}
		for _, name := range names {
			if u, ok := found[name]; ok && u.Status != orgsync.StatusAbsent {
				if err := to.user(t, u); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// departmentsOf reads the departments of a tenant, those above before those below.
func departmentsOf(ctx context.Context, s *store.Store, view orgsync.View, id orgsync.TenantID) ([]orgsync.PlacedDepartment, error) {
	var all []orgsync.PlacedDepartment
	err := inBatches(exportPage, func(add func(orgsync.OrgCode) error) error {
		return everyItem(ctx, s.ListDepartments, id, func(d store.DepartmentItem) error { return add(d.Code) })
	}, func(codes []orgsync.OrgCode) error {
		found, err := view.Departments(ctx, codes)
		all = slices.AppendSeq(all, maps.Values(found))
		return err
	})
	slices.SortFunc(all, func(a, b orgsync.PlacedDepartment) int {
		return cmp.Or(len(a.Path)-len(b.Path), strings.Compare(string(a.Code), string(b.Code)))
	})
	return all, err
}

// inBatches calls do with what each adds, up to n at a time.
func inBatches[K any](n int, each func(add func(K) error) error, do func([]K) error) error {
	batch := make([]K, 0, n)
	err := each(func(k K) error {
		batch = append(batch, k)
		if len(batch) < n {
			return nil
		}
		err := do(batch)
		batch = batch[:0]
		return err
	})
	if err != nil || len(batch) == 0 {
		return err
	}
	return do(batch)
}
