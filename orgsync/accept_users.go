package orgsync

func (w *work) users() error {
	m := w.message
	instances, err := w.tx.Instances()
	if err != nil {
		return err
	}
	batch := newGrantBatch(m, InstanceOf(instances, m.Instance))
	if batch.grants, err = w.tx.Grants(batch.names); err != nil {
		return err
	}
	if batch.parked, err = w.tx.Parked(batch.ids); err != nil {
		return err
	}
	before := make(map[UserName]User, len(batch.names))
	for _, name := range batch.names {
		before[name] = ProjectUser(name, instances, batch.grants[name])
	}
	for n, element := range m.Users {
		if err := w.user(batch, n+1, element); err != nil {
			return err
		}
	}
	if err := w.tx.PutGrants(batch.touched()); err != nil {
		return err
	}
	var changed []User
	for _, name := range batch.names {
		if u := ProjectUser(name, instances, batch.grants[name]); !u.equal(before[name]) {
			changed = append(changed, u)
		}
	}
	return w.putUsers(changed)
}

// user applies one element of the list.
func (w *work) user(b *grantBatch, position int, element UserChange) error {
	if bad := CheckKey(string(element.Name)); bad != nil {
		return w.parkBad(position, UserKey, string(element.Name), "userName "+bad.Error())
	}
	g, v := b.grant(element.Name), w.version.at(position)
	result := g.apply(element.Attributes, w.message.Flag, v, b.instance.Ended)
	b.put(g)
	w.count(result != lost)
	if result == lost {
		return nil
	}
	id := b.id(element.Name)
	was, isParked := b.parked[id]
	reason := b.waitsFor(w.message.Flag, result)
	switch {
	case isParked && was.Version < v:
		if err := w.unpark(was, Stale); err != nil {
			return err
		}
	case isParked && reason == "":
		if err := w.unpark(was, Applied); err != nil {
			return err
		}
	case isParked: // what is parked is newer, and still waits
		w.tally.move(Applied, Stale, 1)
		return nil
	}
	delete(b.parked, id)
	if reason == "" {
		return nil
	}
	c := ParkedChange{
		ID: id, Journal: w.journal, Version: v, Kind: UserKey, Key: string(element.Name),
		Instance: b.instance.ID, Reason: reason,
	}
	b.parked[id] = c
	return w.park(c)
}

// grantBatch holds the grants that one authSync touches.
type grantBatch struct {
	app      AppID
	instance Instance
	names    []UserName // each valid name once, in order of appearance
	ids      []string
	grants   map[UserName][]Grant
	parked   map[string]ParkedChange
}

func newGrantBatch(m Message, i Instance) *grantBatch {
	b := &grantBatch{app: m.App, instance: i}
	seen := make(map[UserName]bool, len(m.Users))
	for _, u := range m.Users {
		if !seen[u.Name] && CheckKey(string(u.Name)) == nil {
			seen[u.Name] = true
			b.names = append(b.names, u.Name)
			b.ids = append(b.ids, b.id(u.Name))
		}
	}
	return b
}

func (b *grantBatch) id(name UserName) string {
	return registerID("user", string(b.instance.ID), string(b.app), string(name))
}

// grant returns the user's grant in the batch's instance and application.
func (b *grantBatch) grant(name UserName) Grant {
	for _, g := range b.grants[name] {
		if g.Instance == b.instance.ID && g.App == b.app {
			return g
		}
	}
	return Grant{Instance: b.instance.ID, App: b.app, User: name}
}

func (b *grantBatch) put(g Grant) {
	list := b.grants[g.User]
	for n := range list {
		if list[n].Instance == g.Instance && list[n].App == g.App {
			list[n] = g
			return
		}
	}
	b.grants[g.User] = append(list, g)
}

func (b *grantBatch) touched() []Grant {
	out := make([]Grant, 0, len(b.names))
	for _, name := range b.names {
		out = append(out, b.grant(name))
	}
	return out
}

// waitsFor says why a change that is recorded does not show yet, or nothing. Removals
// wait for nothing.
func (b *grantBatch) waitsFor(flag Flag, result outcome) string {
	switch {
	case flag == FlagRemove || flag == FlagRevoke:
		return ""
	case result == waiting:
		return ReasonChangedRemoved
	case !b.instance.IsBound():
		return ReasonUnbound
	}
	return ""
}
