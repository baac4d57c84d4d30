package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	// usersPerPush is how long the lists of the marketplace are (access guide, authSync).
	usersPerPush    = 500
	maxImportFaults = 20
)

// importFaults collects what cannot be read, each with its place.
type importFaults struct {
	name string
	all  []error
	more int
}

func (f *importFaults) add(line int, format string, args ...any) {
	if len(f.all) == maxImportFaults {
		f.more++
		return
	}
	f.all = append(f.all, fmt.Errorf("%s:%d: %s", f.name, line, fmt.Sprintf(format, args...)))
}

func (f *importFaults) err() error {
	if f.more > 0 {
		return errors.Join(append(f.all, fmt.Errorf("and %d more", f.more))...)
	}
	return errors.Join(f.all...)
}

// parseRecords reads CSV or JSON, whichever the text is, and returns the departments and
// users in it; or all that is wrong with it.
func parseRecords(name string, text []byte) ([]record, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	f := &importFaults{name: name}
	var all []record
	var lines []int
	if first := bytes.TrimSpace(text); len(first) > 0 && (first[0] == '{' || first[0] == '[') {
		all, lines = parseJSONRecords(text, f)
	} else {
		all, lines = parseCSVRecords(text, f)
	}
	var wanted []record
	seen := map[string]int{}
	for n, r := range all {
		if !r.settle() {
			continue
		}
		r.check(lines[n], f)
		id := r.Kind + "\x00" + r.UserName
		if r.Kind == "department" {
			id = r.Kind + "\x00" + r.OrgCode
		}
		if before, again := seen[id]; again {
			f.add(lines[n], "is the same %s as line %d", r.Kind, before)
		}
		seen[id] = lines[n]
		wanted = append(wanted, r)
	}
	return wanted, f.err()
}

// parseCSVRecords reads RFC 4180 with a first line of column names.
func parseCSVRecords(text []byte, f *importFaults) (all []record, lines []int) {
	in := csv.NewReader(bytes.NewReader(text))
	heading, err := in.Read()
	if err != nil {
		f.add(1, "has no line of column names")
		return nil, nil
	}
	known := map[string]csvColumn{}
	for _, c := range csvColumns() {
		known[c.name] = c
	}
	var columns []csvColumn
	for _, name := range heading {
		c, ok := known[strings.TrimSpace(name)]
		if !ok {
			f.add(1, "column %q is not known; %s", visible(name), suggestColumn(name))
		}
		columns = append(columns, c)
	}
	if len(f.all) > 0 {
		return nil, nil
	}
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			return all, lines
		}
		line, _ := in.FieldPos(0)
		if parse, ok := errors.AsType[*csv.ParseError](err); ok {
			f.add(parse.Line, "%s", parse.Err)
			return nil, nil
		}
		if err != nil {
			f.add(line, "%s", err)
			return nil, nil
		}
		var r record
		for n, cell := range cells {
			*columns[n].of(&r) = unquoteFormula(cell)
		}
		all, lines = append(all, r), append(lines, line)
	}
}

// parseJSONRecords reads objects below each other, or a list of them.
func parseJSONRecords(text []byte, f *importFaults) (all []record, lines []int) {
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	isList := bytes.HasPrefix(bytes.TrimSpace(text), []byte("["))
	if isList {
		_, _ = in.Token() // the bracket was seen
	}
	for !isList || in.More() {
		var r record
		before := in.InputOffset()
		err := in.Decode(&r)
		if errors.Is(err, io.EOF) && !isList {
			return all, lines
		}
		line := 1 + bytes.Count(text[:before], []byte("\n"))
		if rest := bytes.TrimLeft(text[before:], " \t\r\n,"); len(rest) > 0 {
			line = 1 + bytes.Count(text[:len(text)-len(rest)], []byte("\n"))
		}
		if err != nil {
			f.add(line, "%s", jsonFault(err))
			return nil, nil
		}
		all, lines = append(all, r), append(lines, line)
	}
	return all, lines
}

// jsonFault says what is wrong with an object of the file.
func jsonFault(err error) string {
	text := strings.TrimPrefix(err.Error(), "json: ")
	if quoted, ok := strings.CutPrefix(text, "unknown field "); ok {
		if name, err := strconv.Unquote(quoted); err == nil {
			return fmt.Sprintf("field %q is not known; %s", visible(name), suggestColumn(name))
		}
	}
	return text
}

// suggestColumn says what to do about a column that there is not.
func suggestColumn(name string) string {
	var names []string
	for _, c := range csvColumns() {
		names = append(names, c.name)
	}
	if near := nearest(strings.TrimSpace(name), names); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "rename it or leave it out; kitbridge import --help has the names"
}

// settle fills in the kind and says whether the record is imported.
func (r *record) settle() bool {
	if r.Kind == "" {
		r.Kind = "department"
		if r.UserName != "" {
			r.Kind = "user"
		}
	}
	return r.Kind != "tenant" && (r.Kind != "user" || r.Status != orgsync.StatusRemoved.String())
}

