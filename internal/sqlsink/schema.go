package sqlsink

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/kitbridge/kitbridge/orgsync"
)

// schemaVersion stands in kit_meta. It grows when a column is added; columns are only
// ever added.
const schemaVersion = 2

// kind is what a column holds.
type kind uint8

const (
	keyKind  kind = iota // compared byte for byte, 64 characters
	textKind             // up to size characters
	pathKind             // text without a limit worth checking
	flagKind
	intKind
	bigKind
	momentKind     // UTC, milliseconds
	nullMomentKind // the same or NULL
	dateKind       // a day or NULL
)

type column struct {
	name string
	kind kind
	size int // characters, of textKind
}

type table struct {
	name    string
	keys    int // how many of the columns, from the first, are the primary key
	columns []column
	indexes [][]string
}

func key(name string) column            { return column{name: name, kind: keyKind} }
func text(name string, size int) column { return column{name: name, kind: textKind, size: size} }
func of(name string, k kind) column     { return column{name: name, kind: k} }

// tables are the layout, kit_meta first: whoever has it owns the others. The columns of
// the state's tables are in the order of their rows' values, then updated_at.
func tables() []table {
	updated := of("updated_at", momentKind)
	return []table{
		{name: metaTable, keys: 1, columns: []column{
			of("id", intKind), text("owner", 255), of("schema_version", intKind), of("last_seq", bigKind), text("mark", 64),
		}},
		{name: tenantTable, keys: 1, columns: []column{
			key("tenant_id"), text("tenant_code", 255), text("name", 255), text("domain_name", 512), of("active", flagKind), updated,
		}},
		{name: departmentTable, keys: 2, columns: []column{
			key("tenant_id"), key("org_code"), text("name", 255), key("parent_code"), of("path", pathKind),
			of("depth", intKind), of("parked", flagKind), updated,
		}},
		{name: userTable, keys: 2, columns: []column{
			key("tenant_id"), key("user_name"), text("name", 255), key("org_code"), text("role", 32), of("enabled", flagKind),
			text("position", 255), text("employee_code", 255), text("employee_type", 16),
			text("mobile", 64), text("email", 255), text("work_place", 512), of("entry_date", dateKind),
			of("generation", bigKind), of("removed_at", nullMomentKind), updated,
		}, indexes: [][]string{{"tenant_id", "org_code"}, {"user_name"}}},
		{name: grantTable, keys: 4, columns: []column{
			key("tenant_id"), key("user_name"), key("instance_id"), key("app_id"),
			text("role", 32), of("enabled", flagKind), updated,
		}},
		{name: changeTable, keys: 1, columns: []column{
			of("seq", bigKind), key("tenant_id"), text("kind", 16), key("key"), text("op", 16), of("at", momentKind),
		}},
	}
}

func tableNamed(name string) table {
	for _, t := range tables() {
		if t.name == name {
			return t
		}
	}
	panic("sqlsink: no table " + name) // a slip in this package
}

// columnSize is how many characters a column of text holds.
func columnSize(tableName, columnName string) int {
	for _, c := range tableNamed(tableName).columns {
		switch {
		case c.name != columnName:
		case c.kind == keyKind:
			return orgsync.MaxKeyLength
		default:
			return c.size
		}
	}
	panic("sqlsink: no column " + columnName) // a slip in this package
}

// DDL returns the statements that make the tables, in the order in which they must be
// run. Prefix is 1 to 32 small letters, digits and '_', beginning with no digit.
func DDL(d Dialect, prefix string) ([]string, error) {
	s, err := newSchema(d, prefix)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, t := range tables() {
		all = append(all, s.create(t)...)
	}
	return all, nil
}

// schema writes SQL: one dialect, one prefix.
type schema struct {
	dialect
	prefix string
}

func newSchema(d Dialect, prefix string) (schema, error) {
	known, err := dialectNamed(d)
	if err != nil {
		return schema{}, err
	}
	if !regexp.MustCompile(`^[a-z_][a-z0-9_]{0,31}$`).MatchString(prefix) {
		return schema{}, fmt.Errorf("%q cannot begin a table's name: %w", prefix, orgsync.ErrInvalid)
	}
	return schema{dialect: known, prefix: prefix}, nil
}

func (s schema) name(tableName string) string { return s.quoted(s.prefix + tableName) }

func (s schema) create(t table) []string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE IF NOT EXISTS %s (\n", s.name(t.name))
	for _, c := range t.columns {
		fmt.Fprintf(&b, "  %s,\n", s.definition(t, c))
	}
	fmt.Fprintf(&b, "  PRIMARY KEY (%s)", s.list(names(t.columns[:t.keys])))
	var after []string
	for _, columns := range t.indexes {
		index := s.quoted(s.prefix + t.name + "_" + columns[len(columns)-1])
		if s.indexInline {
			fmt.Fprintf(&b, ",\n  INDEX %s (%s)", index, s.list(columns))
			continue
		}
		after = append(after, fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s (%s)", index, s.name(t.name), s.list(columns)))
	}
	fmt.Fprintf(&b, "\n)%s", s.tableOptions)
	return append([]string{b.String()}, after...)
}

// definition is a column as CREATE TABLE and ALTER TABLE want it. Every column outside
// a key has a default, so that it can be added to a table with rows.
func (s schema) definition(t table, c column) string {
	def := s.quoted(c.name) + " " + s.columnType(c)
	switch c.kind {
	case nullMomentKind, dateKind:
		return def + " NULL"
	case pathKind:
		return def + " NOT NULL" + s.pathDefault
	default:
	}
	def += " NOT NULL"
	for _, k := range t.columns[:t.keys] {
		if k.name == c.name {
			return def
		}
	}
	return def + " DEFAULT " + zeroText(c.kind)
}

func zeroText(k kind) string {
	switch k {
	case flagKind:
		return "FALSE"
	case intKind, bigKind:
		return "0"
	case momentKind:
		return "'1970-01-01 00:00:00.000'"
	default:
		return "''"
	}
}

// list quotes names and joins them by commas.
func (s schema) list(columnNames []string) string {
	quoted := make([]string, len(columnNames))
	for n, c := range columnNames {
		quoted[n] = s.quoted(c)
	}
	return strings.Join(quoted, ", ")
}

func names(columns []column) []string {
	out := make([]string, len(columns))
	for n, c := range columns {
		out[n] = c.name
	}
	return out
}
