package store

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
)

// inList is the right side of an IN: the texts of one JSON array. One parameter, however
// many texts there are, so that the statement is prepared once.
const inList = "(SELECT value FROM json_each(?))"

// jsonList writes the parameter of inList. The texts are keys of package orgsync, so
// they are UTF-8 without control characters; another one finds nothing.
func jsonList[T ~string](items []T) (string, error) {
	b, err := json.Marshal(items)
	return string(b), err
}

// insertion is an INSERT of many rows.
type insertion struct {
	head    string // what stands before the rows
	columns int
	tail    string // what stands after them
}

// chunkSizes are the row counts that statements are prepared for, so that there are
// few of them and each of them carries many rows.
func chunkSizes() []int { return []int{64, 8, 1} }

// run inserts rows whose values stand one after the other. after are the parameters of
// the tail.
func (i insertion) run(ctx context.Context, c conn, values []any, after ...any) error {
	for _, rows := range chunkSizes() {
		size := rows * i.columns
		if len(values) < size {
			continue
		}
		query := i.text(rows)
		for len(values) >= size {
			if _, err := c.exec(ctx, query, slices.Concat(values[:size], after)...); err != nil {
				return err
			}
			values = values[size:]
		}
	}
	return nil
}

func (i insertion) text(rows int) string {
	row := "(" + strings.Repeat("?, ", i.columns-1) + "?)"
	return i.head + " " + strings.Repeat(row+", ", rows-1) + row + " " + i.tail
}
