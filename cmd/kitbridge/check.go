package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/keyring"
	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/ldapsink"
)

const checkLong = `Examine everything that the bridge needs, before the first start or when something is
wrong, and say of each fault what to do:

  configuration  every fault and every warning
  keys           of the marketplace, of the application credential, the key ring
  addresses      public_url, the admin listener, and whether a serve answers there
  database       reached, schema, key ring, writable
  sinks          SQL: reached, TLS, version, tables, collations, strict mode, time zone,
                 owner, rights. LDAP: reached, TLS, bind, base_dn, rights, schema, what
                 the server can do, and which departments and users it could not hold,
                 or not with all their values, and why
  auth centres   of each bound tenant, and of sso.tenants: address, reached (HEAD /), and
                 with profile oidc its discovery document (GET); never an address that a
                 sign-in would not call
  clock          against the auth centres' and the marketplace's newest messages

It leaves nothing behind: rows that it tries to write are taken back, entries that it
tries to write (kitbridge-probe-… below base_dn) are deleted again, and it makes no
database, table or file. It works beside a running serve.

Exit codes: 0 nothing is wrong (there may be warnings), 1 something is, a faulty
configuration too, 2 the command line is wrong.`

// A finding is one thing that was looked at. Fields are only ever added.
type finding struct {
	// Area is configuration, keys, addresses, database, sink NAME, auth centre or clock.
	Area string `json:"area"`
	What string `json:"what"`
	// State is ok, warning or fault; Text says what is wrong and what to do.
	State string `json:"state"`
	Text  string `json:"text,omitempty"`
}

const (
	stateOK      = "ok"
	stateWarning = "warning"
	stateFault   = "fault"
)

// checkReport is the JSON form of check. Fields are only ever added.
type checkReport struct {
	OK       bool      `json:"ok"`
	Findings []finding `json:"findings"`
}

// errFaults makes check end with 1; what is wrong is told already.
var errFaults = errors.New("something is wrong: see above")

func newCheckCommand(p process) *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:     "check --config FILE",
		Short:   "Is everything there that the bridge needs?",
		Long:    checkLong,
		Example: "  kitbridge check --config /etc/kitbridge/kitbridge.yaml\n  kitbridge check --json | jq '.findings[] | select(.state == \"fault\")'",
		GroupID: operating,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d := &doctor{process: p, file: file}
			if !asJSON {
				d.tell = func(f finding) { printFinding(p.stdout, f) }
			}
			d.run(c.Context())
			if asJSON {
				if err := writeJSON(p.stdout, checkReport{OK: !d.faulty, Findings: d.findings}); err != nil {
					return err
				}
			}
			if d.faulty {
				return errFaults
			}
			return nil
		},
	}
	configFlag(c, &file)
	jsonFlag(c, &asJSON)
	return c
}

func printFinding(w io.Writer, f finding) {
	mark := map[string]string{stateOK: "ok     ", stateWarning: "WARNING", stateFault: "FAULT  "}[f.State]
	line := fmt.Sprintf("%s  %s: %s", mark, visible(f.Area), visible(f.What))
	if f.Text != "" {
		line += ": " + visible(f.Text)
	}
	fmt.Fprintln(w, line)
}

// doctor collects what it finds, and tells it at once if somebody listens.
type doctor struct {
	process  process
	file     string
	tell     func(finding)
	findings []finding
	faulty   bool
}

func (d *doctor) note(f finding) {
	d.findings = append(d.findings, f)
	d.faulty = d.faulty || f.State == stateFault
	if d.tell != nil {
		d.tell(f)
	}
}

// say notes one thing that is in order, or not.
func (d *doctor) say(area, what string, err error) bool {
	if err != nil {
		d.note(finding{area, what, stateFault, err.Error()})
		return false
	}
	d.note(finding{Area: area, What: what, State: stateOK})
	return true
}

func (d *doctor) warn(area, what, text string) {
	d.note(finding{area, what, stateWarning, text})
}

// checker is a sink that can be examined closely: it yields each thing that was looked at,
// with nil or what is wrong and what to do.
type checker interface {
	Check(ctx context.Context) iter.Seq2[string, error]
}

