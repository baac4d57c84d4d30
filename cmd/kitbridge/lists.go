package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

// errEnough ends everyItem without an error.
var errEnough = errors.New("enough")

// everyItem calls do for each item of a list, page by page.
func everyItem[T any](
	ctx context.Context, list func(context.Context, store.Page) (store.List[T], error), tenant orgsync.TenantID, do func(T) error,
) error {
	for p := (store.Page{Tenant: tenant, Limit: store.MaxLimit}); ; {
		l, err := list(ctx, p)
		if err != nil {
			return err
		}
		for _, item := range l.Items {
			if err := do(item); errors.Is(err, errEnough) {
				return nil
			} else if err != nil {
				return err
			}
		}
		if l.Next == "" {
			return nil
		}
		p.After = l.Next
	}
}

// findTenant is the tenant of production with that id or, if there is none, that code.
func findTenant(ctx context.Context, s *store.Store, name string) (store.TenantItem, error) {
	l, err := s.ListTenants(ctx, store.Page{Tenant: orgsync.TenantID(name)})
	switch {
	case err == nil && len(l.Items) == 1:
		return l.Items[0], nil
	case err == nil: // something was said, and nothing waits
		return store.TenantItem{ID: orgsync.TenantID(name)}, nil
	case !errors.Is(err, orgsync.ErrNotFound):
		return store.TenantItem{}, err
	}
	var found []store.TenantItem
	var names []string
	if err := everyItem(ctx, s.ListTenants, "", func(t store.TenantItem) error {
		if name != "" && t.Code == name {
			found = append(found, t)
		}
		names = append(names, string(t.ID), t.Code)
		return nil
	}); err != nil {
		return store.TenantItem{}, err
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if near := nearest(name, names); near != "" {
			return store.TenantItem{}, fmt.Errorf("tenant %q: %w; did you mean %s?", visible(name), orgsync.ErrNotFound, visible(near))
		}
		return store.TenantItem{}, fmt.Errorf("tenant %q: %w; kitbridge status lists them", visible(name), orgsync.ErrNotFound)
	}
	ids := make([]string, 0, len(found))
	for _, t := range found {
		ids = append(ids, visible(string(t.ID)))
	}
	return store.TenantItem{}, fmt.Errorf("code %q is that of several tenants; name one by its id: %s", visible(name), strings.Join(ids, ", "))
}

// splitAccount takes USER@TENANT apart at the last @: user names may have one.
func splitAccount(text string) (user orgsync.UserName, tenant string, err error) {
	at := strings.LastIndexByte(text, '@')
	if at <= 0 || at == len(text)-1 {
		return "", "", &usageError{fmt.Errorf("%q is no account; write USER@TENANT, the tenant by its id or code", visible(text))}
	}
	return orgsync.UserName(text[:at]), text[at+1:], nil
}
