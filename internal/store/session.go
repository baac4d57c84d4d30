package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

const (
	sessionFormat = 1
	// touchEvery is how often a session in use is written.
	touchEvery = time.Minute
)

const (
	insertSession = `INSERT INTO session
	(id, scope, app, user_name, expires, idle, touched, data, subject, provider_session, device, due, tokens, authority)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	selectTouched  = "SELECT touched FROM session WHERE id = ?"
	touchSession   = "UPDATE session SET touched = ? WHERE id = ? AND touched <= ?"
	deleteSession  = "DELETE FROM session WHERE id = ?"
	deleteUsers    = "DELETE FROM session WHERE scope IN (SELECT id FROM scope WHERE tenant = ?) AND user_name = ?"
	deleteStranded = "DELETE FROM session WHERE authority <> ''"
	deleteExpired  = "DELETE FROM session WHERE expires <= ? OR touched + idle <= ?"
	// No push has named the tenant of a session with an authority: active is noTenant.
	selectLive = `SELECT 0, s.app, s.user_name, s.authority, s.data, s.id, s.expires, s.touched, s.due FROM session s
	WHERE s.id = ? AND s.expires > ? AND s.touched + s.idle > ?
	UNION ALL SELECT 1, c.tenant, COALESCE(t.code, ''), COALESCE(t.name, ''), NULL, NULL, COALESCE(t.active, -1), c.realm, 0
	FROM session s JOIN scope c ON c.id = s.scope LEFT JOIN tenant t ON t.scope = s.scope WHERE s.id = ?
	UNION ALL SELECT 2, i.instance, '', '', i.data, NULL, 0, 0, 0
	FROM session s JOIN instance i ON i.scope = s.scope WHERE s.id = ?
	UNION ALL SELECT 3, k.instance, '', '', k.version, k.mark, k.unbound, 0, 0
	FROM session s JOIN credential k ON k.scope = s.scope AND k.app = s.app WHERE s.id = ?
	UNION ALL SELECT 4, '', '', '', p.grants, NULL, 0, 0, 0
	FROM session s JOIN person p ON p.scope = s.scope AND p.user_name = s.user_name WHERE s.id = ?`
)

// noTenant stands for active where there is no tenant.
const noTenant = -1

// sessionData is what no query asks for.
type sessionData struct {
	role        sso.Role
	filled      sso.Profile
	domain      string
	provisional bool
	created     time.Time
	marks       map[mark]orgsync.Moment
}

func (d sessionData) encode() []byte {
	e := make(encoder, 0, 256)
	e.number(sessionFormat)
	for _, s := range []string{
		string(d.role), d.filled.Name, d.filled.OrgCode, d.filled.Email, d.filled.Mobile, d.filled.EmployeeCode, d.domain,
	} {
		e.text(s)
	}
	e.flag(d.provisional)
	e.moment(d.created)
	e.number(uint64(len(d.marks)))
	for key, m := range d.marks {
		e.number(uint64(key.kind))
		e.text(string(key.instance))
		e.text(string(m))
	}
	return e
}

func decodeSession(b []byte) (sessionData, error) {
	d := decode(b, sessionFormat)
	data := sessionData{
		role: sso.Role(d.text()),
		filled: sso.Profile{
			Name: d.text(), OrgCode: d.text(), Email: d.text(), Mobile: d.text(), EmployeeCode: d.text(),
		},
		domain: d.text(), provisional: d.flag(), created: d.moment(),
	}
	n := d.count()
	data.marks = make(map[mark]orgsync.Moment, n)
	for range n {
		key := mark{kind: byte(d.number()), instance: orgsync.InstanceID(d.text())} //nolint:gosec // written from a byte
		data.marks[key] = orgsync.Moment(d.text())
	}
	return data, d.end("session")
}

// CreateSession implements [sso.Sessions].
func (s *Store) CreateSession(ctx context.Context, n sso.NewSession) error {
	err := s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		t, err := findTenant(ctx, c, n.Tenant)
		unknown := errors.Is(err, sso.ErrUnknownTenant)
		if err != nil && !unknown {
			return err
		}
		if n.Authority != "" && (unknown || t.Test) {
			scope, err := openScope(ctx, c, orgsync.Scope{Tenant: orgsync.TenantID(n.Tenant)})
			if err != nil {
				return err
			}
			return s.putSession(ctx, c, scope, n, nil)
		}
		if n.Authority != "" || unknown {
			return sso.ErrNoSession
		}
		// In the same transaction: a revocation is either seen here, or comes after
		// and is newer than what is stored. One that is seen is among the marks, which
		// would let its end revive the session: so who is not admitted now gets none.
		a, err := readAround(ctx, c, t.scope, orgsync.AppID(n.App), orgsync.UserName(n.User))
		if err != nil {
			return err
		}
		if !t.Live || !a.admits(a.account(orgsync.UserName(n.User)), n.Provisional) {
			return sso.ErrNoSession
		}
		return s.putSession(ctx, c, t.scope, n, a.allMarks())
	})
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	return nil
}

func (s *Store) putSession(ctx context.Context, c conn, scope int64, n sso.NewSession, marks map[mark]orgsync.Moment) error {
	data := sessionData{
		role: n.Role, filled: n.Filled, domain: n.Domain, provisional: n.Provisional, created: n.Created, marks: marks,
	}
	_, err := c.exec(ctx, insertSession, n.Key[:], scope, string(n.App), string(n.User),
		n.Expires.UnixMilli(), n.Idle.Milliseconds(), n.Created.UnixMilli(), data.encode(),
		string(n.Subject), string(n.ProviderSession), n.Device, millis(n.Due), s.sealTokens(n.Key, n.Tokens), string(n.Authority))
	return err
}

// EndStrandedSessions deletes the sessions that rest on an authority which is none of these, and says how many there were.
func (s *Store) EndStrandedSessions(ctx context.Context, authorities []sso.Handle) (int, error) {
	query, args := deleteStranded, make([]any, len(authorities))
	for i, a := range authorities {
		args[i] = string(a)
	}
	if len(args) > 0 {
		query += " AND authority NOT IN (?" + strings.Repeat(", ?", len(args)-1) + ")"
	}
	return s.delete(ctx, "end sessions of tenants that are configured no more", query, args...)
}

// Decide implements [sso.Sessions]. It reads in one statement, so what it judges is of
// one moment.
func (s *Store) Decide(ctx context.Context, key sso.SessionKey, now time.Time) (sso.LiveSession, error) {
	id, at := key[:], now.UnixMilli()
	parts, err := collect(ctx, s.readers, scanPart, selectLive, id, at, at, id, id, id, id)
	if err != nil {
		return sso.LiveSession{}, fmt.Errorf("read session: %w", err)
	}
	live, err := judge(parts)
	if err != nil && !errors.Is(err, sso.ErrNoSession) {
		return sso.LiveSession{}, fmt.Errorf("read session: %w", err)
	}
	return live, err
}

// judge says whether a session is live, or returns an [sso.ErrNoSession].
func judge(parts []part) (sso.LiveSession, error) {
	var live sso.LiveSession
	var data sessionData
	var a around
	var found, active, pushed bool
	for _, p := range parts {
		var err error
		switch p.kind {
		case sessionPart:
			found = true
			live.App, live.User, live.Authority = sso.AppID(p.texts[0]), sso.UserName(p.texts[1]), sso.Handle(p.texts[2])
			live.Expires, live.Touched, live.Due = timeOf(p.numbers[0]), timeOf(p.numbers[1]), timeOf(p.numbers[2])
			data, err = decodeSession(p.blobs[0])
		case tenantPart:
			live.Tenant, live.TenantCode, live.TenantName = sso.TenantID(p.texts[0]), p.texts[1], p.texts[2]
			pushed, active, live.Test = p.numbers[0] != noTenant, p.numbers[0] == 1, p.numbers[1] == int64(orgsync.Test)
		default:
			err = a.add(p, orgsync.AppID(live.App), orgsync.UserName(live.User))
		}
		if err != nil {
			return sso.LiveSession{}, err
		}
	}
	a.keep(orgsync.AppID(live.App))
	live.Role, live.Filled, live.Domain = data.role, data.filled, data.domain
	live.Provisional, live.Created = data.provisional, data.created
	if live.Authority != "" {
		if !found || pushed {
			return sso.LiveSession{}, sso.ErrNoSession
		}
		return live, nil
	}
	live.Account = a.account(orgsync.UserName(live.User))
	if !found || !active || !a.admits(live.Account, data.provisional) || a.revokedSince(data.marks) {
		return sso.LiveSession{}, sso.ErrNoSession
	}
	return live, nil
}

// TouchSession implements [sso.Sessions].
func (s *Store) TouchSession(ctx context.Context, key sso.SessionKey, now time.Time) error {
	newest := now.Add(-touchEvery).UnixMilli()
	touched, err := one(collect(ctx, s.readers, scanNumber, selectTouched, key[:]))
	switch {
	case errors.Is(err, orgsync.ErrNotFound) || err == nil && touched > newest:
		return nil // and nobody who writes was kept waiting
	case err != nil:
		return fmt.Errorf("read session: %w", err)
	}
	return s.change(ctx, soft, "touch session", touchSession, now.UnixMilli(), key[:], newest)
}

// EndSession implements [sso.Sessions].
func (s *Store) EndSession(ctx context.Context, key sso.SessionKey) error {
	return s.change(ctx, durable, "end session", deleteSession, key[:])
}

// EndSessionsOf implements [sso.Sessions].
func (s *Store) EndSessionsOf(ctx context.Context, tenant sso.TenantID, user sso.UserName) error {
	return s.change(ctx, durable, "end sessions", deleteUsers, string(tenant), string(user))
}

// change is a transaction of one statement.
func (s *Store) change(ctx context.Context, d durability, what, query string, args ...any) error {
	err := s.writer.inTx(ctx, d, func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, query, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
