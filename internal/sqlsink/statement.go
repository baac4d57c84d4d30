package sqlsink

import (
	"fmt"
	"strings"
)

// batch is the most keys of one transaction, and the most rows of one statement: far
// below the 32 766 parameters that SQLite takes, the fewest of all.
const batch = 500

// selectRows reads the tenant's rows of a table. With more than one key column the
// second is looked for in a list of n.
func (s schema) selectRows(t table, n int) string {
	columns := names(t.columns[:len(t.columns)-1]) // without updated_at
	q := fmt.Sprintf("SELECT %s FROM %s WHERE %s = ?", s.list(columns), s.name(t.name), s.quoted(columns[0]))
	if t.keys > 1 {
		q += fmt.Sprintf(" AND %s IN (%s%s%s)", s.quoted(columns[1]), s.inBefore, strings.Trim(marks(n), "()"), s.inAfter)
	}
	return s.bind(q)
}

// insertRows adds n rows. A row that is there already is refused, whatever unique index
// says so: only rows that were read before are updated.
func (s schema) insertRows(t table, n int) string {
	return s.bind(s.insertText(t, n))
}

func (s schema) insertText(t table, n int) string {
	columns := names(t.columns)
	values := strings.Repeat(marks(len(columns))+", ", n)
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES %s", s.name(t.name), s.list(columns), strings.TrimSuffix(values, ", "))
}

// updateRows sets n rows that are there. Columns of the product's stay as they are.
func (s schema) updateRows(t table, n int) string {
	var sets []string
	for _, c := range t.columns[t.keys:] {
		name := s.quoted(c.name)
		if s.onConflict {
			sets = append(sets, name+" = excluded."+name)
		} else {
			sets = append(sets, name+" = VALUES("+name+")")
		}
	}
	clause := " ON DUPLICATE KEY UPDATE "
	if s.onConflict {
		clause = fmt.Sprintf(" ON CONFLICT (%s) DO UPDATE SET ", s.list(names(t.columns[:t.keys])))
	}
	return s.bind(s.insertText(t, n) + clause + strings.Join(sets, ", "))
}

// deleteRows deletes n rows.
func (s schema) deleteRows(t table, n int) string {
	var one []string
	for _, c := range t.columns[:t.keys] {
		one = append(one, s.quoted(c.name)+" = ?")
	}
	where := strings.TrimSuffix(strings.Repeat("("+strings.Join(one, " AND ")+") OR ", n), " OR ")
	return s.bind(fmt.Sprintf("DELETE FROM %s WHERE %s", s.name(t.name), where))
}

// lockMeta holds the one row of kit_meta until the transaction ends.
func (s schema) lockMeta() string {
	return s.selectMeta() + s.lock
}

func (s schema) selectMeta() string {
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s = 1", s.list([]string{"owner", "schema_version", "last_seq", "mark"}), s.name(metaTable), s.quoted("id"))
}

func (s schema) insertMeta() string { return s.insertRows(tableNamed(metaTable), 1) }

// setMeta takes the feed's last number, the owner and the mark.
func (s schema) setMeta() string {
	return s.bind(fmt.Sprintf("UPDATE %s SET %s = ?, %s = ?, %s = ? WHERE %s = 1", s.name(metaTable),
		s.quoted("last_seq"), s.quoted("owner"), s.quoted("mark"), s.quoted("id")))
}
