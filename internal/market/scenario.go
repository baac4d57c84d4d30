package market

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
)

// Scenario is a play of the marketplace's with one buyer.
type Scenario string

// The scenarios.
const (
	// BindScenario: the buyer binds the product and authorises its members.
	BindScenario Scenario = "bind"
	// EditsScenario: binding, then changes of departments and users, one by one.
	EditsScenario Scenario = "edits"
	// ShuffleScenario: the messages of EditsScenario in any order, some twice in the
	// very same bytes, some sent anew, some much later than the others.
	ShuffleScenario Scenario = "shuffle"
	// UnbindScenario: binding, then the end of the subscription.
	UnbindScenario Scenario = "unbind"
	// LoadScenario: binding, then small changes at a steady rate.
	LoadScenario Scenario = "load"
)

// Scenarios lists them, the simplest first.
func Scenarios() []Scenario {
	return []Scenario{BindScenario, EditsScenario, ShuffleScenario, UnbindScenario, LoadScenario}
}

const (
	// editCount is how many changes follow the binding.
	editCount = 60
	// maxDepartmentsDropped keeps the seller's guard against destruction out of it.
	maxDepartmentsDropped = 5
	// sentTwice is one in how many messages of a shuffle is sent again.
	sentTwice = 4
)

// delivery is one message on its way.
type delivery struct {
	message Message
	// again: the very bytes of it that were sent before are sent once more.
	again bool
}

// director makes the messages of a play. Making a message changes the buyer, so the
// buyer is the model of what the seller should hold once all were delivered.
type director struct {
	buyer   *Buyer
	random  *rand.Rand
	secret  bool // the seller's public key is known, so a credential can be sent
	dropped int
	serial  int
	removed []User // who may come back
}

func newDirector(b *Buyer, seed uint64, secret bool) *director {
	return &director{buyer: b, secret: secret, random: rand.New(rand.NewPCG(seed, 0x73696d756c617465))} //nolint:gosec // G404: repeatable on purpose
}

func (d *director) binding() []Message {
	all := d.buyer.Binding()
	if d.secret {
		return all
	}
	return slices.DeleteFunc(all, func(m Message) bool { return m.endpoint() == ApplicationSync{}.endpoint() })
}

// edits yields n changes.
func (d *director) edits(n int) iter.Seq[Message] {
	return func(yield func(Message) bool) {
		for range n {
			if !yield(d.edit()) {
				return
			}
		}
	}
}

// edit makes one change. What cannot be done with the buyer as it is becomes another.
func (d *director) edit() Message {
	for {
		m, err := d.tryEdit(d.random.IntN(100))
		if err == nil {
			return m
		}
	}
}

var errNotNow = errors.New("not with this buyer")

func (d *director) tryEdit(dice int) (Message, error) {
	b := d.buyer
	switch {
	case dice < 10:
		d.serial++
		return b.AddDepartment(Department{
			Code: fmt.Sprintf("N%05d", d.serial), Name: fmt.Sprintf("新部门%d", d.serial), Parent: d.someDepartment().Code,
		}), nil
	case dice < 25:
		d.serial++
		return b.RenameDepartment(d.someDepartment().Code, fmt.Sprintf("更名部门%d", d.serial))
	case dice < 33:
		parent := d.someDepartment().Code
		if d.random.IntN(4) == 0 {
			parent = ""
		}
		return b.MoveDepartment(d.someDepartment().Code, parent)
	case dice < 38:
		return d.dropDepartment()
	case dice < 50:
		return d.addUser()
	case dice < 80:
		return d.changeUser()
	case dice < 88:
		u, err := d.someUser()
		if err != nil {
			return nil, err
		}
		return b.DisableUser(u.UserName)
	default:
		return d.dropUser()
	}
}

func (d *director) someDepartment() Department { return pick(d.random, d.buyer.Departments) }

// someUser leaves the first one alone, so that never nobody is left.
func (d *director) someUser() (User, error) {
	if len(d.buyer.Users) < 2 {
		return User{}, errNotNow
	}
	return pick(d.random, d.buyer.Users[1:]), nil
}

func (d *director) addUser() (Message, error) {
	if len(d.removed) > 0 && d.random.IntN(2) == 0 {
		u := d.removed[0]
		d.removed = d.removed[1:]
		return d.buyer.AddUser(u), nil
	}
	d.serial++
	return d.buyer.AddUser(User{
		UserName: fmt.Sprintf("xinren%05d", d.serial), Name: fmt.Sprintf("新人%d", d.serial),
		OrgCode: d.someDepartment().Code, Role: "user",
	}), nil
}

func (d *director) changeUser() (Message, error) {
	u, err := d.someUser()
	if err != nil {
		return nil, err
	}
	d.serial++
	u.Position, u.OrgCode = fmt.Sprintf("职位%d", d.serial), d.someDepartment().Code
	u.Disabled = u.Disabled && d.random.IntN(2) == 0
	return d.buyer.ChangeUser(u)
}

func (d *director) dropUser() (Message, error) {
	u, err := d.someUser()
	if err != nil {
		return nil, err
	}
	d.removed = append(d.removed, u)
	if d.random.IntN(3) == 0 {
		return d.buyer.RevokeUser(u.UserName)
	}
	return d.buyer.RemoveUser(u.UserName)
}

// dropDepartment removes one that nothing stands below.
func (d *director) dropDepartment() (Message, error) {
	code := d.someDepartment().Code
	if d.dropped == maxDepartmentsDropped || len(d.buyer.Departments) < 2 ||
		slices.ContainsFunc(d.buyer.Departments, func(o Department) bool { return o.Parent == code }) {
		return nil, errNotNow
	}
	d.dropped++
	return d.buyer.DeleteDepartment(code)
}

// end makes the messages of an unbinding.
func (d *director) end() []Message {
	var all []Message
	if d.secret {
		all = append(all, d.buyer.ApplicationSync(Delete))
	}
	all = append(all, d.buyer.TenantSync(Delete))
	d.buyer.Users, d.buyer.Departments = nil, nil
	return all
}

// small makes one of the changes of a load: one user or one department.
func (d *director) small() Message {
	d.serial++
	if len(d.buyer.Users) > 0 && d.random.IntN(4) > 0 {
		u := pick(d.random, d.buyer.Users)
		u.Position = fmt.Sprintf("职位%d", d.serial)
		m, _ := d.buyer.ChangeUser(u) // it was just picked
		return m
	}
	m, _ := d.buyer.RenameDepartment(d.someDepartment().Code, fmt.Sprintf("更名部门%d", d.serial)) // so was this
	return m
}

// shuffled puts messages, which must be stamped, into any order. A few are held back to
// the end, and one in sentTwice comes again.
func (d *director) shuffled(messages []Message) []delivery {
	all := make([]delivery, 0, len(messages)+len(messages)/sentTwice+1)
	for n, m := range messages {
		all = append(all, delivery{message: m})
		if n%sentTwice == 0 {
			all = append(all, delivery{message: m, again: d.random.IntN(2) == 0})
		}
	}
	d.random.Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
	late := len(all) / 10
	all = append(all[late:], all[:late]...)
	// "Again" means what was sent: the first of two is always the message itself.
	seen := map[string]bool{}
	for n := range all {
		id := all[n].message.endpoint() + all[n].message.stamped()
		all[n].again = all[n].again && seen[id]
		seen[id] = true
	}
	return all
}