func (r *record) check(line int, f *importFaults) {
	key := func(column, value string) {
		if err := orgsync.CheckKey(value); err != nil {
			f.add(line, "%s %s", column, err)
		}
	}
	switch r.Kind {
	case "user":
		key("user_name", r.UserName)
		if r.OrgCode != "" {
			key("org_code", r.OrgCode)
		}
		if r.Role != "" && r.Role != string(orgsync.RoleUser) && r.Role != string(orgsync.RoleAdmin) {
			f.add(line, "role is neither user nor admin")
		}
		if r.Status != "" && r.Status != orgsync.StatusEnabled.String() && r.Status != orgsync.StatusDisabled.String() {
			f.add(line, "status is neither enabled nor disabled")
		}
	case "department":
		key("org_code", r.OrgCode)
		if r.ParentCode != "" {
			key("parent_code", r.ParentCode)
		}
	default:
		f.add(line, "kind is neither user nor department")
	}
}

// attributes are what the record says of a user. What it does not say stays unsaid.
func (r *record) attributes() orgsync.Attributes {
	role, enable := r.Role, "true"
	if role == "" {
		role = string(orgsync.RoleUser)
	}
	if r.Status == orgsync.StatusDisabled.String() {
		enable = "false"
	}
	as := orgsync.Attributes{}.Set(orgsync.AttrRole, role).Set(orgsync.AttrEnable, enable).Set(orgsync.AttrName, r.Name)
	for _, a := range []struct {
		attribute orgsync.Attribute
		value     string
	}{
		{orgsync.AttrOrgCode, r.OrgCode},
		{orgsync.AttrPosition, r.Position},
		{orgsync.AttrEmployeeCode, r.EmployeeCode},
		{orgsync.AttrEmployeeType, r.EmployeeType},
		{orgsync.AttrMobile, r.Mobile},
		{orgsync.AttrEmail, r.Email},
		{orgsync.AttrWorkPlace, r.WorkPlace},
		{orgsync.AttrEntryDate, r.EntryDate},
	} {
		if a.value != "" {
			as = as.Set(a.attribute, a.value)
		}
	}
	return as
}

// oldest is when imported statements were made: before anything the marketplace says.
func oldest() time.Time { return time.UnixMilli(1).UTC() }

// pushes turns the records into messages as the marketplace might have sent them long
// ago. Their second time is now, so that a later import wins over an earlier one. The
// list of departments only adds; it says nothing about others.
func (i *importer) pushes(records []record, now time.Time) ([]orgsync.Push, error) {
	base := orgsync.Message{Flag: orgsync.FlagAdd, Tenant: i.tenant, Instance: i.instance, App: i.app, At: oldest(), Stamp: now}
	var departments []orgsync.DepartmentChange
	var users []orgsync.UserChange
	for _, r := range records {
		if r.Kind == "department" {
			departments = append(departments, orgsync.DepartmentChange{
				Code: orgsync.OrgCode(r.OrgCode), Name: r.Name, Parent: orgsync.OrgCode(r.ParentCode),
			})
			continue
		}
		users = append(users, orgsync.UserChange{Name: orgsync.UserName(r.UserName), Attributes: r.attributes()})
	}
	var messages []orgsync.Message
	if len(departments) > 0 {
		m := base
		m.Kind, m.App, m.Departments, m.AddOnly = orgsync.AllOrgSync, "", departments, true
		messages = append(messages, m)
	}
	for chunk := range slices.Chunk(users, usersPerPush) {
		m := base
		m.Kind, m.Users = orgsync.AuthSync, chunk
		messages = append(messages, m)
	}
	return journalled(messages, now)
}

// journalled gives each message its body and its place in the journal. Both depend on
// what is said alone, so the same import finds itself there.
func journalled(messages []orgsync.Message, now time.Time) ([]orgsync.Push, error) {
	pushes := make([]orgsync.Push, 0, len(messages))
	content := sha256.New()
	for _, m := range messages {
		body, err := importBody(m)
		if err != nil {
			return nil, err
		}
		content.Write(body)
		pushes = append(pushes, orgsync.Push{
			Message: m, Kind: m.Kind, Digest: sha256.Sum256(body), Body: body, Signed: now, Received: now, Candidate: "import",
		})
	}
	sum := hex.EncodeToString(content.Sum(nil))
	for n := range pushes {
		pushes[n].Nonce = fmt.Sprintf("import:%s:%d", sum, n)
	}
	return pushes, nil
}

// importBody is the message in the form of the marketplace's (access guide, authSync and
// allOrgSync), without times.
func importBody(m orgsync.Message) ([]byte, error) {
	body := map[string]any{"instanceId": m.Instance, "tenantId": m.Tenant}
	if m.Kind == orgsync.AllOrgSync {
		list := make([]map[string]string, 0, len(m.Departments))
		for _, d := range m.Departments {
			list = append(list, map[string]string{"orgCode": string(d.Code), "orgName": d.Name, "parentCode": string(d.Parent)})
		}
		body["orgInfoList"] = list
		return json.Marshal(body)
	}
	list := make([]map[string]string, 0, len(m.Users))
	for _, u := range m.Users {
		text, err := json.Marshal(u.Attributes)
		if err != nil {
			return nil, err
		}
		said := map[string]string{}
		if err := json.Unmarshal(text, &said); err != nil {
			return nil, err
		}
		said["userName"] = string(u.Name)
		list = append(list, said)
	}
	body["appId"], body["flag"], body["userList"] = m.App, int(orgsync.FlagAdd), list
	return json.Marshal(body)
}
