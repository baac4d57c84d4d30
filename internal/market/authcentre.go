package market

import (
	"fmt"
	"time"

	"github.com/kitbridge/kitbridge/sso/ssotest"
)

// NewAuthCentre returns the auth centre of some buyers, reached at baseURL,
// with their users, passwords and credentials; callback is the product's
// registered login address. It sets each buyer's Domain, which their
// TenantSync announces. Users added or changed later have to be told to it.
func NewAuthCentre(baseURL, callback string, now func() time.Time, buyers ...*Buyer) (*ssotest.Centre, error) {
	cfg := ssotest.Config{BaseURL: baseURL, Now: now}
	for _, b := range buyers {
		t := ssotest.Tenant{
			ID: b.TenantID, Code: b.Code, Name: b.Name,
			Clients: []ssotest.Client{{AppID: b.AppID, ID: b.ClientID, Secret: b.ClientSecret, RedirectURIs: []string{callback}}},
		}
		for _, u := range b.Users {
			t.Users = append(t.Users, b.AuthCentreUser(u))
		}
		cfg.Tenants = append(cfg.Tenants, t)
	}
	c, err := ssotest.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("auth centre of %d buyers: %w", len(buyers), err)
	}
	for _, b := range buyers {
		b.Domain = c.Domain(b.TenantID)
	}
	return c, nil
}

// AuthCentreUser returns a user as the buyer's auth centre knows them.
func (b *Buyer) AuthCentreUser(u User) ssotest.User {
	known := ssotest.User{
		UserName: u.UserName, Password: u.Password, Name: u.Name, Email: u.Email, Mobile: u.Mobile, Role: u.Role, OrgCode: u.OrgCode,
	}
	if i, err := b.department(u.OrgCode); err == nil {
		known.OrgName = b.Departments[i].Name
	}
	return known
}
