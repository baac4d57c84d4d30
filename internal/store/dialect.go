package store

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The statements of this package are written once, in what SQLite and PostgreSQL have in
// common. What stands in the constants below is the rest: it is translated when a
// statement is prepared.
const (
	// lockShared and lockRow hold a row until the transaction ends. SQLite has one
	// transaction that writes and needs neither. NO KEY: a row that refers to the one
	// that is held may be written.
	lockShared = " FOR SHARE"
	lockRow    = " FOR NO KEY UPDATE"
	lockLane   = " FOR NO KEY UPDATE OF l"
	skipLocked = " SKIP LOCKED"

	// eachText and eachValue are the elements of a JSON array as rows, in a column
	// value; value ->> n is the n-th text of one that is an array itself.
	eachText          = "SELECT value FROM json_each(?)"
	eachTextPostgres  = "SELECT value FROM jsonb_array_elements_text(CAST(? AS JSONB))"
	eachValue         = "json_each(?)"
	eachValuePostgres = "jsonb_array_elements(CAST(? AS JSONB))"
	// eachOwed joins the texts of o.items as rows of e.
	eachOwed         = "CROSS JOIN json_each(o.items) e"
	eachOwedPostgres = "CROSS JOIN jsonb_array_elements_text(CAST(o.items AS JSONB)) e (value)"
)

// sqliteText is a statement as SQLite has it.
func sqliteText(query string) string {
	return strings.NewReplacer(skipLocked, "", lockLane, "", lockRow, "", lockShared, "").Replace(query)
}

// postgresText is a statement as PostgreSQL has it: parameters are numbered. No literal
// of ours holds a question mark.
func postgresText(query string) string {
	query = strings.NewReplacer(eachText, eachTextPostgres, eachValue, eachValuePostgres, eachOwed, eachOwedPostgres).Replace(query)
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		query = after
	}
}

// noText stands for what PostgreSQL takes in no text, a NUL and bytes that are not UTF-8.
// It is a control character, which no key holds: a text that was changed finds nobody
// else's row.
const noText = "\x01"

// postgresArg is a parameter as SQLite would get it: numbers, texts and bytes. A truth
// value is 0 or 1 in both.
func postgresArg(arg any) (any, error) {
	value, err := driver.DefaultParameterConverter.ConvertValue(arg)
	if err != nil {
		return nil, err
	}
	switch v := value.(type) {
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case string:
		return postgresString(v), nil
	default:
		return v, nil
	}
}

func postgresString(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, noText)
	}
	return strings.ReplaceAll(s, "\x00", noText)
}

func postgresArgs(args []any) ([]any, error) {
	converted := make([]any, 0, len(args))
	for n, arg := range args {
		v, err := postgresArg(arg)
		if err != nil {
			return nil, fmt.Errorf("parameter %d: %w", n+1, err)
		}
		converted = append(converted, v)
	}
	return converted, nil
}
