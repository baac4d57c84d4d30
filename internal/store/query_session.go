package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

const (
	// A session belongs to a tenant of production or of the test realm.
	sessionItems = `SELECT s.scope, s.id, (SELECT tenant FROM scope WHERE id = s.scope), (SELECT realm FROM scope WHERE id = s.scope),
	s.app, s.user_name, s.expires, s.touched, s.device, s.data
	FROM session s WHERE (s.scope, s.user_name, s.id) > (?, ?, ?) AND s.expires > ? AND s.touched + s.idle > ?
	AND (? = '' OR s.scope IN (SELECT id FROM scope WHERE tenant = ?)) AND (? = '' OR s.user_name = ?) AND (? = '' OR s.device = ?)
	ORDER BY s.scope, s.user_name, s.id LIMIT ?`
	deleteMatching = `DELETE FROM session WHERE scope IN (SELECT id FROM scope WHERE tenant = ?)
	AND (? = '' OR user_name = ?) AND (? = '' OR device = ?)`
	countSessions = "SELECT COUNT(*) FROM session WHERE expires > ? AND touched + idle > ?"
)

// SessionItem is a session that has not expired.
type SessionItem struct {
	// ID is the SHA-256 of the session's id in hexadecimal: it ends the session and
	// opens nothing.
	ID      string       `json:"id"`
	Tenant  sso.TenantID `json:"tenant_id"`
	User    sso.UserName `json:"user_name"`
	App     sso.AppID    `json:"app_id"`
	Created time.Time    `json:"created_at"`
	// Seen is the last use that was written, at most once a minute.
	Seen    time.Time `json:"seen_at"`
	Expires time.Time `json:"expires_at"`
	// Device is what it was begun with, such as "Firefox on Windows, 203.0.113.0/24".
	Device string `json:"device"`
	// Live: the next request with it is let in. One that is not was revoked, or its
	// user, application or tenant is gone.
	Live bool `json:"live"`
	// Test: the tenant is of the marketplace's test realm.
	Test bool `json:"test"`
}

// SessionsOf names sessions: those of a user, and those begun with a device. What is empty
// is any.
type SessionsOf struct {
	User   sso.UserName
	Device string
}

// ListSessions lists the sessions that have not expired, tenant by tenant, by user name.
// Errors are as those of [Store.ListTenants]. The page's tenant may be of the test realm
// too.
func (s *Store) ListSessions(ctx context.Context, of SessionsOf, p Page) (List[SessionItem], error) {
	tenant := string(p.Tenant)
	p.Tenant = ""
	w, err := s.window(ctx, "sessions", p)
	if err == nil && tenant != "" {
		_, err = findTenant(ctx, s.readers, sso.TenantID(tenant))
		if errors.Is(err, sso.ErrUnknownTenant) { // or one of the configuration, with sessions
			_, err = findScope(ctx, s.readers, orgsync.Scope{Tenant: orgsync.TenantID(tenant)})
		}
		if errors.Is(err, orgsync.ErrNotFound) {
			err = fmt.Errorf("tenant: %w", orgsync.ErrNotFound)
		}
	}
	if err != nil {
		return List[SessionItem]{}, fmt.Errorf("list sessions: %w", err)
	}
	now := s.now()
	rows, err := collect(ctx, s.readers, scanSessionItem, sessionItems,
		w.after.numbers[0], w.after.texts[0], []byte(w.after.texts[1]), now.UnixMilli(), now.UnixMilli(),
		tenant, tenant, string(of.User), string(of.User), of.Device, of.Device, w.limit+1)
	if err != nil {
		return List[SessionItem]{}, fmt.Errorf("list sessions: %w", err)
	}
	l := page(w, rows)
	for n := range l.Items {
		_, err := s.Decide(ctx, sso.SessionKey([]byte(rows[n].at.texts[1])), now)
		if err != nil && !errors.Is(err, sso.ErrNoSession) {
			return List[SessionItem]{}, fmt.Errorf("list sessions: %w", err)
		}
		l.Items[n].Live = err == nil
	}
	return l, nil
}

func scanSessionItem(rows *sql.Rows) (r row[SessionItem], err error) {
	var id []byte
	var raw sql.RawBytes
	var realm orgsync.Realm
	var expires, touched int64
	i := &r.item
	if err := rows.Scan(&r.at.numbers[0], &id, &i.Tenant, &realm, &i.App, &i.User, &expires, &touched, &i.Device, &raw); err != nil {
		return r, err
	}
	data, err := decodeSession(raw)
	i.ID, i.Test = hex.EncodeToString(id), realm == orgsync.Test
	i.Created, i.Seen, i.Expires = data.created, timeOf(touched), timeOf(expires)
	r.at.texts = [2]string{string(i.User), string(id)}
	return r, err
}

// CountSessions counts the sessions that have not expired.
func (s *Store) CountSessions(ctx context.Context) (int64, error) {
	now := s.now().UnixMilli()
	n, err := one(collect(ctx, s.readers, scanNumber, countSessions, now, now))
	if err != nil {
		return 0, fmt.Errorf("count sessions: %w", err)
	}
	return n, nil
}

// EndSessionNamed ends the session with the ID of a [SessionItem] and says how many that
// were: 1 or 0. It is an orgsync.ErrInvalid if the text is no such ID.
func (s *Store) EndSessionNamed(ctx context.Context, id string) (int, error) {
	key, err := hex.DecodeString(id)
	if err != nil || len(key) != len(sso.SessionKey{}) {
		return 0, &orgsync.FieldError{Field: "id", Reason: "is not the id of a session: 64 hexadecimal digits"}
	}
	return s.delete(ctx, "end session", deleteSession, key)
}

// EndSessionsAt ends the sessions of a tenant that are named and says how many there were.
func (s *Store) EndSessionsAt(ctx context.Context, tenant sso.TenantID, of SessionsOf) (int, error) {
	return s.delete(ctx, "end sessions", deleteMatching, string(tenant), string(of.User), string(of.User), of.Device, of.Device)
}

func (s *Store) delete(ctx context.Context, what, query string, args ...any) (int, error) {
	var n int64
	err := s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) (err error) {
		n, err = c.exec(ctx, query, args...)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return int(n), nil
}
