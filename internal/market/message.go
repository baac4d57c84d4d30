package market

// Message is one of the five kinds of push: [TenantSync], [ApplicationSync],
// [AuthSync], [SingleOrgSync] or [AllOrgSync].
type Message interface {
	// endpoint is the last part of the path, such as "tenantSync".
	endpoint() string
	// body returns the members in the order of the access guide's tables.
	body(e encoding) []member
	// stamped returns the message's own timeStamp, empty for "now".
	stamped() string
}

// Flag says what a message does to the thing it names.
type Flag int

// The flags of the access guide. Revoke exists in AuthSync only.
const (
	Delete Flag = 0
	Add    Flag = 1
	Modify Flag = 2
	Revoke Flag = 3
)

// Header is what every message carries.
type Header struct {
	// InstanceID is the bought instance; empty for the seller's test tenant.
	InstanceID string
	// TenantID is the buyer.
	TenantID string
	// Test marks calls from the debugging page (testFlag 1).
	Test bool
	// TimeStamp is the time of the statement, 17 digits yyyyMMddHHmmssSSS in
	// UTC+8. Empty = the client's clock, always later than the one before.
	TimeStamp string
}

func (h Header) stamped() string { return h.TimeStamp }

// TenantSync makes an enterprise known, changes or removes it (access guide,
// tenantSync).
type TenantSync struct {
	Header
	OrderID    string
	TenantCode string
	Name       string
	DomainName string // base address of the enterprise's auth centre
	Flag       Flag
}

// ApplicationSync gives, changes or takes back the credential of one
// application at one enterprise's auth centre (access guide, applicationSync).
type ApplicationSync struct {
	Header
	AppID    string
	ClientID string
	// ClientSecret is the plain text. The client encrypts it for the seller.
	ClientSecret string
	Flag         Flag
}

// AuthSync authorises, changes, removes or revokes users (access guide,
// authSync). The guide allows at most [MaxUsers] of them.
type AuthSync struct {
	Header
	AppID string
	Users []User
	Flag  Flag
}

// MaxUsers is the number of users the access guide allows in one AuthSync.
const MaxUsers = 500

// SingleOrgSync adds, changes or deletes one department (access guide,
// singleOrgSync).
type SingleOrgSync struct {
	Header
	Department
	Flag Flag
}

// AllOrgSync is the complete list of an enterprise's departments (access
// guide, allOrgSync).
type AllOrgSync struct {
	Header
	Departments []Department
}

func (TenantSync) endpoint() string      { return "tenantSync" }
func (ApplicationSync) endpoint() string { return "applicationSync" }
func (AuthSync) endpoint() string        { return "authSync" }
func (SingleOrgSync) endpoint() string   { return "singleOrgSync" }
func (AllOrgSync) endpoint() string      { return "allOrgSync" }
