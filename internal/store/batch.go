package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// inList is the right side of an IN: the texts of one JSON array. One parameter, however
// many texts there are, so that the statement is prepared once.
const inList = "(" + eachText + ")"

// jsonList writes the parameter of inList. The texts are keys of package orgsync, so
// they are UTF-8 without control characters; another one finds nothing.
func jsonList[T ~string](items []T) (string, error) {
	if items == nil || slices.ContainsFunc(items, holdsNUL) {
		items = slices.DeleteFunc(append([]T{}, items...), holdsNUL)
	}
	b, err := json.Marshal(items)
	return string(b), err
}

// holdsNUL says what no JSON of PostgreSQL may hold.
func holdsNUL[T ~string](s T) bool { return strings.IndexByte(string(s), 0) >= 0 }

// columnType is what a column of an [insertion] holds.
type columnType byte

const (
	numbers columnType = iota
	texts
	blobs
)

func (t columnType) postgres() string {
	switch t {
	case numbers:
		return "BIGINT[]"
	case texts:
		return "TEXT[]"
	case blobs:
		return "BYTEA[]"
	}
	panic("store: unknown type of a column")
}

// insertion is an INSERT of many rows.
type insertion struct {
	head    string // what stands before the rows
	columns []columnType
	// key is how many columns, from the first, tell one row from another.
	key  int
	tail string // what stands after the rows
}

// insertInChunks inserts rows whose values stand one after the other, the later of two
// with one key last. It suits a database that is in the process: statements are short and
// prepared once. after are the parameters of the tail.
func insertInChunks(ctx context.Context, c conn, i insertion, values []any, after []any) error {
	for _, rows := range chunkSizes() {
		size := rows * len(i.columns)
		if len(values) < size {
			continue
		}
		query := i.chunk(rows)
		for len(values) >= size {
			if _, err := c.exec(ctx, query, slices.Concat(values[:size], after)...); err != nil {
				return err
			}
			values = values[size:]
		}
	}
	return nil
}

// chunkSizes are the row counts that statements are prepared for, so that there are
// few of them and each of them carries many rows.
func chunkSizes() []int { return []int{64, 8, 1} }

// chunk is the statement for that many rows.
func (i insertion) chunk(rows int) string {
	row := "(" + strings.Repeat("?, ", len(i.columns)-1) + "?)"
	return i.head + " VALUES " + strings.Repeat(row+", ", rows-1) + row + " " + i.tail
}

// arrays is the statement for any number of rows: a parameter is a column, and one round
// trip carries all. The columns have the names that VALUES would give them.
func (i insertion) arrays() string {
	params, names := make([]string, 0, len(i.columns)), make([]string, 0, len(i.columns))
	for n, t := range i.columns {
		params = append(params, "CAST(? AS "+t.postgres()+")")
		names = append(names, fmt.Sprintf("column%d", n+1))
	}
	return i.head + " SELECT * FROM unnest(" + strings.Join(params, ", ") + ") AS r (" + strings.Join(names, ", ") + ") " + i.tail
}

// arrayArgs turns rows into columns. Of two rows with one key it keeps the later: one
// statement of PostgreSQL does not change a row twice.
func (i insertion) arrayArgs(values []any) ([]any, error) {
	width := len(i.columns)
	seen := make(map[string]bool, len(values)/width)
	kept := make([][]any, 0, len(values)/width)
	for end := len(values); end >= width; end -= width {
		row, err := postgresArgs(values[end-width : end])
		if err != nil {
			return nil, err
		}
		key := fmt.Sprintf("%#v", row[:i.key]) // %q would write a number as the letter it may not be
		if !seen[key] {
			seen[key] = true
			kept = append(kept, row)
		}
	}
	slices.Reverse(kept)
	args := make([]any, 0, width)
	for n, t := range i.columns {
		column, err := columnOf(t, kept, n)
		if err != nil {
			return nil, err
		}
		args = append(args, column)
	}
	return args, nil
}

func columnOf(t columnType, rows [][]any, n int) (any, error) {
	switch t {
	case numbers:
		return collectColumn[int64](rows, n)
	case texts:
		return collectColumn[string](rows, n)
	case blobs:
		return collectColumn[[]byte](rows, n)
	}
	panic("store: unknown type of a column")
}

func collectColumn[T any](rows [][]any, n int) ([]T, error) {
	column := make([]T, 0, len(rows))
	for _, row := range rows {
		v, ok := row[n].(T)
		if !ok {
			return nil, fmt.Errorf("column %d holds a %T", n+1, row[n])
		}
		column = append(column, v)
	}
	return column, nil
}
