package market

import (
	"slices"
)

// Buyer is an enterprise that bought the product: the marketplace's model of
// it. It is not safe for concurrent use.
type Buyer struct {
	// InstanceID and OrderID are the bought instance; empty for a test tenant.
	InstanceID, OrderID string
	// TenantID, Code and Name are the enterprise's.
	TenantID, Code, Name string
	// Domain is the base address of its auth centre ([NewAuthCentre] sets it).
	Domain string
	// AppID, ClientID and ClientSecret are the credential of the product at
	// that auth centre.
	AppID, ClientID, ClientSecret string
	// Departments stand with parents before their children.
	Departments []Department
	// Users are those who are authorised for the product.
	Users []User
}

// Department is a part of an enterprise.
type Department struct {
	// Code is unique in the enterprise and never changes; Name is unique on
	// its level; Parent is the code of the one above, empty at the top.
	Code, Name, Parent string
}

// User is a member of an enterprise. Empty fields are not sent.
type User struct {
	// UserName is unique in the enterprise.
	UserName string
	// Password is for the auth centre; no push carries it.
	Password string
	Name     string
	OrgCode  string // the department's code
	Role     string // "user" or "admin"
	Disabled bool   // sent as enable "false"

	Position, EmployeeCode string
	// EmployeeType is 1 regular, 2 intern, 3 dispatched, 4 outsourced; 0 = not
	// said.
	EmployeeType             int
	EntryDate                string // such as "2022-11-9"
	WorkPlace, Mobile, Email string
}

func (b *Buyer) header() Header { return Header{InstanceID: b.InstanceID, TenantID: b.TenantID} }

// TenantSync returns the message about the enterprise itself.
func (b *Buyer) TenantSync(f Flag) TenantSync {
	return TenantSync{Header: b.header(), OrderID: b.OrderID, TenantCode: b.Code, Name: b.Name, DomainName: b.Domain, Flag: f}
}

// ApplicationSync returns the message about its credential.
func (b *Buyer) ApplicationSync(f Flag) ApplicationSync {
	return ApplicationSync{Header: b.header(), AppID: b.AppID, ClientID: b.ClientID, ClientSecret: b.ClientSecret, Flag: f}
}

// AllOrgSync returns the message with all its departments.
func (b *Buyer) AllOrgSync() AllOrgSync {
	return AllOrgSync{Header: b.header(), Departments: slices.Clone(b.Departments)}
}

// AuthSyncs returns the messages about users, in lists as long as the access
// guide allows; none for no users.
func (b *Buyer) AuthSyncs(f Flag, users []User) []AuthSync {
	var all []AuthSync
	for chunk := range slices.Chunk(users, MaxUsers) {
		all = append(all, AuthSync{Header: b.header(), AppID: b.AppID, Users: slices.Clone(chunk), Flag: f})
	}
	return all
}

// Binding returns what the marketplace sends when the enterprise binds the
// product and authorises its members, in the guide's order: the tenant, the
// credential, all departments, the users.
func (b *Buyer) Binding() []Message {
	all := []Message{b.TenantSync(Add), b.ApplicationSync(Add), b.AllOrgSync()}
	for _, m := range b.AuthSyncs(Add, b.Users) {
		all = append(all, m)
	}
	return all
}
