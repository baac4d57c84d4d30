package sqlsink

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kitbridge/kitbridge/orgsync"
)

// missing is what a table lacks, and the statements that help; none if no statement of
// ours can.
type missing struct {
	table string
	what  string
	fix   []string
}

// prepare looks at the database for the first time: which it is, whether it is ours,
// and whether the tables are there. Only then, and only if it manages the schema, it
// makes what is missing.
func (s *Sink) prepare(ctx context.Context) (schema, error) {
	if s.isMissing() && !s.cfg.Verify {
		if err := makeFile(s.file); err != nil {
			return schema{}, err
		}
	}
	sc, err := s.identify(ctx)
	if err != nil {
		return schema{}, err
	}
	lacks, empty, err := sc.inspect(ctx, s.db)
	if err != nil {
		return schema{}, err
	}
	if len(lacks) > 0 && !s.cfg.Verify {
		if err := s.build(ctx, sc, lacks, empty); err != nil {
			return schema{}, err
		}
		if lacks, _, err = sc.inspect(ctx, s.db); err != nil {
			return schema{}, err
		}
	}
	if len(lacks) > 0 {
		return schema{}, &fault{reason: "the tables are not ready: " + describe(lacks)}
	}
	return sc, s.own(ctx, sc)
}

// describe names what is missing and the statements that help.
func describe(lacks []missing) string {
	var what, fix []string
	for _, m := range lacks {
		what = append(what, m.what)
		fix = append(fix, m.fix...)
	}
	text := strings.Join(what, ", ")
	if len(fix) > 0 {
		text += "; run:\n" + strings.Join(fix, ";\n") + ";"
	}
	return text
}

// identify tells MySQL from MariaDB and refuses versions without the collations that
// compare byte for byte.
func (s *Sink) identify(ctx context.Context) (schema, error) {
	d := s.dialect
	if d == MySQL {
		versions, err := list[oneText](ctx, s.db, "SELECT VERSION()", nil)
		if err != nil {
			return schema{}, err
		}
		if d, err = flavour(versions[0].text); err != nil {
			return schema{}, err
		}
	}
	return newSchema(d, s.cfg.Prefix)
}

type oneText struct{ text string }

func (o *oneText) dest() []any { return []any{&o.text} }

// flavour reads what VERSION() says, for example 8.0.36 or 10.11.6-MariaDB-1.
func flavour(version string) (Dialect, error) {
	d, least := MySQL, []int{8, 0, 17}
	if strings.Contains(version, "MariaDB") {
		d, least = MariaDB, []int{10, 5, 0}
		version = strings.TrimPrefix(version, "5.5.5-") // an old disguise for replicas
	}
	number, _, _ := strings.Cut(version, "-")
	var have []int
	for part := range strings.SplitSeq(number, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			break
		}
		have = append(have, n)
	}
	if slices.Compare(have, least) < 0 {
		return "", &fault{reason: fmt.Sprintf("the database is too old: MySQL 8.0.17 or MariaDB 10.5 is needed, this is %.40q", version)}
	}
	return d, nil
}

type foundColumn struct{ table, column, collation string }

func (f *foundColumn) dest() []any { return []any{&f.table, &f.column, &f.collation} }

// inspect compares the layout with what the catalogue has. It also says whether there
// is no table of ours at all.
func (s schema) inspect(ctx context.Context, db database) (lacks []missing, empty bool, err error) {
	layout := tables()
	var args []any
	for _, t := range layout {
		args = append(args, s.prefix+t.name)
	}
	found, err := list[foundColumn](ctx, db, s.bind(s.columns+" IN "+marks(len(args))), args)
	if err != nil {
		return nil, false, err
	}
	have := make(map[string]map[string]string)
	for _, f := range found {
		name := strings.ToLower(f.table)
		if have[name] == nil {
			have[name] = make(map[string]string)
		}
		have[name][strings.ToLower(f.column)] = f.collation
	}
	for _, t := range layout {
		lacks = append(lacks, s.lacking(t, have[s.prefix+t.name])...)
	}
	return lacks, len(have) == 0, nil
}

