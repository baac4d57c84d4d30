package sqlsink

import (
	"fmt"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Step is what is to be done to one row, for people and for scripts.
type Step struct {
	// Op is insert, update, disable (an update that takes access away) or delete.
	Op string
	// Table is its name with the prefix.
	Table string
	// Key is the tenant, department or user that it is about.
	Key orgsync.Key
	// Row is the rest of the primary key: of a user's row the userName, of a grant's userName,
	// instance and app.
	Row []string
	// Columns are those whose values change, or those of a row that is inserted.
	Columns []ColumnChange

	grant bool
}

// ColumnChange is one column of a row. NULL is the empty text.
type ColumnChange struct{ Column, From, To string }

// disable is an update after which the row opens nothing any more.
const disable = "disable"

// stepsOf tells a change.
func (s schema) stepsOf(c change) []Step {
	there := byID(c.have)
	out := make([]Step, 0, len(c.steps))
	for _, step := range c.steps {
		t := tableNamed(step.row.id().table)
		told := Step{Op: string(step.op), Table: s.prefix + t.name, Key: c.key, grant: t.name == grantTable}
		for _, v := range step.row.values()[1:t.keys] {
			told.Row = append(told.Row, textOf(v))
		}
		before, was := there[step.row.id()]
		if was && step.op == update && before.access() > 0 && step.row.access() == 0 {
			told.Op = disable
		}
		if step.op != remove {
			told.Columns = columnChanges(t, before, step.row)
		}
		out = append(out, told)
	}
	return out
}

// columnChanges compares two rows; before is nil where there is none, and then columns that
// stay empty are left out.
func columnChanges(t table, before, after row) []ColumnChange {
	var old []any
	if before != nil {
		old = before.values()
	}
	var out []ColumnChange
	for n, v := range after.values() {
		if n < t.keys {
			continue
		}
		c := ColumnChange{Column: t.columns[n].name, To: textOf(v)}
		if old != nil {
			c.From = textOf(old[n])
		}
		if c.From != c.To {
			out = append(out, c)
		}
	}
	return out
}

func textOf(v any) string { return fmt.Sprint(v) }
