package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"strings"

	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

func tenantRecord(t orgsync.Tenant) record {
	status := "active"
	switch {
	case !t.Announced:
		status = "waits"
	case !t.Active:
		status = "ended"
	}
	return record{
		Kind: "tenant", TenantID: string(t.ID), TenantCode: t.Code, DomainName: t.Domain, Name: t.Name, Status: status,
	}
}

func departmentRecord(t orgsync.Tenant, d orgsync.PlacedDepartment) record {
	status := "placed"
	if !d.Placed {
		status = "parked"
	}
	return record{
		Kind: "department", TenantID: string(t.ID), OrgCode: string(d.Code), ParentCode: string(d.Parent), Name: d.Name, Status: status,
	}
}

func userRecord(t orgsync.Tenant, u orgsync.User) record {
	as := u.Attributes
	return record{
		Kind: "user", TenantID: string(t.ID), UserName: string(u.Name), Name: as.Value(orgsync.AttrName),
		OrgCode: as.Value(orgsync.AttrOrgCode), Status: u.Status.String(), Role: string(u.Role),
		Position: as.Value(orgsync.AttrPosition), EmployeeCode: as.Value(orgsync.AttrEmployeeCode),
		EmployeeType: as.Value(orgsync.AttrEmployeeType), Mobile: as.Value(orgsync.AttrMobile),
		Email: as.Value(orgsync.AttrEmail), WorkPlace: as.Value(orgsync.AttrWorkPlace), EntryDate: as.Value(orgsync.AttrEntryDate),
	}
}

// jsonExporter writes JSON Lines.
type jsonExporter struct{ out *bufio.Writer }

func (e *jsonExporter) write(r record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = e.out.WriteString(safeJSON(string(text)) + "\n")
	return err
}

func (e *jsonExporter) tenant(t orgsync.Tenant) error { return e.write(tenantRecord(t)) }
func (e *jsonExporter) department(t orgsync.Tenant, d orgsync.PlacedDepartment) error {
	return e.write(departmentRecord(t, d))
}

func (e *jsonExporter) user(t orgsync.Tenant, u orgsync.User) error { return e.write(userRecord(t, u)) }
func (e *jsonExporter) end() error                                  { return nil }

// csvColumn is a column of the table that export writes and import reads.
type csvColumn struct {
	name string
	of   func(*record) *string
}

func csvColumns() []csvColumn {
	return []csvColumn{
		{"kind", func(r *record) *string { return &r.Kind }},
		{"tenant_id", func(r *record) *string { return &r.TenantID }},
		{"tenant_code", func(r *record) *string { return &r.TenantCode }},
		{"domain_name", func(r *record) *string { return &r.DomainName }},
		{"org_code", func(r *record) *string { return &r.OrgCode }},
		{"parent_code", func(r *record) *string { return &r.ParentCode }},
		{"user_name", func(r *record) *string { return &r.UserName }},
		{"name", func(r *record) *string { return &r.Name }},
		{"status", func(r *record) *string { return &r.Status }},
		{"role", func(r *record) *string { return &r.Role }},
		{"position", func(r *record) *string { return &r.Position }},
		{"employee_code", func(r *record) *string { return &r.EmployeeCode }},
		{"employee_type", func(r *record) *string { return &r.EmployeeType }},
		{"mobile", func(r *record) *string { return &r.Mobile }},
		{"email", func(r *record) *string { return &r.Email }},
		{"work_place", func(r *record) *string { return &r.WorkPlace }},
		{"entry_date", func(r *record) *string { return &r.EntryDate }},
	}
}

// csvExporter writes RFC 4180.
type csvExporter struct{ out *csv.Writer }

func newCSVExporter(out *bufio.Writer) (*csvExporter, error) {
	e := &csvExporter{csv.NewWriter(out)}
	var names []string
	for _, c := range csvColumns() {
		names = append(names, c.name)
	}
	return e, e.out.Write(names)
}

func (e *csvExporter) write(r record) error {
	var cells []string
	for _, c := range csvColumns() {
		cells = append(cells, quoteFormula(*c.of(&r)))
	}
	return e.out.Write(cells)
}

func (e *csvExporter) tenant(t orgsync.Tenant) error { return e.write(tenantRecord(t)) }
func (e *csvExporter) department(t orgsync.Tenant, d orgsync.PlacedDepartment) error {
	return e.write(departmentRecord(t, d))
}

func (e *csvExporter) user(t orgsync.Tenant, u orgsync.User) error { return e.write(userRecord(t, u)) }

func (e *csvExporter) end() error {
	e.out.Flush()
	return e.out.Error()
}

