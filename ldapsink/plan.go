package ldapsink

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// ConflictKind says why a wanted entry cannot be.
type ConflictKind uint8

// The kinds of conflicts.
const (
	// NameTaken: another entry, which is to stay, has the name.
	NameTaken ConflictKind = iota + 1
	// ParentMissing: the entry it should stand below is not there and is not coming.
	ParentMissing
	// ParentBelow: the entry it should stand below stands below itself and stays there.
	ParentBelow
	// ChildrenStay: it should go, but entries that are to stay stand below it.
	ChildrenStay
)

// Conflict is a want that the plan leaves out, and why.
type Conflict struct {
	ID   EntryID
	Kind ConflictKind
	// DN is the name that is taken, missing or in the way.
	DN DN
	// By is whose entry is in the way; zero if it is not ours.
	By EntryID
}

// Plan returns the operations that turn what is there into what is wanted, in the order
// in which they must be done, and the wants that cannot be met. It is a pure function.
//
//   - An entry with an ID that nobody wants is deleted. An entry without an ID is not
//     ours: it is never an operation's target, and it is in the way where it stands.
//   - Entries are matched by ID, so an entry with another name is renamed, subtree and all,
//     and never deleted and added.
//   - After the containers come wants that reduce access and deletions of users; then
//     structure, parents before children; then other entries; then attributes; then
//     deletions, deepest first.
//   - Where two entries want each other's names, one goes by a temporary name. So does
//     one that is to lose access where its name is taken, for as long as that is so.
//
// Doing the operations and planning again yields no operation. An entry's parents are
// taken to exist.
func Plan(have []Entry, want []Want) ([]Operation, []Conflict) {
	p := plan(have, want)
	return p.operations, p.conflicts
}

func plan(have []Entry, want []Want) *planner {
	p := &planner{tree: newTree(have), wanted: make(map[EntryID]Want, len(want)), names: make(map[string]EntryID, len(want))}
	for _, w := range want {
		p.wanted[w.ID] = w
		p.names[w.DN.Key()] = w.ID
	}
	ordered := slices.SortedFunc(slices.Values(want), compareWants)
	placed := make([]Want, 0, len(ordered))
	containers := slices.IndexFunc(ordered, func(w Want) bool { return w.stage() != prepare })
	if containers < 0 {
		containers = len(ordered)
	}
	for i, w := range ordered {
		if i == containers {
			p.dismiss()
			p.lock(ordered)
		}
		if p.place(w) {
			placed = append(placed, w)
		}
	}
	for _, w := range placed {
		p.adjust(w)
	}
	p.demolish()
	slices.SortStableFunc(p.operations, func(a, b Operation) int { return cmp.Compare(a.stage, b.stage) })
	return p
}

// at is where the entry stands after the operations; false if it does not.
func (p *planner) at(id EntryID) (DN, bool) {
	n := p.tree.byID[id]
	if n == nil {
		return DN{}, false
	}
	return p.tree.dn(n), true
}

func compareWants(a, b Want) int {
	return cmp.Or(
		cmp.Compare(a.stage(), b.stage()),
		cmp.Compare(a.ID.Kind.rank(), b.ID.Kind.rank()),
		cmp.Compare(a.DN.Depth(), b.DN.Depth()),
		strings.Compare(a.ID.Name, b.ID.Name),
	)
}

// stage is when the entry is made or moved.
func (w Want) stage() stage {
	switch {
	case w.ID.Kind == TenantEntry || w.ID.Kind == ContainerEntry:
		return prepare
	case w.Reduce:
		return reduce
	default:
		return place
	}
}

// planner collects the operations; its tree is the directory after them.
type planner struct {
	tree       *tree
	wanted     map[EntryID]Want
	names      map[string]EntryID // by key of the wanted DN
	operations []Operation
	conflicts  []Conflict
}

