package market

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Verification asks a bridge's admin API what it holds and compares it with a buyer, the
// model of what it should hold.
type Verification struct {
	// Admin is the address of the admin listener, Token the API's bearer token.
	// Required.
	Admin, Token string
	// Wait is how long sinks may take until they are owed nothing. Required.
	Wait time.Duration
	// HTTP sends the requests. Required.
	HTTP *http.Client
}

const (
	pollEvery  = 200 * time.Millisecond
	pageSize   = 1000
	maxPage    = 16 << 20
	maxDiffers = 20
)

// The API's answers, as the design of the API has them.
type apiStatus struct {
	Sinks []struct {
		Name    string `json:"name"`
		Pending int64  `json:"pending"`
		Dead    int64  `json:"dead"`
	} `json:"sinks"`
	Tenants []struct {
		TenantID    string `json:"tenant_id"`
		Users       int    `json:"users"`
		Departments int    `json:"departments"`
		Parked      int    `json:"parked"`
		Held        int    `json:"held"`
	} `json:"tenants"`
	Journal struct {
		Accepted, Applied, Stale, Parked, Held, Refused int64
	} `json:"journal"`
}

type apiUser struct {
	UserName string `json:"user_name"`
	Status   string `json:"status"`
	Role     string `json:"role"`
	Name     string `json:"name"`
	OrgCode  string `json:"org_code"`
	Position string `json:"position"`
}

type apiDepartment struct {
	Code   string `json:"org_code"`
	Name   string `json:"name"`
	Parent string `json:"parent_code"`
	Parked bool   `json:"parked"`
}

// Verify returns what differs, the first few of it, or nothing. It waits until no sink
// is owed anything. The error says that the API could not be asked.
func (v Verification) Verify(ctx context.Context, b *Buyer) ([]string, error) {
	status, quiet, err := v.settled(ctx)
	if err != nil {
		return nil, err
	}
	d := &differences{}
	if !quiet {
		for _, s := range status.Sinks {
			d.check(s.Pending == 0, "sink %s is still owed %d keys after %s", s.Name, s.Pending, v.Wait)
		}
	}
	for _, s := range status.Sinks {
		d.check(s.Dead == 0, "sink %s refuses %d keys for good", s.Name, s.Dead)
	}
	d.counts(status, b)
	var users []apiUser
	if err := all(ctx, v, "users", b.TenantID, &users); err != nil {
		return nil, err
	}
	var departments []apiDepartment
	if err := all(ctx, v, "departments", b.TenantID, &departments); err != nil {
		return nil, err
	}
	d.users(users, b)
	d.departments(departments, b)
	return d.list(), nil
}

// settled polls until no sink is owed anything; quiet says whether that came about.
func (v Verification) settled(ctx context.Context) (status apiStatus, quiet bool, err error) {
	waiting, cancel := context.WithTimeout(ctx, v.Wait)
	defer cancel()
	for {
		if err := v.get(ctx, "status", nil, &status); err != nil {
			return status, false, err
		}
		var pending int64
		for _, s := range status.Sinks {
			pending += s.Pending
		}
		if pending == 0 {
			return status, true, nil
		}
		if !pause(waiting, pollEvery) {
			return status, false, ctx.Err()
		}
		status = apiStatus{}
	}
}

func (v Verification) get(ctx context.Context, path string, q url.Values, into any) error {
	address := strings.TrimRight(v.Admin, "/") + "/api/v1/" + path
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+v.Token)
	resp, err := v.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNotFound && q.Has("tenant") {
		return nil // it does not know the tenant: the list is empty
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("admin API: /api/v1/%s answers %s", path, resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxPage)).Decode(into); err != nil {
		return fmt.Errorf("admin API: /api/v1/%s: %w", path, err)
	}
	return nil
}

// all reads every page of a list of one tenant.
func all[T any](ctx context.Context, v Verification, path, tenant string, into *[]T) error {
	for after := ""; ; {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next"`
		}
		q := url.Values{"tenant": {tenant}, "limit": {fmt.Sprint(pageSize)}}
		if after != "" {
			q.Set("after", after)
		}
		if err := v.get(ctx, path, q, &page); err != nil {
			return err
		}
		*into = append(*into, page.Items...)
		if page.Next == "" {
			return nil
		}
		if page.Next == after {
			return errors.New("admin API: a page of " + path + " leads to itself")
		}
		after = page.Next
	}
}

// differences collects what is not as it should be.
type differences struct {
	found []string
	more  int
}

func (d *differences) check(ok bool, format string, args ...any) {
	switch {
	case ok:
	case len(d.found) < maxDiffers:
		d.found = append(d.found, fmt.Sprintf(format, args...))
	default:
		d.more++
	}
}

func (d *differences) list() []string {
	if d.more > 0 {
		return append(d.found, fmt.Sprintf("and %d more", d.more))
	}
	return d.found
}

// counts compares the numbers of the status.
func (d *differences) counts(s apiStatus, b *Buyer) {
	j := s.Journal
	sum := j.Applied + j.Stale + j.Parked + j.Held + j.Refused
	d.check(j.Accepted == sum, "the journal's counts do not add up: accepted %d, the others %d", j.Accepted, sum)
	for _, t := range s.Tenants {
		if t.TenantID != b.TenantID {
			continue
		}
		users := 0
		for _, u := range b.Users {
			if !u.Disabled {
				users++
			}
		}
		d.check(t.Users == users, "tenant has %d enabled users, want %d", t.Users, users)
		d.check(t.Departments == len(b.Departments), "tenant has %d departments, want %d", t.Departments, len(b.Departments))
		d.check(t.Parked == 0, "%d changes of the tenant are parked", t.Parked)
		d.check(t.Held == 0, "%d changes of the tenant wait for a person's yes", t.Held)
		return
	}
	d.check(false, "tenant %s is not known", b.TenantID)
}

// users compares the people. Who is no longer authorised may be listed, not enabled.
func (d *differences) users(have []apiUser, b *Buyer) {
	want := make(map[string]User, len(b.Users))
	for _, u := range b.Users {
		want[u.UserName] = u
	}
	for _, h := range have {
		w, known := want[h.UserName]
		delete(want, h.UserName)
		if !known {
			d.check(h.Status == "removed" || h.Status == "disabled", "user %s is %s, want removed", h.UserName, h.Status)
			continue
		}
		status := "enabled"
		if w.Disabled {
			status = "disabled"
		}
		wanted := apiUser{UserName: w.UserName, Status: status, Role: w.Role, Name: w.Name, OrgCode: w.OrgCode, Position: w.Position}
		d.check(h == wanted, "user is %+v, want %+v", h, wanted)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		d.check(false, "user %s is missing", name)
	}
}

func (d *differences) departments(have []apiDepartment, b *Buyer) {
	want := make(map[string]Department, len(b.Departments))
	for _, w := range b.Departments {
		want[w.Code] = w
	}
	for _, h := range have {
		w, known := want[h.Code]
		delete(want, h.Code)
		if !known {
			d.check(false, "department %s is there, want it gone", h.Code)
			continue
		}
		wanted := apiDepartment{Code: w.Code, Name: w.Name, Parent: w.Parent}
		d.check(h == wanted, "department is %+v, want %+v", h, wanted)
	}
	for _, code := range slices.Sorted(maps.Keys(want)) {
		d.check(false, "department %s is missing", code)
	}
}
