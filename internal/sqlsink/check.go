package sqlsink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Check examines the database closely, for a person who sets it up: it yields each thing
// that was looked at, with nil or what is wrong and what to do. It stops where nothing
// further can be known. Rows that it tries to write are taken back; it makes no table and
// no file: one that is not there yet is an [ErrNotYet].
func (s *Sink) Check(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		c := examination{sink: s, ctx: ctx, yield: yield}
		if s.isMissing() && !s.cfg.Verify {
			c.say("file", notYet(s.file))
			return
		}
		if !c.say("reach and sign in", translate(s.db.PingContext(ctx))) {
			return
		}
		sc, err := s.identify(ctx)
		if !c.say("kind and version", err) {
			return
		}
		if !c.connection(sc) {
			return
		}
		if ready := c.tables(sc); ready {
			c.rights(sc)
		}
	}
}

// examination is one run of Check.
type examination struct {
	sink  *Sink
	ctx   context.Context //nolint:containedctx // the run's own: it ends with it
	yield func(string, error) bool
	over  bool // nobody listens any more
}

// say tells about one thing and says whether it is in order.
func (c *examination) say(what string, err error) bool {
	if !c.over {
		c.over = !c.yield(what, err)
	}
	return err == nil && !c.over
}

// ask returns the one text that a query gives.
func (c *examination) ask(query string, args ...any) (string, error) {
	found, err := list[oneText](c.ctx, c.sink.db, query, args)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].text, nil
}

// connection looks at what the server made of what we asked for: a proxy may stand between.
func (c *examination) connection(sc schema) bool {
	switch sc.dialect.name {
	case MySQL, MariaDB:
		mode, err := c.ask("SELECT @@SESSION.sql_mode")
		if err == nil && !strings.Contains(mode, "STRICT_ALL_TABLES") {
			err = errors.New("is off although it was asked for, so that values would be cut: a proxy between may drop the session's variables")
		}
		zone, zoneErr := c.ask("SELECT @@SESSION.time_zone")
		if zoneErr == nil && zone != "+00:00" {
			zoneErr = fmt.Errorf("is %.40q although +00:00 was asked for: a proxy between may drop the session's variables", zone)
		}
		return c.say("strict mode", err) && c.say("time zone", zoneErr) && c.encryption("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
	case PostgreSQL:
		encoding, err := c.ask("SHOW server_encoding")
		if err == nil && encoding != "UTF8" {
			err = fmt.Errorf("is %.40s; names of people need a database in UTF8: CREATE DATABASE … ENCODING 'UTF8'", encoding)
		}
		zone, zoneErr := c.ask("SHOW timezone")
		if zoneErr == nil && zone != "UTC" {
			zoneErr = fmt.Errorf("is %.40q although UTC was asked for: a pooler between may drop the session's settings", zone)
		}
		return c.say("character set", err) && c.say("time zone", zoneErr) &&
			c.encryption("SELECT 'TLS', CASE WHEN ssl THEN version ELSE '' END FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
	default:
		return true
	}
}

// encryption tells whether the connection is encrypted. Whether it must be is the
// configuration's matter.
func (c *examination) encryption(query string) bool {
	found, err := list[namedText](c.ctx, c.sink.db, query, nil)
	if err != nil || len(found) != 1 || found[0].value == "" {
		return c.say("connection without TLS", err)
	}
	return c.say("connection with TLS ("+found[0].value+")", nil)
}

type namedText struct{ name, value string }

func (n *namedText) dest() []any { return []any{&n.name, &n.value} }

// tables says whether the tables are there and ours, so that rows can be tried.
func (c *examination) tables(sc schema) bool {
	lacks, empty, err := sc.inspect(c.ctx, c.sink.db)
	switch {
	case err != nil:
		return c.say("tables", err)
	case empty && !c.sink.cfg.Verify:
		c.say("tables (none yet: serve makes them)", nil)
		return false
	case len(lacks) > 0:
		return c.say("tables", errors.New("not ready: "+describe(lacks)))
	}
	found, err := list[meta](c.ctx, c.sink.db, sc.selectMeta(), nil)
	if err == nil && len(found) > 0 {
		if _, err = c.sink.readMeta(c.ctx, c.sink.db, sc.selectMeta()); err == nil {
			_, err = c.sink.register(c.ctx, found[0].deed())
		}
	}
	if !c.say("tables, collations", nil) || !c.say("owner", err) {
		return false
	}
	if sc.dialect.name != MySQL && sc.dialect.name != MariaDB {
		return len(found) > 0
	}
	engine, err := c.ask("SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?", sc.prefix+userTable)
	if err == nil && engine != "InnoDB" {
		err = fmt.Errorf("is %.40s, which knows no transactions: ALTER TABLE %s ENGINE=InnoDB, each table of ours", engine, sc.name(userTable))
	}
	return c.say("engine", err) && len(found) > 0
}

// errUndo ends a transaction that must leave no trace.
var errUndo = errors.New("undo")

// trialTenant is nobody's id.
const trialTenant = orgsync.TenantID("kitbridge check")

// rights inserts, changes and deletes a row of each table, and takes it all back.
func (c *examination) rights(sc schema) {
	ctx, cancel := context.WithTimeout(c.ctx, queryTimeout)
	defer cancel()
	err := c.sink.inTx(ctx, sc, func(tx *sql.Tx) error {
		h, err := c.sink.lock(ctx, sc, tx)
		if err != nil {
			return err
		}
		for _, trial := range trials() {
			results, err := c.sink.carryOut(ctx, sc, tx, trialTenant, []change{trial}, h)
			if err != nil {
				return err
			}
			if results[0].Err != nil {
				return results[0].Err
			}
			h.lastSeq++
		}
		return errUndo
	})
	if errors.Is(err, errUndo) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("a trial row, which is taken back, was refused: %w; the account needs SELECT, INSERT, UPDATE and DELETE on the tables", err)
	}
	c.say("rights to read and write", err)
}

// trials are the changes that one row of each table goes through.
func trials() []change {
	id := string(trialTenant)
	rows := map[orgsync.Key][2][]row{
		{Kind: orgsync.TenantKey}: {
			{tenantRow{Tenant: id, Name: "a"}}, {tenantRow{Tenant: id, Name: "b"}},
		},
		{Kind: orgsync.DepartmentKey, ID: "d"}: {
			{departmentRow{Tenant: id, Code: "d", Name: "a", Path: "/d/", Depth: 1}}, {departmentRow{Tenant: id, Code: "d", Name: "b", Path: "/d/", Depth: 1}},
		},
		{Kind: orgsync.UserKey, ID: "u"}: {
			{userRow{Tenant: id, User: "u", Name: "a", Role: "user"}, grantRow{Tenant: id, User: "u", Instance: "i", App: "a", Role: "user"}},
			{userRow{Tenant: id, User: "u", Name: "b", Role: "user"}, grantRow{Tenant: id, User: "u", Instance: "i", App: "a", Role: "admin"}},
		},
	}
	var all []change
	for key, steps := range rows {
		all = append(all,
			change{key: key, want: steps[0], steps: diff(nil, steps[0])},
			change{key: key, want: steps[1], steps: diff(steps[0], steps[1])},
			change{key: key, steps: diff(steps[1], nil)})
	}
	return all
}
