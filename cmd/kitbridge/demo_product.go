package main

import (
	"bytes"
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	_ "modernc.org/sqlite" // the product's database
)

//go:embed demo_product.html
var demoProductPage string

// demoProduct plays the legacy product: it knows nothing of sign-in. Who the user is it
// reads from headers, and its people from the tables that the bridge keeps in its
// database – as a product in PHP or Java would.
type demoProduct struct {
	db   *sql.DB
	page *template.Template
}

func openDemoProduct(path string) (*demoProduct, error) {
	page, err := template.New("product").Parse(demoProductPage)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)")
	if err != nil {
		return nil, fmt.Errorf("database of the product: %w", err)
	}
	return &demoProduct{db: db, page: page}, nil
}

// Close closes the product's database.
func (p *demoProduct) Close() error { return p.db.Close() }

type demoColleague struct{ Name, UserName, Department, Position string }

type demoDepartmentRow struct {
	Code, Name string
	Indent     int // levels below the top
	People     int
}

type demoView struct {
	Name, Department, Role, Company, UserName, Subject string
	Colleagues                                         []demoColleague
	Departments                                        []demoDepartmentRow
}

// ServeHTTP greets whoever the headers say it is.
func (p *demoProduct) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	view, err := p.view(r.Context(), r.Header)
	var page bytes.Buffer
	if err == nil {
		err = p.page.Execute(&page, view)
	}
	if err != nil {
		http.Error(w, "the product cannot read its database: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'")
	_, _ = w.Write(page.Bytes()) // the browser went away; there is nobody to tell
}

// identity reads one identity header. Its value is percent-encoded once.
func identity(h http.Header, name string) string {
	v, err := url.PathUnescape(h.Get(name))
	if err != nil {
		return ""
	}
	return v
}

func (p *demoProduct) view(ctx context.Context, h http.Header) (demoView, error) {
	v := demoView{
		Name: identity(h, "X-Auth-Name"), Role: identity(h, "X-Auth-Role"),
		UserName: identity(h, "X-Auth-User"), Subject: h.Get("X-Auth-Subject"), Department: identity(h, "X-Auth-Org"),
	}
	tenant := identity(h, "X-Auth-Tenant")
	if err := p.db.QueryRowContext(ctx, "SELECT name FROM kit_tenant WHERE tenant_id = ?", tenant).Scan(&v.Company); err != nil {
		return v, err
	}
	if err := p.departments(ctx, tenant, &v); err != nil {
		return v, err
	}
	return v, p.colleagues(ctx, tenant, &v)
}

func (p *demoProduct) departments(ctx context.Context, tenant string, v *demoView) error {
	rows, err := p.db.QueryContext(ctx, `SELECT d.org_code, d.name, d.depth,
		(SELECT COUNT(*) FROM kit_user u WHERE u.tenant_id = d.tenant_id AND u.org_code = d.org_code AND u.enabled)
		FROM kit_department d WHERE d.tenant_id = ? AND NOT d.parked ORDER BY d.path`, tenant)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	code := v.Department
	for rows.Next() {
		var d demoDepartmentRow
		var depth int
		if err := rows.Scan(&d.Code, &d.Name, &depth, &d.People); err != nil {
			return err
		}
		d.Indent = max(depth-1, 0)
		if d.Code == code {
			v.Department = d.Name
		}
		v.Departments = append(v.Departments, d)
	}
	return rows.Err()
}

func (p *demoProduct) colleagues(ctx context.Context, tenant string, v *demoView) error {
	rows, err := p.db.QueryContext(ctx, `SELECT u.name, u.user_name, COALESCE(d.name, u.org_code), COALESCE(u.position, '')
		FROM kit_user u LEFT JOIN kit_department d ON d.tenant_id = u.tenant_id AND d.org_code = u.org_code
		WHERE u.tenant_id = ? AND u.enabled ORDER BY d.path, u.user_name LIMIT 100`, tenant)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c demoColleague
		if err := rows.Scan(&c.Name, &c.UserName, &c.Department, &c.Position); err != nil {
			return err
		}
		v.Colleagues = append(v.Colleagues, c)
	}
	return rows.Err()
}

// Initial is the first character of the name, for the picture that nobody uploaded.
func (v demoView) Initial() string {
	for _, r := range strings.TrimSpace(v.Name) {
		return string(r)
	}
	return "?"
}
