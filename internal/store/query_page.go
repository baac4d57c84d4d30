package store

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	// DefaultLimit is how many items a list holds where nothing else is asked for.
	DefaultLimit = 100
	// MaxLimit is the greatest number that may be asked for.
	MaxLimit = 1000
)

// Page says which part of a list is wanted. The zero value is the beginning of the list
// of all tenants.
type Page struct {
	// Tenant narrows the list to one tenant of production; empty means all.
	Tenant orgsync.TenantID
	// After is the Next of the page before; empty means from the beginning.
	After string
	// Limit is the greatest number of items, up to [MaxLimit]; 0 means [DefaultLimit].
	Limit int
}

// List is one page. Pages are keyed: what comes or goes between two of them neither
// repeats nor hides another item.
type List[T any] struct {
	Items []T `json:"items"` // never nil
	// Next is the After of the next page; empty if this is the last one.
	Next string `json:"next"`
}

// cursor is the key of an item in its list: what the item is sorted by. Which of the
// parts are used differs from list to list.
type cursor struct {
	numbers [2]int64
	texts   [2]string
}

const cursorFormat = 1

// encode writes the cursor for the list of that name, and no other takes it.
func (c cursor) encode(list string) string {
	var e encoder
	e.number(cursorFormat)
	e.text(list)
	for _, n := range c.numbers {
		e.number(uint64(n)) //nolint:gosec // read back by the inverse conversion
	}
	for _, t := range c.texts {
		e.text(t)
	}
	return base64.RawURLEncoding.EncodeToString(e)
}

func decodeCursor(list, text string) (c cursor, err error) {
	if text == "" {
		return c, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	d := decode(raw, cursorFormat)
	d.bad = d.bad || err != nil || d.text() != list
	for n := range c.numbers {
		c.numbers[n] = int64(d.number()) //nolint:gosec // the inverse of encode
	}
	for n := range c.texts {
		c.texts[n] = d.text()
	}
	if d.end("cursor") != nil {
		return cursor{}, &orgsync.FieldError{Field: "after", Reason: "is not the next of a page of this list"}
	}
	return c, nil
}

// window is a checked [Page]: scopes from lo to hi, items after a cursor.
type window struct {
	list   string
	lo, hi int64
	after  cursor
	limit  int
	tenant string
}

// window checks a page of the list of that name. The error is an orgsync.FieldError with
// the name of the field, or an orgsync.ErrNotFound if there is no such tenant.
func (s *Store) window(ctx context.Context, list string, p Page) (window, error) {
	w := window{list: list, hi: math.MaxInt64, limit: p.Limit, tenant: string(p.Tenant)}
	var err error
	switch {
	case p.Limit < 0 || p.Limit > MaxLimit:
		return w, &orgsync.FieldError{Field: "limit", Reason: "is not a number between 1 and 1000"}
	case p.Limit == 0:
		w.limit = DefaultLimit
	}
	if w.after, err = decodeCursor(list, p.After); err != nil {
		return w, err
	}
	if p.Tenant != "" {
		w.lo, err = findScope(ctx, s.readers, orgsync.Scope{Realm: orgsync.Production, Tenant: p.Tenant})
		w.hi = w.lo
	}
	if err != nil {
		return w, fmt.Errorf("tenant: %w", err)
	}
	return w, nil
}

// where is the condition for the rows r of the window in a table whose key is the scope
// and one more column. Its parameters are scope() and the text of the place. What the
// rows are joined with must stand in scalar subqueries: then they are read in the order
// of their keys, and only as many as are wanted.
func (w window) where(key string) string {
	if w.tenant != "" {
		return "r.scope = ? AND r." + key + " > ?"
	}
	return "(r.scope, r." + key + ") > (?, ?) AND (SELECT realm FROM scope WHERE id = r.scope) = 0"
}

func (w window) scope() int64 {
	if w.tenant != "" {
		return w.lo
	}
	return w.after.numbers[0]
}

// row is an item with its place in the list.
type row[T any] struct {
	item T
	at   cursor
}

// page makes a page of the rows that were found; one more than the limit tells that
// there is a next.
func page[T any](w window, rows []row[T]) List[T] {
	l := List[T]{Items: make([]T, 0, len(rows))}
	if len(rows) > w.limit {
		rows = rows[:w.limit]
		l.Next = rows[w.limit-1].at.encode(w.list)
	}
	for _, r := range rows {
		l.Items = append(l.Items, r.item)
	}
	return l
}
