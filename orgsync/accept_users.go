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
	g := b.grant(element.Name)
	w.count(g.apply(element.Attributes, w.message.Flag, w.version.at(position), b.instance.Ended))
	b.put(g)
	return w.judgeGrant(g, b.instance, b.parked)
}

// judgeGrant keeps a parked change for a grant of which the newest statement does not
// show yet. parked holds what is parked now and is kept up to date.
func (w *work) judgeGrant(g Grant, i Instance, parked map[string]ParkedChange) error {
	id := grantID(g.Instance, g.App, g.User)
	was, isParked := parked[id]
	reason, v := g.waits(i)
	if isParked && reason == was.Reason && v == was.Version || !isParked && reason == "" {
		return nil
	}
	if isParked {
		verdict := Stale
		if was.Version == max(g.Granted, g.Changed) && was.Version > max(i.Ended, g.Removed) {
			verdict = Applied
		}
		delete(parked, id)
		if err := w.unpark(was, verdict); err != nil {
			return err
		}
	}
	if reason == "" {
		return nil
	}
	c := ParkedChange{
		ID: id, Journal: w.journalOf(v), Version: v, Kind: UserKey, Key: string(g.User), Instance: i.ID, Reason: reason,
	}
	parked[id] = c
	return w.park(c)
}

// journalOf is the push that made a statement: this one, or 0 for one before it.
func (w *work) journalOf(v Version) JournalID {
	if v.at(0) == w.version {
		return w.journal
	}
	return 0
}

func grantID(i InstanceID, a AppID, u UserName) string {
	return registerID("user", string(i), string(a), string(u))
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
			b.ids = append(b.ids, grantID(i.ID, m.App, u.Name))
		}
	}
	return b
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
