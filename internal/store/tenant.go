package store

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/text/cases"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

const (
	selectInstances = "SELECT instance, data FROM instance WHERE scope = ? ORDER BY instance"
	upsertInstance  = `INSERT INTO instance (scope, instance, data) VALUES (?, ?, ?)
	ON CONFLICT (scope, instance) DO UPDATE SET data = excluded.data`
	upsertTenant = `INSERT INTO tenant (scope, code, name, domain, host, search, active, announced, purged, removed_at)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (scope) DO UPDATE SET code = excluded.code, name = excluded.name, domain = excluded.domain,
	host = excluded.host, search = excluded.search, active = excluded.active, announced = excluded.announced,
	purged = excluded.purged, removed_at = excluded.removed_at`
	selectCredential = `SELECT version, unbound, client_id, client_secret, mark FROM credential
	WHERE scope = ? AND instance = ? AND app = ?`
	upsertCredential = `INSERT INTO credential (scope, instance, app, version, unbound, client_id, client_secret, mark)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (scope, instance, app) DO UPDATE SET version = excluded.version, unbound = excluded.unbound,
	client_id = excluded.client_id, client_secret = excluded.client_secret, mark = excluded.mark`
)

func (tx *tx) Instances() ([]orgsync.Instance, error) {
	return collect(tx.ctx, tx.c, scanInstance, selectInstances, tx.id)
}

func scanInstance(rows *sql.Rows) (orgsync.Instance, error) {
	var i orgsync.Instance
	var data sql.RawBytes
	if err := rows.Scan(&i.ID, &data); err != nil {
		return i, err
	}
	return i, decodeInstance(data, &i)
}

func (tx *tx) PutInstance(i orgsync.Instance) error {
	if _, err := tx.c.exec(tx.ctx, upsertInstance, tx.id, string(i.ID), encodeInstance(i)); err != nil {
		return fmt.Errorf("write instance: %w", err)
	}
	return nil
}

func (tx *tx) PutTenant(t orgsync.Tenant) error {
	host := sso.AuthCentreHost(sso.Tenant{Domain: t.Domain})
	if _, err := tx.c.exec(tx.ctx, upsertTenant, tx.id, t.Code, t.Name, t.Domain, host, searchText(t.Name, t.Code),
		t.Active, t.Announced, t.Purged, millis(t.RemovedAt)); err != nil {
		return fmt.Errorf("write tenant: %w", err)
	}
	return nil
}

// searchText is what a tenant is found by.
func searchText(name, code string) string { return foldCase(name) + "\n" + foldCase(code) }

func foldCase(s string) string { return cases.Fold().String(s) }

func (tx *tx) Credential(i orgsync.InstanceID, a orgsync.AppID) (orgsync.Credential, error) {
	c, err := one(collect(tx.ctx, tx.c, func(rows *sql.Rows) (orgsync.Credential, error) {
		c := orgsync.Credential{Instance: i, App: a}
		var sealed []byte
		if err := rows.Scan(blob(&c.Version), &c.Unbound, &c.ClientID, &sealed, blob(&c.Mark)); err != nil {
			return c, err
		}
		secret, err := tx.s.openSecret(sealed, tx.scope, i, a)
		c.ClientSecret = orgsync.Secret(secret)
		return c, err
	}, selectCredential, tx.id, string(i), string(a)))
	if errors.Is(err, orgsync.ErrNotFound) {
		return orgsync.Credential{Instance: i, App: a}, nil
	}
	return c, err
}

func (tx *tx) PutCredential(c orgsync.Credential) error {
	sealed := []byte{}
	if c.ClientSecret != "" {
		sealed = tx.s.keys.Seal([]byte(c.ClientSecret), secretPlace(tx.scope, c.Instance, c.App))
	}
	if _, err := tx.c.exec(tx.ctx, upsertCredential, tx.id, string(c.Instance), string(c.App),
		bytesOf(c.Version), c.Unbound, c.ClientID, sealed, bytesOf(c.Mark)); err != nil {
		return fmt.Errorf("write credential: %w", err)
	}
	return nil
}

// millis is how a time is stored; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}

// bytesOf is never nil: a column that is NOT NULL holds it.
func bytesOf[T ~string](s T) []byte { return append([]byte{}, s...) }

// blob scans a BLOB into a text type.
func blob[T ~string](into *T) *blobScanner[T] { return &blobScanner[T]{into} }

type blobScanner[T ~string] struct{ into *T }

// Scan implements [sql.Scanner].
func (b *blobScanner[T]) Scan(value any) error {
	switch v := value.(type) {
	case []byte:
		*b.into = T(v)
	case string:
		*b.into = T(v)
	case nil:
		*b.into = ""
	default:
		return fmt.Errorf("want bytes, have %T", value)
	}
	return nil
}
