package store

import (
	"context"
	"crypto/cipher"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Explanation is everything that is known about one user of production and why they
// stand where they stand: journal, state, sinks. Mobile numbers and mail addresses are
// redacted. Its parts may be some milliseconds apart.
type Explanation struct {
	Tenant    TenantItem     `json:"tenant"`
	Instances []InstanceItem `json:"instances"`
	// User is the projection of the grants. Its status is absent if nobody ever granted
	// anything to a user of that name, or no instance of the grant was ever bound.
	User UserProjection `json:"user"`
	// Department is where the user belongs.
	Department ExplainedDepartment `json:"department"`
	Grants     []ExplainedGrant    `json:"grants"`
	Parked     []ParkedItem        `json:"parked"`
	Sinks      []ExplainedSink     `json:"sinks"`
	// Pushes are the newest ones that name the user, among those whose body is kept;
	// Searched is how many pushes of the tenant were read to find them.
	Pushes   []ExplainedPush `json:"pushes"`
	Searched int             `json:"pushes_searched"`
}

// InstanceItem is a bought subscription. A time that is zero means that it was never
// said.
type InstanceItem struct {
	ID    orgsync.InstanceID `json:"instance_id"`
	Bound bool               `json:"bound"`
	// The newest tenantSync with flag 1, 2 and 0, and the newest full list.
	BoundAt    time.Time `json:"bound_at,omitzero"`
	ModifiedAt time.Time `json:"modified_at,omitzero"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
	ListedAt   time.Time `json:"listed_at,omitzero"`
}

// ExplainedDepartment is where a user belongs. Path runs from the top; it is what is
// known of a parked department's. All but Code is empty if no push named it.
type ExplainedDepartment struct {
	Code   orgsync.OrgCode   `json:"org_code"`
	Known  bool              `json:"known"`
	Parked bool              `json:"parked"`
	Reason string            `json:"reason,omitempty"`
	Name   string            `json:"name"`
	Path   []orgsync.OrgCode `json:"path"`
}

// ExplainedGrant holds the registers of one grant: the time of the newest statement of
// each flag, and of each attribute.
type ExplainedGrant struct {
	Instance orgsync.InstanceID `json:"instance_id"`
	App      orgsync.AppID      `json:"app_id"`
	// Presence is granted, withdrawn, removed or unknown. Live: granted, and the
	// instance is bound. Enabled: live and switched on.
	Presence   string              `json:"presence"`
	Live       bool                `json:"live"`
	Enabled    bool                `json:"enabled"`
	GrantedAt  time.Time           `json:"granted_at,omitzero"`
	ChangedAt  time.Time           `json:"changed_at,omitzero"`
	RevokedAt  time.Time           `json:"revoked_at,omitzero"`
	RemovedAt  time.Time           `json:"removed_at,omitzero"`
	Attributes []ExplainedRegister `json:"attributes"`
}

// ExplainedRegister is an attribute with the time of the statement that set it.
type ExplainedRegister struct {
	Name  string    `json:"name"`
	Value string    `json:"value"`
	At    time.Time `json:"at"`
}

// ExplainedSink is what one sink owes the user.
type ExplainedSink struct {
	Sink string `json:"sink"`
	// State is done (the sink holds what the state says), pending or dead; unannounced
	// if the sink is owed nothing of the tenant yet.
	State    string    `json:"state"`
	Reason   string    `json:"reason,omitempty"`
	Attempts int       `json:"attempts"`
	Since    time.Time `json:"since,omitzero"`
	NextTry  time.Time `json:"next_try,omitzero"`
	// Warnings say what the sink left out of the user.
	Warnings []string `json:"warnings"`
}

const (
	parkedOfUser = `SELECT p.kind, p.item, p.instance, p.reason, p.journal FROM parked p
	WHERE p.scope = ? AND p.kind = ? AND p.item = ? ORDER BY p.id LIMIT ?`
	sinksOfUser = `SELECT s.name, CASE WHEN l.id IS NULL THEN 0 ELSE 1 END, d.next_try, d.attempts, d.since, d.reason, w.text
	FROM sink s LEFT JOIN lane l ON l.sink = s.id AND l.scope = ?
	LEFT JOIN (SELECT lane, kind, item, next_try, attempts, since, reason FROM dirty
	UNION ALL SELECT o.lane, o.kind, e.value, 0, 0, MIN(o.since), '' FROM owed o ` + eachOwed + `
	WHERE e.value = ? AND NOT EXISTS (SELECT 1 FROM dirty f WHERE f.lane = o.lane AND f.kind = o.kind AND f.item = e.value)
	GROUP BY o.lane, o.kind, e.value
	) d ON d.lane = l.id AND d.kind = ? AND d.item = ?
	LEFT JOIN warning w ON w.lane = l.id AND w.kind = ? AND w.item = ? ORDER BY s.name`
	grantsOfUser = "SELECT grants FROM person WHERE scope = ? AND user_name = ?"
)

// Explain gathers what is known about a user. It is an orgsync.ErrNotFound if there is no
// such tenant; a user whom nobody named is explained all the same.
func (s *Store) Explain(ctx context.Context, tenant orgsync.TenantID, user orgsync.UserName) (Explanation, error) {
	var e Explanation
	scope, err := findScope(ctx, s.readers, orgsync.Scope{Realm: orgsync.Production, Tenant: tenant})
	if err != nil {
		return e, fmt.Errorf("explain: tenant: %w", err)
	}
	for _, part := range []func() error{
		func() error { return s.explainTenant(ctx, &e, tenant) },
		func() error { return s.explainUser(ctx, &e, scope, user) },
		func() error { return s.explainDepartment(ctx, &e, tenant) },
		func() error { return s.explainParked(ctx, &e, scope, user) },
		func() error { return s.explainSinks(ctx, &e, scope, user) },
		func() error { return s.explainPushes(ctx, &e, scope, tenant, user) },
	} {
		if err := part(); err != nil {
			return Explanation{}, fmt.Errorf("explain: %w", err)
		}
	}
	return e, nil
}

func (s *Store) explainTenant(ctx context.Context, e *Explanation, tenant orgsync.TenantID) error {
	l, err := s.ListTenants(ctx, Page{Tenant: tenant})
	e.Tenant.ID = tenant
	if len(l.Items) == 1 {
		e.Tenant = l.Items[0]
	}
	return err
}

func (s *Store) explainUser(ctx context.Context, e *Explanation, scope int64, user orgsync.UserName) error {
	instances, err := collect(ctx, s.readers, scanInstance, selectInstances, scope)
	if err != nil {
		return err
	}
	blobs, err := collect(ctx, s.readers, scanBytes, grantsOfUser, scope, string(user))
	if err != nil {
		return err
	}
	var grants []orgsync.Grant
	for _, blob := range blobs {
		if grants, err = decodeGrants(blob, user); err != nil {
			return err
		}
	}
	e.Instances = make([]InstanceItem, 0, len(instances))
	for _, i := range instances {
		e.Instances = append(e.Instances, InstanceItem{
			ID: i.ID, Bound: i.IsBound(), BoundAt: i.Bound.Time(), ModifiedAt: i.Modified.Time(),
			EndedAt: i.Ended.Time(), ListedAt: i.Listed.Time(),
		})
	}
	e.User = projectionOf(orgsync.ProjectUser(user, instances, grants))
	e.Grants = make([]ExplainedGrant, 0, len(grants))
	for _, g := range grants {
		e.Grants = append(e.Grants, explainGrant(g, orgsync.InstanceOf(instances, g.Instance)))
	}
	return nil
}

func explainGrant(g orgsync.Grant, i orgsync.Instance) ExplainedGrant {
	x := ExplainedGrant{
		Instance: g.Instance, App: g.App, Presence: presenceText(g.Presence(i.Ended)),
		Live: g.IsLive(i), Enabled: g.IsEnabled(i),
		GrantedAt: g.Granted.Time(), ChangedAt: g.Changed.Time(), RevokedAt: g.Revoked.Time(), RemovedAt: g.Removed.Time(),
		Attributes: []ExplainedRegister{},
	}
	for n, r := range g.Attributes {
		if a := orgsync.Attribute(n); r.Version != "" {
			x.Attributes = append(x.Attributes, ExplainedRegister{Name: a.String(), Value: redact(a, r.Value), At: r.Version.Time()})
		}
	}
	return x
}

func presenceText(p orgsync.Presence) string {
	switch p {
	case orgsync.Granted:
		return "granted"
	case orgsync.Withdrawn:
		return "withdrawn"
	case orgsync.Removed:
		return "removed"
	default:
		return "unknown"
	}
}

func (s *Store) explainDepartment(ctx context.Context, e *Explanation, tenant orgsync.TenantID) error {
	code := orgsync.OrgCode(e.User.OrgCode)
	e.Department = ExplainedDepartment{Code: code, Path: []orgsync.OrgCode{}}
	if code == "" {
		return nil
	}
	found, err := s.View(tenant).Departments(ctx, []orgsync.OrgCode{code})
	if d, ok := found[code]; ok {
		e.Department = ExplainedDepartment{
			Code: code, Known: true, Parked: !d.Placed, Reason: d.Reason, Name: brief(d.Name), Path: d.Path,
		}
	}
	return err
}

func (s *Store) explainParked(ctx context.Context, e *Explanation, scope int64, user orgsync.UserName) (err error) {
	e.Parked, err = collect(ctx, s.readers, func(rows *sql.Rows) (ParkedItem, error) {
		i := ParkedItem{Tenant: e.Tenant.ID, Changes: 1}
		var kind orgsync.KeyKind
		err := rows.Scan(&kind, blob(&i.Key), blob(&i.Instance), &i.Reason, &i.Journal)
		i.Kind, i.Instance = kind.String(), orgsync.InstanceID(brief(string(i.Instance)))
		return i, err
	}, parkedOfUser, scope, orgsync.UserKey, []byte(user), MaxLimit)
	e.Parked = append([]ParkedItem{}, e.Parked...)
	return err
}

func (s *Store) explainSinks(ctx context.Context, e *Explanation, scope int64, user orgsync.UserName) (err error) {
	e.Sinks, err = collect(ctx, s.readers, func(rows *sql.Rows) (ExplainedSink, error) {
		x := ExplainedSink{State: "done", Warnings: []string{}}
		var announced bool
		var next, attempts, since sql.NullInt64
		var reason, warnings sql.NullString
		if err := rows.Scan(&x.Sink, &announced, &next, &attempts, &since, &reason, &warnings); err != nil {
			return x, err
		}
		x.Attempts, x.Since, x.Reason = int(attempts.Int64), timeOf(since.Int64), reason.String
		switch {
		case !announced:
			x.State = "unannounced"
		case next.Valid && next.Int64 == never:
			x.State = "dead"
		case next.Valid:
			x.State, x.NextTry = "pending", timeOf(next.Int64)
		}
		if !warnings.Valid {
			return x, nil
		}
		return x, json.Unmarshal([]byte(warnings.String), &x.Warnings)
	}, sinksOfUser, scope, string(user), orgsync.UserKey, string(user), orgsync.UserKey, string(user))
	e.Sinks = append([]ExplainedSink{}, e.Sinks...)
	return err
}

// readDataKey returns the scope's data key, or an orgsync.ErrNotFound if there is none or
// it was destroyed.
func (s *Store) readDataKey(ctx context.Context, id int64, scope orgsync.Scope) (cipher.AEAD, error) {
	rows, err := collect(ctx, s.readers, scanBytes, selectDataKey, id)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 || rows[0] == nil {
		return nil, orgsync.ErrNotFound
	}
	return s.openDataKey(rows[0], scope)
}

// explainPushes looks for the user in the newest pushes.
func (s *Store) explainPushes(
	ctx context.Context, e *Explanation, id int64, tenant orgsync.TenantID, user orgsync.UserName,
) error {
	e.Pushes = []ExplainedPush{}
	key, err := s.readDataKey(ctx, id, orgsync.Scope{Realm: orgsync.Production, Tenant: tenant})
	if errors.Is(err, orgsync.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.searchPushes(ctx, e, id, key, user)
}
