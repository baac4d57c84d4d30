package orgsync

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

// Kind of a message: which of the five kit interfaces carried it.
type Kind uint8

// The kinds of messages.
const (
	TenantSync Kind = iota + 1
	ApplicationSync
	AuthSync
	SingleOrgSync
	AllOrgSync
)

// String returns the interface's name on the wire.
func (k Kind) String() string {
	switch k {
	case TenantSync:
		return "tenantSync"
	case ApplicationSync:
		return "applicationSync"
	case AuthSync:
		return "authSync"
	case SingleOrgSync:
		return "singleOrgSync"
	case AllOrgSync:
		return "allOrgSync"
	default:
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
}

// Flag is what a message asks for.
type Flag uint8

// The flags of the protocol. FlagRevoke exists in authSync only.
const (
	FlagRemove Flag = iota
	FlagAdd
	FlagModify
	FlagRevoke
)

func (f Flag) rank() Rank {
	switch f {
	case FlagAdd:
		return RankAdd
	case FlagModify:
		return RankModify
	case FlagRevoke:
		return RankRevoke
	default:
		return RankRemove
	}
}

// Secret is a text that must not be shown. Its zero value is the empty secret.
type Secret string

// String hides the secret.
func (Secret) String() string { return "[secret]" }

// GoString hides the secret.
func (Secret) GoString() string { return "[secret]" }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// MarshalJSON hides the secret.
func (Secret) MarshalJSON() ([]byte, error) { return json.Marshal("[secret]") }

// Message is one decoded push. Which of the payload fields counts follows from Kind.
type Message struct {
	Kind     Kind
	Realm    Realm
	Flag     Flag // unused in allOrgSync
	Tenant   TenantID
	Instance InstanceID
	App      AppID // applicationSync, authSync

	// At is the time that orders the message: currentSyncTime of an authSync, else
	// timeStamp. Stamp is timeStamp.
	At, Stamp time.Time

	Enterprise  Enterprise         // tenantSync
	Client      Client             // applicationSync
	Users       []UserChange       // authSync
	Departments []DepartmentChange // singleOrgSync: exactly one; allOrgSync: the list
	// Incomplete says that a full list could not be read to its end. Such a list
	// only adds; nothing is inferred from what it lacks.
	Incomplete bool
}

// Enterprise is what a tenantSync says. A field that was not sent is nil.
type Enterprise struct {
	OrderID            string
	Code, Name, Domain *string
}

// Client is what an applicationSync says.
type Client struct {
	ID     string
	Secret Secret
}

// DepartmentChange is one department of a singleOrgSync or allOrgSync.
type DepartmentChange struct {
	Code   OrgCode
	Name   string
	Parent OrgCode // empty: top level
}

// UserChange is one element of an authSync.
type UserChange struct {
	Name       UserName
	Attributes Attributes
}

// Changes is how many changes the message carries.
func (m Message) Changes() int {
	switch m.Kind {
	case AuthSync:
		return len(m.Users)
	case AllOrgSync:
		return len(m.Departments)
	default:
		return 1
	}
}

// version is the version of the message's first change; Version.at gives the others.
func (m Message) version() Version {
	rank := m.Flag.rank()
	switch {
	case m.Kind == AllOrgSync:
		rank = RankFullList
	case m.Kind == TenantSync && m.Flag == FlagRemove:
		rank = RankTenantEnd
	}
	return NewVersion(m.At, m.Stamp, rank, m.content(), 0)
}

// content is a canonical text of what is said, the same for both generations of the
// protocol and for every spelling that decodes to it. The client secret stays out: its
// encryption differs each time.
func (m Message) content() []byte {
	m.Client.Secret = ""
	b, err := json.Marshal(struct {
		Kind               Kind
		Realm              Realm
		Flag               Flag
		Tenant             TenantID
		Instance           InstanceID
		App                AppID
		Code, Name, Domain *string
		Client             string
		Users              []UserChange
		Departments        []DepartmentChange
		Incomplete         bool
	}{
		m.Kind, m.Realm, m.Flag, m.Tenant, m.Instance, m.App,
		m.Enterprise.Code, m.Enterprise.Name, m.Enterprise.Domain,
		m.Client.ID, m.Users, m.Departments, m.Incomplete,
	})
	if err != nil {
		panic(err) // plain strings and numbers always marshal
	}
	return b
}
