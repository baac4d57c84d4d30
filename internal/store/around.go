package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

// around is what surrounds one user's use of one application, as of one moment: the
// instances of the tenant, the credentials of the application, the user's grants of it.
// What follows from it is decided by pure functions.
type around struct {
	instances   []orgsync.Instance
	credentials []orgsync.Credential // without secrets
	grants      []orgsync.Grant
}

// account is the user as the pushes describe them for the application (sync rule 7).
func (a around) account(user orgsync.UserName) sso.Account {
	u := orgsync.ProjectUser(user, a.instances, a.grants)
	status := a.status(u)
	if status == sso.AccountUnknown {
		return sso.Account{}
	}
	account := sso.Account{Status: status, Profile: sso.Profile{
		Name:         u.Attributes.Value(orgsync.AttrName),
		OrgCode:      u.Attributes.Value(orgsync.AttrOrgCode),
		Email:        u.Attributes.Value(orgsync.AttrEmail),
		Mobile:       u.Attributes.Value(orgsync.AttrMobile),
		EmployeeCode: u.Attributes.Value(orgsync.AttrEmployeeCode),
	}}
	for _, g := range a.grants {
		if g.Attributes[orgsync.AttrRole].Version != "" {
			account.Role = sso.Role(u.Role)
		}
	}
	return account
}

func (a around) status(u orgsync.User) sso.AccountStatus {
	granted, withdrawn, removed := false, false, false
	for _, g := range a.grants {
		i := orgsync.InstanceOf(a.instances, g.Instance)
		granted = granted || g.IsLive(i)
		presence := g.Presence(i.Ended)
		withdrawn = withdrawn || presence == orgsync.Withdrawn
		removed = removed || presence == orgsync.Removed
	}
	switch {
	case u.Status == orgsync.StatusEnabled:
		return sso.AccountActive
	case granted:
		return sso.AccountDisabled
	case withdrawn:
		return sso.AccountRevoked
	case removed, u.Status == orgsync.StatusRemoved:
		return sso.AccountRemoved
	default: // nothing was said, or all of it waits for an instance to be bound
		return sso.AccountUnknown
	}
}

// bound says whether the application is bound to the tenant.
func (a around) bound() bool {
	for _, c := range a.credentials {
		if c.IsLive(orgsync.InstanceOf(a.instances, c.Instance)) {
			return true
		}
	}
	return false
}

// admits says whether a session of the account may be: the application is bound, and the
// account is active, or unknown to all pushes and the session provisional.
func (a around) admits(account sso.Account, provisional bool) bool {
	known := account.Status == sso.AccountActive || account.Status == sso.AccountUnknown && provisional
	return known && a.bound()
}

// mark names a register whose end revokes sessions: 'i' an instance, 'c' a credential,
// 'g' a grant.
type mark struct {
	kind     byte
	instance orgsync.InstanceID
}

// marks are the revocation marks now. The ends of instances in which the user has no
// grant do not concern a user who has one elsewhere; one without any grant depends on
// all.
func (a around) marks() map[mark]orgsync.Moment {
	mine := make(map[orgsync.InstanceID]bool, len(a.grants))
	for _, g := range a.grants {
		mine[g.Instance] = true
	}
	marks := map[mark]orgsync.Moment{}
	add := func(kind byte, i orgsync.InstanceID, m orgsync.Moment) {
		if m != "" && (mine[i] || len(a.grants) == 0) {
			marks[mark{kind, i}] = m
		}
	}
	for _, i := range a.instances {
		add('i', i.ID, i.Mark)
	}
	for _, c := range a.credentials {
		add('c', c.Instance, c.Mark)
	}
	for _, g := range a.grants {
		add('g', g.Instance, g.Mark)
	}
	return marks
}

// allMarks are those of every register that may ever concern the user.
func (a around) allMarks() map[mark]orgsync.Moment {
	marks := around{instances: a.instances, credentials: a.credentials}.marks()
	for _, g := range a.grants {
		if g.Mark != "" {
			marks[mark{'g', g.Instance}] = g.Mark
		}
	}
	return marks
}

// marksText is all marks in a form that differs once one is raised; empty if there is none.
func (a around) marksText() string {
	marks := a.allMarks()
	if len(marks) == 0 {
		return ""
	}
	lines := make([]string, 0, len(marks))
	for m, at := range marks {
		lines = append(lines, fmt.Sprintf("%c%q%x", m.kind, m.instance, string(at)))
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:12])
}

// revokedSince says whether anything was taken away that was not when then was read.
func (a around) revokedSince(then map[mark]orgsync.Moment) bool {
	for key, m := range a.marks() {
		if m > then[key] {
			return true
		}
	}
	return false
}

// A surrounding is read in one statement, so that it is of one moment: rows of several
// kinds below each other, with the columns kind, text1, text2, text3, blob1, blob2,
// number1, number2, number3.
const (
	sessionPart    = 0
	tenantPart     = 1
	instancePart   = 2
	credentialPart = 3
	grantPart      = 4
)

// selectAround reads the surrounding of a user; that of a session is part of selectLive.
const selectAround = `SELECT 2, instance, '', '', data, NULL, 0, 0, 0 FROM instance WHERE scope = ?
	UNION ALL SELECT 3, instance, '', '', version, mark, unbound, 0, 0 FROM credential WHERE scope = ? AND app = ?
	UNION ALL SELECT 4, '', '', '', grants, NULL, 0, 0, 0 FROM person WHERE scope = ? AND user_name = ?`

// part is one row of such a query.
type part struct {
	kind    int
	texts   [3]string
	blobs   [2][]byte
	numbers [3]int64
}

func scanPart(rows *sql.Rows) (part, error) {
	var p part
	err := rows.Scan(&p.kind, &p.texts[0], &p.texts[1], &p.texts[2], &p.blobs[0], &p.blobs[1],
		&p.numbers[0], &p.numbers[1], &p.numbers[2])
	return p, err
}

// add takes a row in; rows of other kinds are left to the caller.
func (a *around) add(p part, app orgsync.AppID, user orgsync.UserName) error {
	id := orgsync.InstanceID(p.texts[0])
	switch p.kind {
	case instancePart:
		i := orgsync.Instance{ID: id}
		err := decodeInstance(p.blobs[0], &i)
		a.instances = append(a.instances, i)
		return err
	case credentialPart:
		a.credentials = append(a.credentials, orgsync.Credential{
			Instance: id, App: app, Version: orgsync.Version(p.blobs[0]), Unbound: p.numbers[0] == 1, Mark: orgsync.Moment(p.blobs[1]),
		})
	case grantPart:
		var err error
		a.grants, err = decodeGrants(p.blobs[0], user)
		return err
	}
	return nil
}

// keep drops the grants of other applications.
func (a *around) keep(app orgsync.AppID) {
	a.grants = slices.DeleteFunc(a.grants, func(g orgsync.Grant) bool { return g.App != app })
}

// readAround reads what surrounds a user of a scope.
func readAround(ctx context.Context, q querier, scope int64, app orgsync.AppID, user orgsync.UserName) (around, error) {
	var a around
	s, n, u := scope, string(app), string(user)
	parts, err := collect(ctx, q, scanPart, selectAround, s, s, n, s, u)
	if err != nil {
		return a, fmt.Errorf("read account: %w", err)
	}
	for _, p := range parts {
		if err := a.add(p, app, user); err != nil {
			return a, err
		}
	}
	a.keep(app)
	return a, nil
}
