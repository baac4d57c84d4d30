package orgsync

import (
	"encoding/binary"
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
	// AddOnly is set by an import: a full list that was never meant to say anything by
	// its silence.
	AddOnly bool
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

// content is a canonical form of what is said, the same for both generations of the
// protocol and for every spelling that decodes to it. The client secret stays out: its
// encryption differs each time.
func (m Message) content() []byte {
	c := make(canonical, 0, 256+256*len(m.Users)+64*len(m.Departments))
	c.byte(byte(m.Kind), byte(m.Realm), byte(m.Flag))
	c.text(string(m.Tenant), string(m.Instance), string(m.App), m.Client.ID)
	c.optional(m.Enterprise.Code, m.Enterprise.Name, m.Enterprise.Domain)
	for _, u := range m.Users {
		c.text(string(u.Name))
		for a := range attributeCount {
			if value, said := u.Attributes.Get(a); said {
				c.byte(byte(a))
				c.text(value)
			}
		}
		c.byte(byte(attributeCount)) // the end of this user
	}
	for _, d := range m.Departments {
		c.text(string(d.Code), d.Name, string(d.Parent))
	}
	if m.Incomplete || m.AddOnly {
		c.byte(1)
	}
	return c
}

// canonical is a text in which no two different messages look alike.
type canonical []byte

func (c *canonical) byte(b ...byte) { *c = append(*c, b...) }

func (c *canonical) text(parts ...string) {
	for _, s := range parts {
		*c = binary.AppendUvarint(*c, uint64(len(s)))
		*c = append(*c, s...)
	}
}

func (c *canonical) optional(parts ...*string) {
	for _, s := range parts {
		if s == nil {
			c.byte(0)
			continue
		}
		c.byte(1)
		c.text(*s)
	}
}
