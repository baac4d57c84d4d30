package sso

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// way is how the people of a tenant sign in: its settings, and the protocol that is made of them. Most tenants share one.
type way struct {
	settings *Settings
	profile  profile
}

// newWay returns the way of valid settings.
func newWay(s Settings, now func() time.Time) *way {
	w := &way{settings: &s}
	client := newClient(w.settings)
	switch s.Profile {
	case ProfileOIDC:
		w.profile = &openID{
			settings: w.settings, client: client, now: now,
			providers: &providers{settings: w.settings, client: client, now: now},
		}
	case ProfileCAS:
		w.profile = &cas{settings: w.settings, client: client}
	case ProfileKit:
		w.profile = &kit{settings: w.settings, client: client, now: now}
	}
	return w
}

// answerParam is the parameter in which a callback brings what is to be redeemed.
func (w *way) answerParam() string {
	if w.settings.Profile == ProfileCAS {
		return "ticket"
	}
	return "code"
}

// stateless reports whether responses carry no state of ours, so that an attempt is known by its tenant only.
func (w *way) stateless() bool {
	return w.settings.Profile == ProfileCAS && !strings.Contains(w.settings.ServiceTemplate, "{state}")
}

// configured is what the configuration says about sign-in: the common way, and what it says about tenants by name. It never
// changes.
type configured struct {
	common  *way
	ways    map[TenantID]*way
	tenants map[TenantID]StaticTenant
	// whole lists the tenants with an issuer, in the order of their ids; authorities finds them.
	whole       []StaticTenant
	authorities map[Handle]TenantID
}

// newConfigured returns what valid settings and tenants make. What last holds of the same settings is taken over, and with it what
// is known of providers and their keys.
func newConfigured(common *way, tenants []StaticTenant, last *configured, now func() time.Time) *configured {
	c := &configured{
		common: common, ways: map[TenantID]*way{}, tenants: map[TenantID]StaticTenant{}, authorities: map[Handle]TenantID{},
	}
	for _, t := range tenants {
		c.tenants[t.ID] = t
		if t.Settings != nil {
			c.ways[t.ID] = newWay(*t.Settings, now)
			if last != nil && last.ways[t.ID] != nil && reflect.DeepEqual(last.ways[t.ID].settings, t.Settings) {
				c.ways[t.ID] = last.ways[t.ID]
			}
		}
		if t.Issuer != "" {
			c.whole = append(c.whole, t)
			c.authorities[c.authority(t)] = t.ID
		}
	}
	slices.SortFunc(c.whole, func(a, b StaticTenant) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return c
}

// of returns the way of a tenant.
func (c *configured) of(id TenantID) *way {
	if own := c.ways[id]; own != nil {
		return own
	}
	return c.common
}

// anyway reports whether any tenant's way, or the common one, is such.
func (c *configured) anyway(such func(*way) bool) bool {
	if such(c.common) {
		return true
	}
	for _, own := range c.ways {
		if such(own) {
			return true
		}
	}
	return false
}

// authority names everything that decides who somebody of a static tenant is and whether they may come in. When any of it
// changes, sessions that rest on what was are over.
func (c *configured) authority(t StaticTenant) Handle {
	s := c.of(t.ID).settings
	return handleOf("authority", t.Issuer, strings.Join([]string{
		string(t.ID), t.ClientID, string(s.Profile), s.AuthorizeURL, s.TokenURL, s.UserinfoURL, s.JWKSURL, s.UserClaim, s.RoleClaim, s.UnknownUser,
	}, "\x00"))
}