func (d *doctor) run(ctx context.Context) {
	cfg, ok := d.configuration()
	if !ok {
		return
	}
	d.keys(cfg)
	d.addresses(ctx, cfg)
	s, fits := d.database(ctx, cfg)
	if s != nil {
		defer func() { _ = s.Close() }() // it only read
	}
	if fits {
		d.sinks(ctx, cfg, s)
	} else if len(cfg.Sinks) > 0 {
		d.warn("sinks", "not examined", "whose they are stands in the database; mend that first")
	}
	d.authCentres(ctx, cfg, s)
	if s != nil {
		d.pushClock(ctx, cfg, s)
	}
}

func (d *doctor) configuration() (Config, bool) {
	cfg, warnings, err := loadConfig(d.file, d.process.env)
	if err != nil {
		for _, fault := range faultsOf(err) {
			d.say("configuration", d.file, fault)
		}
		return cfg, false
	}
	d.say("configuration", d.file, nil)
	for _, w := range warnings {
		d.warn("configuration", fmt.Sprintf("%s:%d: %s", w.File, w.Line, w.Key), w.Text)
	}
	return cfg, true
}

// database opens our own database to read. There is none before the first start, which fits
// too.
func (d *doctor) database(ctx context.Context, cfg Config) (s *store.Store, fits bool) {
	const area = "database"
	fresh, err := store.IsNew(cfg.Database.Reveal())
	if err != nil {
		d.say(area, "reach", databaseFault(cfg, err))
		return nil, false
	}
	if fresh {
		return nil, d.notThereYet(cfg)
	}
	if _, err := keyring.Load(cfg.KeyFile); !d.say(area, "key file", keyFault(cfg.KeyFile, err)) {
		return nil, false
	}
	s, err = openDatabase(ctx, d.process, cfg, toRead)
	if !d.say(area, "reach, schema, key ring", err) {
		return nil, false
	}
	d.say(area, "writable", d.writable(ctx, cfg))
	return s, true
}

// notThereYet says what serve makes: the database, and the key file if there is none. It
// says whether the two will fit.
func (d *doctor) notThereYet(cfg Config) bool {
	const area, what = "database", "not there yet"
	_, err := keyring.Load(cfg.KeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.warn(area, what, "kitbridge serve makes it, and its key file")
		return true
	case err == nil:
		d.warn(area, what, "kitbridge serve makes it; its key file is there")
	}
	return d.say(area, "key file", keyFault(cfg.KeyFile, err))
}

// writable begins a transaction as serve would, and takes it back.
func (d *doctor) writable(ctx context.Context, cfg Config) error {
	s, err := openDatabase(ctx, d.process, cfg, toWrite)
	if err != nil {
		return err
	}
	err = s.TryWrite(ctx)
	return errors.Join(databaseFault(cfg, err), s.Close())
}

const sinkTimeout = time.Minute

// sinks examines each sink; s is nil where there is no database yet.
func (d *doctor) sinks(ctx context.Context, cfg Config, s *store.Store) {
	log := newLogger(io.Discard, cfg.Log)
	var known []store.TenantItem
	if s != nil {
		var err error
		if known, err = knownTenants(ctx, s); err != nil {
			d.say("sinks", "tenants", err)
			return
		}
	}
	for _, c := range cfg.Sinks {
		area := "sink " + c.Name
		if names := strangers(c.Tenants, known); len(names) > 0 {
			d.warn(area, "tenants", strangersText(names))
		}
		var links ldapsink.Links = &ldapsink.MemoryLinks{}
		if s != nil {
			links = s.Links(c.Name)
		}
		sink, closeSink, err := openSink(c, ties{register: onlyJudge(s, c.Name), links: links}, log)
		if err == nil && s != nil && c.Type != sinkSQL {
			err = stillBelow(ctx, s, c)
		}
		if err != nil {
			d.say(area, "configuration", err)
			continue
		}
		answers := true
		if k, ok := sink.(checker); ok {
			try, cancel := context.WithTimeout(ctx, sinkTimeout)
			for what, fault := range k.Check(try) {
				if errors.Is(fault, sqlsink.ErrNotYet) {
					d.warn(area, what, fault.Error())
					continue
				}
				answers = d.say(area, what, fault) && answers
			}
			cancel()
		}
		if directory, ok := sink.(*ldapsink.Sink); ok {
			d.directory(ctx, c, directory, s)
		}
		if tables, ok := sink.(*sqlsink.Sink); ok && s != nil && answers {
			d.tables(ctx, c, tables, s)
		}
		_ = closeSink() // nothing is under way
	}
}
