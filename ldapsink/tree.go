package ldapsink

import (
	"maps"
	"slices"
	"strings"
)

// tree is the directory as far as a plan knows it, changed step by step as the plan's
// operations will change it. Entries move by pointer, so a move costs the same whatever
// stands below.
type tree struct {
	root    *node
	byID    map[EntryID]*node
	folding Folding
}

// node is an entry that exists at this point of the plan.
type node struct {
	id         EntryID // zero: not ours, or only known as something's parent
	rdn        rdn
	attributes Attributes
	parent     *node
	children   map[string]*node // by key of the RDN
}

func newTree(have []Entry) *tree {
	t := &tree{root: &node{}, byID: make(map[EntryID]*node, len(have))}
	for _, e := range have {
		t.folding = e.DN.folding
		n := t.make(e.DN)
		n.rdn = e.DN.leaf() // spelled as the entry has it, not as those below it
		if e.ID == (EntryID{}) {
			continue
		}
		n.id, n.attributes = e.ID, e.Attributes
		t.byID[e.ID] = n
	}
	return t
}

// make returns the node with that name. What stands above an entry exists as well.
func (t *tree) make(dn DN) *node {
	n := t.root
	for i := len(dn.rdns) - 1; i >= 0; i-- {
		child := n.children[dn.rdns[i].key]
		if child == nil {
			child = &node{rdn: dn.rdns[i]}
			n.attach(child)
		}
		n = child
	}
	return n
}

// find returns the node with that name, or nil.
func (t *tree) find(dn DN) *node {
	n := t.root
	for i := len(dn.rdns) - 1; i >= 0 && n != nil; i-- {
		n = n.children[dn.rdns[i].key]
	}
	return n
}

func (n *node) attach(child *node) {
	if n.children == nil {
		n.children = map[string]*node{}
	}
	child.parent = n
	n.children[child.rdn.key] = child
}

func (n *node) detach() {
	delete(n.parent.children, n.rdn.key)
	n.parent = nil
}

// move gives the node a new name. The value of the old RDN goes and that of the new one
// comes, as a server does it when asked to delete the old RDN.
func (t *tree) move(n, parent *node, r rdn) {
	n.detach()
	name, _, _ := strings.Cut(r.text, "=")
	fold := t.folding.fold
	values := slices.DeleteFunc(slices.Clone(n.attributes[name]), func(v string) bool {
		return fold(v) == fold(n.rdn.value) || fold(v) == fold(r.value)
	})
	attributes := maps.Clone(n.attributes)
	if attributes == nil {
		attributes = Attributes{}
	}
	attributes[name] = append(values, r.value)
	n.rdn, n.attributes = r, attributes
	parent.attach(n)
}

// isIn says whether the node is other or stands below it.
func (n *node) isIn(other *node) bool {
	for ; n != nil; n = n.parent {
		if n == other {
			return true
		}
	}
	return false
}

func (t *tree) dn(n *node) DN {
	dn := DN{folding: t.folding}
	for ; n.parent != nil; n = n.parent {
		dn.rdns = append(dn.rdns, n.rdn)
	}
	return dn
}

func (n *node) depth() int {
	depth := 0
	for ; n.parent != nil; n = n.parent {
		depth++
	}
	return depth
}