// quoteFormula puts a ' before what a spreadsheet would take for a formula, and before a
// ' of one's own, so that unquoteFormula finds the text again.
func quoteFormula(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@'", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// unquoteFormula is the inverse of quoteFormula.
func unquoteFormula(cell string) string {
	if len(cell) > 1 && cell[0] == '\'' && strings.ContainsRune("=+-@'", rune(cell[1])) {
		return cell[1:]
	}
	return cell
}

// ldifExporter writes records that add entries, those above before those below.
type ldifExporter struct {
	out   *bufio.Writer
	base  ldapsink.DN
	begun bool
}

const ldifVersion = "version: 1\n"

func (e *ldifExporter) write(dn ldapsink.DN, as ldapsink.Attributes) error {
	for name, values := range as {
		if len(values) == 0 || values[0] == "" {
			delete(as, name) // no entry has an empty value (RFC 4512, section 2.5.1)
		}
	}
	var text strings.Builder
	if err := ldapsink.WriteLDIF(&text, []ldapsink.Operation{{Kind: ldapsink.Add, DN: dn, Attributes: as}}); err != nil {
		return err
	}
	record := text.String()
	if e.begun { // the version stands once, at the beginning (RFC 2849)
		record = "\n" + strings.TrimPrefix(record, ldifVersion)
	}
	e.begun = true
	_, err := e.out.WriteString(record)
	return err
}

func (e *ldifExporter) top(t orgsync.Tenant) ldapsink.DN { return e.base.Child("ou", string(t.ID)) }

func unit(dn ldapsink.DN, more ldapsink.Attributes) ldapsink.Attributes {
	more["objectClass"], more["ou"] = []string{"top", "organizationalUnit"}, []string{dn.Value()}
	return more
}

func (e *ldifExporter) tenant(t orgsync.Tenant) error {
	if !t.Announced {
		return nil // no directory holds anything of it yet
	}
	if err := e.write(e.top(t), unit(e.top(t), ldapsink.Attributes{"description": {t.Name}})); err != nil {
		return err
	}
	for _, name := range []string{"people", "disabled", "departments", "pending"} {
		dn := e.top(t).Child("ou", name)
		if err := e.write(dn, unit(dn, ldapsink.Attributes{})); err != nil {
			return err
		}
	}
	return nil
}

func (e *ldifExporter) department(t orgsync.Tenant, d orgsync.PlacedDepartment) error {
	if !t.Announced {
		return nil
	}
	dn, path := e.top(t).Child("ou", "departments"), d.Path
	if !d.Placed {
		dn = e.top(t).Child("ou", "pending")
		if strings.HasPrefix(d.Reason, "cycle") {
			path = path[len(path)-1:] // a circle has no top
		}
	}
	for _, code := range path {
		dn = dn.Child("ou", string(code))
	}
	return e.write(dn, unit(dn, ldapsink.Attributes{"description": {d.Name}, "businessCategory": {string(d.Code)}}))
}

func (e *ldifExporter) user(t orgsync.Tenant, u orgsync.User) error {
	if !t.Announced || u.Status == orgsync.StatusRemoved {
		return nil
	}
	where := "disabled"
	if t.Active && u.Status == orgsync.StatusEnabled {
		where = "people"
	}
	r := userRecord(t, u)
	full := r.Name
	if full == "" {
		full = r.UserName // cn and sn are required (RFC 4519, section 3.12)
	}
	as := ldapsink.Attributes{
		"objectClass": {"top", "person", "organizationalPerson", "inetOrgPerson"},
		"uid":         {r.UserName}, "cn": {full}, "sn": {full}, "displayName": {r.Name}, "o": {r.TenantID},
		"departmentNumber": {r.OrgCode}, "title": {r.Position}, "employeeNumber": {r.EmployeeCode},
		"mobile": {r.Mobile}, "mail": {r.Email}, "physicalDeliveryOfficeName": {r.WorkPlace},
		"employeeType": {employeeTypeWord(r.EmployeeType)},
	}
	return e.write(e.top(t).Child("ou", where).Child("uid", r.UserName), as)
}

func (e *ldifExporter) end() error {
	if e.begun {
		return nil
	}
	_, err := e.out.WriteString(ldifVersion)
	return err
}

// employeeTypeWord is the word that the directory has for a type of the marketplace
// (marketplace access guide, authSync), or nothing.
func employeeTypeWord(kind string) string {
	switch kind {
	case "1":
		return "regular"
	case "2":
		return "intern"
	case "3":
		return "dispatched"
	case "4":
		return "outsourced"
	default:
		return ""
	}
}