// lacking is pure. A column of a key that compares other than byte for byte is named
// but never changed by us: the product's foreign keys may hang on it.
func (s schema) lacking(t table, columns map[string]string) []missing {
	full := s.prefix + t.name
	if len(columns) == 0 {
		return []missing{{table: t.name, what: "table " + full + " is missing", fix: s.create(t)}}
	}
	var lacks []missing
	for n, c := range t.columns {
		collation, ok := columns[c.name]
		switch {
		case !ok && n < t.keys:
			lacks = append(lacks, missing{table: t.name, what: fmt.Sprintf("column %s.%s of the primary key is missing: the table is not ours, choose another prefix", full, c.name)})
		case !ok:
			lacks = append(lacks, missing{
				table: t.name,
				what:  "column " + full + "." + c.name + " is missing",
				fix:   []string{"ALTER TABLE " + s.name(t.name) + " ADD COLUMN " + s.definition(t, c)},
			})
		case c.kind == pathKind && s.keyCollation != "" && collation != s.keyCollation:
			lacks = append(lacks, missing{
				what: fmt.Sprintf("column %s.%s has the collation %s, by which different paths may be equal", full, c.name, collation),
				fix:  []string{"ALTER TABLE " + s.name(t.name) + " MODIFY COLUMN " + s.definition(t, c)},
			})
		case c.kind == keyKind && s.keyCollation != "" && collation != s.keyCollation:
			lacks = append(lacks, missing{table: t.name, what: fmt.Sprintf("column %s.%s has the collation %s, by which different keys may be equal: make it %s",
				full, c.name, collation, s.keyCollation)})
		}
	}
	return lacks
}

// build makes what is missing: kit_meta with its owner first, so that tables without it
// are never taken for ours.
func (s *Sink) build(ctx context.Context, sc schema, lacks []missing, empty bool) error {
	found, err := list[foundColumn](ctx, s.db, sc.bind(sc.columns+" IN (?)"), []any{sc.prefix + metaTable})
	if err != nil {
		return err
	}
	if len(found) == 0 && !empty {
		return &fault{reason: fmt.Sprintf("tables whose names begin with %s are there, but no %s%s: somebody else made them; choose another prefix",
			sc.prefix, sc.prefix, metaTable)}
	}
	if len(found) == 0 {
		for _, statement := range sc.create(tableNamed(metaTable)) {
			if err := s.exec(ctx, statement); err != nil {
				return fmt.Errorf("create %s%s: %w", sc.prefix, metaTable, err)
			}
		}
	} else if err := s.mayBuild(ctx, sc, lacks); err != nil {
		return err
	}
	for n, m := range lacks { // those of kit_meta come first
		if m.table != metaTable && (n == 0 || lacks[n-1].table == metaTable) {
			if err := s.own(ctx, sc); err != nil {
				return err
			}
		}
		for _, statement := range m.fix {
			if err := s.exec(ctx, statement); err != nil {
				return fmt.Errorf("%s; the statement that would help failed: %w", m.what, err)
			}
		}
	}
	s.cfg.Logger.InfoContext(ctx, "tables made", "sink", s.cfg.Name, "prefix", sc.prefix)
	return nil
}

// mayBuild looks whether tables are ours whose kit_meta may lack columns of this version.
func (s *Sink) mayBuild(ctx context.Context, sc schema, lacks []missing) error {
	if !slices.ContainsFunc(lacks, func(m missing) bool { return m.table == metaTable }) {
		return nil // own will
	}
	owners, err := list[oneText](ctx, s.db, fmt.Sprintf("SELECT %s FROM %s", sc.quoted("owner"), sc.name(metaTable)), nil)
	if err != nil || len(owners) != 1 {
		return err // nobody is the owner yet, or own will tell
	}
	_, err = s.register(ctx, orgsync.Deed{Owner: owners[0].text})
	return err
}

func (s *Sink) exec(ctx context.Context, query string, args ...any) error {
	_, err := s.db.ExecContext(ctx, query, args...)
	return translate(err)
}

// inTx runs fn in a transaction with the dialect's isolation.
func (s *Sink) inTx(ctx context.Context, sc schema, fn func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sc.isolation})
	if err != nil {
		return translate(err)
	}
	if err := fn(tx); err != nil {
		_ = tx.Rollback() // fn's error is the one to tell
		return err
	}
	return translate(tx.Commit())
}