func (p *planner) conflict(id EntryID, kind ConflictKind, dn DN, by EntryID) {
	p.conflicts = append(p.conflicts, Conflict{ID: id, Kind: kind, DN: dn, By: by})
}

// dismiss deletes users whom nobody wants, before anything else.
func (p *planner) dismiss() {
	for _, n := range p.unwanted() {
		if n.id.Kind == UserEntry && len(n.children) == 0 {
			p.remove(n, reduce)
		}
	}
}

// lock takes access away where the entry stands, before anything moves.
func (p *planner) lock(want []Want) {
	for _, w := range want {
		n := p.tree.byID[w.ID]
		if w.First == "" || n == nil || n.attributes.equal(w.First, w.Attributes[w.First]) {
			continue
		}
		change := Change{Kind: ReplaceValues, Name: w.First, Values: w.Attributes[w.First]}
		p.operations = append(p.operations, Operation{
			Kind: Modify, ID: w.ID, DN: p.tree.dn(n), Changes: []Change{change}, stage: reduce,
		})
		n.attributes = maps.Clone(n.attributes)
		n.attributes[w.First] = change.Values
	}
}

// demolish deletes what else nobody wants. Moves are over: whatever still stands below an
// entry stays there.
func (p *planner) demolish() {
	for _, n := range p.unwanted() {
		if child := n.anyChild(); child != nil {
			p.conflict(n.id, ChildrenStay, p.tree.dn(child), child.id)
			continue
		}
		p.remove(n, demolish)
	}
}

// unwanted lists the entries of ours that nobody wants, deepest first.
func (p *planner) unwanted() []*node {
	type deep struct {
		*node
		depth int
	}
	var found []deep
	for id, n := range p.tree.byID {
		if _, ok := p.wanted[id]; !ok {
			found = append(found, deep{n, n.depth()})
		}
	}
	slices.SortFunc(found, func(a, b deep) int {
		return cmp.Or(
			cmp.Compare(b.id.Kind.rank(), a.id.Kind.rank()),
			cmp.Compare(b.depth, a.depth),
			strings.Compare(a.id.Name, b.id.Name),
		)
	})
	nodes := make([]*node, len(found))
	for i, d := range found {
		nodes[i] = d.node
	}
	return nodes
}

func (p *planner) remove(n *node, s stage) {
	p.operations = append(p.operations, Operation{Kind: Delete, ID: n.id, DN: p.tree.dn(n), stage: s})
	delete(p.tree.byID, n.id)
	n.detach()
}

// place makes the entry or brings it where it should be. The wants above it are placed
// already, so if its parent is there at all it is there for good.
func (p *planner) place(w Want) bool {
	n := p.tree.byID[w.ID]
	if n == nil && w.IfPresent {
		return false
	}
	parent := p.parent(w)
	if parent == nil && w.Else.Depth() > 0 {
		w.DN = w.Else
		p.names[w.DN.Key()] = w.ID
		parent = p.parent(w)
	}
	switch {
	case parent == nil:
		p.conflict(w.ID, ParentMissing, w.DN.Parent(), EntryID{})
		return false
	case n != nil && parent.isIn(n):
		p.conflict(w.ID, ParentBelow, w.DN.Parent(), parent.id)
		return false
	}
	occupant := parent.children[w.DN.leaf().key]
	if occupant != nil && occupant == n {
		return true
	}
	if occupant != nil && !p.makeRoom(occupant, w.stage()) {
		p.conflict(w.ID, NameTaken, p.tree.dn(occupant), occupant.id)
		p.putAside(w, n, parent)
		return false
	}
	if n == nil {
		p.add(w, parent)
		return true
	}
	p.rename(n, parent, w.DN.leaf(), w.stage(), false)
	return true
}

// putAside takes access away although the name among the disabled is taken: the entry goes
// there by its temporary name, and stays so until its own is free.
func (p *planner) putAside(w Want, n, parent *node) {
	if !w.Reduce || n == nil || n.parent == parent {
		return
	}
	aside := p.tree.folding.newRDN(w.DN.attribute(), temporaryName(w.ID))
	if parent.children[aside.key] == nil {
		p.rename(n, parent, aside, w.stage(), true)
	}
}

