package sqlsink

import "github.com/kitbridge/kitbridge/orgsync"

// operation is what a step does to its row; its text stands in the feed.
type operation string

const (
	insert operation = "insert"
	update operation = "update"
	remove operation = "delete"
)

// step is one row to be written or deleted.
type step struct {
	op  operation
	row row
}

// change is everything that one key needs; without steps it needs nothing.
type change struct {
	key   orgsync.Key
	have  []row // only in a plan
	want  []row
	steps []step
	// rank is its place in the work: see rankOf.
	rank rank
	// warnings name values that were left out.
	warnings []string
}

// op is what happened to the thing that the key names.
func (c change) op() operation {
	for _, s := range c.steps {
		if s.row.id().table == keyTable(c.key.Kind) {
			return s.op
		}
	}
	return update // only grants of the user
}

func keyTable(kind orgsync.KeyKind) string {
	switch kind {
	case orgsync.TenantKey:
		return tenantTable
	case orgsync.DepartmentKey:
		return departmentTable
	default:
		return userTable
	}
}

// diff says what turns the rows of one key into the wanted ones. It is pure, and empty
// exactly if they are equal.
func diff(have, want []row) []step {
	var steps []step
	there := byID(have)
	for _, w := range want {
		h, ok := there[w.id()]
		switch {
		case !ok:
			steps = append(steps, step{insert, w})
		case h != w:
			steps = append(steps, step{update, w})
		}
	}
	wanted := byID(want)
	for _, h := range have {
		if _, ok := wanted[h.id()]; !ok {
			steps = append(steps, step{remove, h})
		}
	}
	return steps
}

func byID(rows []row) map[rowID]row {
	m := make(map[rowID]row, len(rows))
	for _, r := range rows {
		m[r.id()] = r
	}
	return m
}

// rank orders changes: what takes access away goes first, what takes structure away
// last.
type rank uint8

const (
	reduceRank rank = iota
	tenantRank
	buildRank
	fillRank
	demolishRank
)

func rankOf(kind orgsync.KeyKind, have []row, steps []step) rank {
	there := byID(have)
	for _, s := range steps {
		before, after := 0, s.row.access()
		if h, ok := there[s.row.id()]; ok {
			before = h.access()
		}
		if s.op == remove {
			after = 0
		}
		if after < before {
			return reduceRank
		}
	}
	switch {
	case kind == orgsync.TenantKey:
		return tenantRank
	case kind == orgsync.UserKey:
		return fillRank
	case len(steps) > 0 && steps[0].op == remove:
		return demolishRank
	default:
		return buildRank
	}
}
