package ldapsink

import (
	"fmt"
	"strings"
)

// OperationKind is the kind of a write.
type OperationKind uint8

// The kinds of writes.
const (
	Add OperationKind = iota + 1
	Modify
	Rename // RFC 4511 calls it modify DN: a new RDN, a new parent, or both
	Delete
)

// String returns the kind in one word.
func (k OperationKind) String() string {
	switch k {
	case Add:
		return "add"
	case Modify:
		return "modify"
	case Rename:
		return "rename"
	case Delete:
		return "delete"
	default:
		return fmt.Sprintf("operation(%d)", uint8(k))
	}
}

// ChangeKind is what a modification does with the values of one attribute.
type ChangeKind uint8

// The kinds of modifications, RFC 4511, section 4.6.
const (
	ReplaceValues ChangeKind = iota + 1 // no values: the attribute goes, if it is there
	AddValues
	DeleteValues
)

// String returns the word that LDIF uses.
func (k ChangeKind) String() string {
	switch k {
	case ReplaceValues:
		return "replace"
	case AddValues:
		return "add"
	case DeleteValues:
		return "delete"
	default:
		return fmt.Sprintf("change(%d)", uint8(k))
	}
}

// Change is one part of a modification.
type Change struct {
	Kind   ChangeKind
	Name   string
	Values []string
}

// Operation is one write to the directory. Operations are values and safe to share.
type Operation struct {
	Kind OperationKind
	ID   EntryID // the entry it is for
	DN   DN      // where the entry is when the operation is due
	// Attributes of an Add, Changes of a Modify.
	Attributes Attributes
	Changes    []Change
	// NewDN is where a Rename leads.
	NewDN DN
	// Temporary marks a Rename to a name that is not the wanted one: it makes room, or takes
	// access away from an entry whose name is not free. A second one follows.
	Temporary bool

	stage stage
}

// stage orders the operations of a plan.
type stage uint8

const (
	prepare  stage = iota + 1 // make the containers
	reduce                    // take access away
	place                     // make, move and rename
	adjust                    // change attributes
	demolish                  // delete
)

// String returns the operation as one record of LDIF.
func (o Operation) String() string {
	var b strings.Builder
	writeRecord(&b, o)
	return b.String()
}