// parent returns the entry that w is to stand below, or nil. An entry that has its name
// while the right one could not be placed will not do.
func (p *planner) parent(w Want) *node {
	dn := w.DN.Parent()
	n := p.tree.find(dn)
	if id, ok := p.names[dn.Key()]; ok && n != nil && n.id != id {
		return nil
	}
	return n
}

func (p *planner) rename(n, parent *node, r rdn, s stage, temporary bool) {
	from := p.tree.dn(n)
	p.tree.move(n, parent, r)
	p.operations = append(p.operations, Operation{
		Kind: Rename, ID: n.id, DN: from, NewDN: p.tree.dn(n), Temporary: temporary, stage: s,
	})
}

func (p *planner) add(w Want, parent *node) {
	attributes := make(Attributes, len(w.Attributes)+len(w.Initial))
	for name, values := range w.Initial {
		attributes[name] = values
	}
	for name, values := range w.Attributes {
		if len(values) > 0 {
			attributes[name] = values
		}
	}
	n := &node{id: w.ID, rdn: w.DN.leaf(), attributes: attributes}
	parent.attach(n)
	p.tree.byID[w.ID] = n
	p.operations = append(p.operations, Operation{Kind: Add, ID: w.ID, DN: w.DN, Attributes: attributes, stage: w.stage()})
}

// makeRoom gives the entry a temporary name if it is about to leave its own anyway.
func (p *planner) makeRoom(n *node, s stage) bool {
	if n.id == (EntryID{}) {
		return false
	}
	w, ok := p.wanted[n.id]
	if ok && w.DN.Equal(p.tree.dn(n)) {
		return false
	}
	temporary := p.tree.folding.newRDN(p.tree.dn(n).attribute(), temporaryName(n.id))
	if n.parent.children[temporary.key] != nil {
		return false
	}
	p.rename(n, n.parent, temporary, s, true)
	return true
}

// temporaryName is the same at every attempt, so that a crash leaves nothing strange.
func temporaryName(id EntryID) string {
	sum := sha256.Sum256([]byte(string(id.Kind) + "\x00" + id.Name))
	return "moving-" + hex.EncodeToString(sum[:8])
}

// adjust makes the attributes equal, by one modification.
func (p *planner) adjust(w Want) {
	n := p.tree.byID[w.ID]
	var changes []Change
	var classes []string
	for _, class := range w.Classes {
		if !n.attributes.hasFold("objectClass", class) {
			classes = append(classes, class)
		}
	}
	if len(classes) > 0 {
		changes = append(changes, Change{Kind: AddValues, Name: "objectClass", Values: classes})
	}
	for _, name := range w.Attributes.names() {
		values := w.Attributes[name]
		if !n.attributes.equal(name, values) {
			changes = append(changes, Change{Kind: ReplaceValues, Name: name, Values: values})
		}
	}
	// The server may refuse to give access back; the rest is not lost for that.
	alone := func(c Change) bool { return c.Name == "userAccountControl" }
	if i := slices.IndexFunc(changes, alone); i >= 0 && len(changes) > 1 {
		p.modify(w.ID, n, changes[i])
		changes = slices.Delete(changes, i, i+1)
	}
	if len(changes) > 0 {
		p.modify(w.ID, n, changes...)
	}
}

func (p *planner) modify(id EntryID, n *node, changes ...Change) {
	p.operations = append(p.operations, Operation{Kind: Modify, ID: id, DN: p.tree.dn(n), Changes: slices.Clone(changes), stage: adjust})
}

func (n *node) anyChild() *node {
	var first *node
	for _, c := range n.children {
		if first == nil || c.rdn.key < first.rdn.key {
			first = c
		}
	}
	return first
}
