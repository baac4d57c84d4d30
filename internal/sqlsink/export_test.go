package sqlsink

import "github.com/kitbridge/kitbridge/orgsync"

// The private doors of the tests.
type (
	Row           = row
	TenantRow     = tenantRow
	DepartmentRow = departmentRow
	UserRow       = userRow
	GrantRow      = grantRow
)

// RowID tells rows of different things apart.
func RowID(r Row) rowID { return r.id() }

// ApplyDiff applies the difference of two sets of rows to the first.
func ApplyDiff(have, want []Row) map[Row]bool {
	byKey := byID(have)
	for _, s := range diff(have, want) {
		if s.op == remove {
			delete(byKey, s.row.id())
			continue
		}
		byKey[s.row.id()] = s.row
	}
	out := make(map[Row]bool, len(byKey))
	for _, r := range byKey {
		out[r] = true
	}
	return out
}

// DiffSize is the number of steps from have to want.
func DiffSize(have, want []Row) int { return len(diff(have, want)) }

// PathText is the column path.
func PathText(codes ...orgsync.OrgCode) string { return pathText(codes) }

// ParseDate reads a day of entry.
func ParseDate(text string) (string, bool) {
	d, ok := parseDate(text)
	return string(d), ok
}

// Flavour reads a server's version.
func Flavour(version string) (Dialect, error) { return flavour(version) }

// Translate is the border where errors of drivers enter.
func Translate(err error) error { return translate(err) }
