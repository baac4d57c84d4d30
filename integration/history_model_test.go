//go:build integration

package integration_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// model is the independent opinion on what a history means: the statements are
// sorted by the time that they state and said one after another, as if they had
// arrived in that order, into plain maps. It shares no code with the program.
type model struct {
	instances map[string]*modelInstance
	grants    map[[3]string]*modelGrant             // by instance, app and user
	said      map[[3]string]map[string]modelWord    // the newest word on each attribute, whatever came after
	asserted  map[string]map[string]modelDepartment // by instance and code
	removed   map[string]int64                      // by user, ms of the newest flag 0
	described map[string]bool                       // users of whom a flag 1 or 2 spoke
	order     int
}

type modelInstance struct {
	bound, decided, isAnnounced bool // decided: a 0 or 1 was said
	ended                       int64
	words                       map[string]modelWord
}

type modelGrant struct {
	presence string // "", granted, withdrawn, removed
	words    map[string]modelWord
}

// modelWord is a value with the moment of its statement; order decides where the
// moments are equal, except that less access wins.
type modelWord struct {
	value  string
	moment [2]int64
	order  int
}

type modelDepartment struct {
	name, parent string
	order        int
}

// replayed says the statements about one tenant in the order of their times.
func replayed(tenant string, statements []statement) *model {
	m := &model{
		instances: map[string]*modelInstance{}, grants: map[[3]string]*modelGrant{}, said: map[[3]string]map[string]modelWord{},
		asserted: map[string]map[string]modelDepartment{}, removed: map[string]int64{}, described: map[string]bool{},
	}
	var mine []statement
	for _, s := range statements {
		if s.tenant == tenant && !s.isFuture {
			mine = append(mine, s)
		}
	}
	slices.SortStableFunc(mine, func(a, b statement) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		if c := a.stamp.Compare(b.stamp); c != 0 {
			return c
		}
		return a.rank() - b.rank()
	})
	for _, s := range mine {
		m.say(s)
	}
	return m
}

// rank is the order of what is said at the same moment: the later of them gives
// less access.
func (s statement) rank() int {
	switch {
	case s.name == "allOrgSync":
		return 0
	case s.name == "tenantSync" && s.flag == flagRemove:
		return 5
	case s.flag == flagRemove:
		return 4
	default:
		return s.flag
	}
}

func (m *model) say(s statement) {
	i := m.instance(s.instance)
	switch s.name {
	case "tenantSync":
		m.sayTenant(i, s)
	case "authSync":
		for _, u := range s.users {
			if !isBadKey(u["userName"]) {
				m.order++
				m.sayUser(s, u)
			}
		}
	case "singleOrgSync":
		m.order++
		d := s.departments[0]
		if s.flag == flagRemove {
			for _, codes := range m.asserted {
				delete(codes, d.code)
			}
			return
		}
		m.assert(s.instance, d)
	case "allOrgSync":
		isWhole := !slices.ContainsFunc(s.departments, func(d listedDepartment) bool { return isBadKey(d.code) })
		if isWhole {
			delete(m.asserted, s.instance)
		}
		for _, d := range s.departments {
			if !isBadKey(d.code) {
				m.order++
				m.assert(s.instance, d)
			}
		}
	}
}

func (m *model) instance(id string) *modelInstance {
	if m.instances[id] == nil {
		m.instances[id] = &modelInstance{words: map[string]modelWord{}}
	}
	return m.instances[id]
}

func (m *model) assert(instance string, d listedDepartment) {
	if m.asserted[instance] == nil {
		m.asserted[instance] = map[string]modelDepartment{}
	}
	m.asserted[instance][d.code] = modelDepartment{d.name, d.parent, m.order}
}

func (m *model) sayTenant(i *modelInstance, s statement) {
	m.order++
	switch s.flag {
	case flagRemove:
		i.bound, i.decided, i.ended = false, true, s.at.UnixMilli()
		delete(m.asserted, s.instance)
		for key, g := range m.grants {
			if key[0] == s.instance {
				*g = modelGrant{words: map[string]modelWord{}}
			}
		}
		return
	case flagAdd:
		i.bound, i.decided = true, true
	default:
		i.bound = i.bound || !i.decided
	}
	i.isAnnounced = true
	for field, value := range s.enterprise {
		i.words[field] = modelWord{value, s.moment(), m.order}
	}
}

func (s statement) moment() [2]int64 { return [2]int64{s.at.UnixMilli(), s.stamp.UnixMilli()} }

func (m *model) sayUser(s statement, u map[string]string) {
	userName := u["userName"]
	key := [3]string{s.instance, s.app, userName}
	if m.grants[key] == nil {
		m.grants[key] = &modelGrant{words: map[string]modelWord{}}
		m.said[key] = map[string]modelWord{}
	}
	g := m.grants[key]
	switch s.flag {
	case flagRemove:
		*g = modelGrant{presence: "removed", words: map[string]modelWord{}}
		m.removed[userName] = max(m.removed[userName], s.at.UnixMilli())
		return
	case flagRevoke:
		g.presence = "withdrawn"
		return
	case flagAdd:
		g.presence = "granted"
	case flagModify:
		if g.presence == "" {
			g.presence = "granted"
		}
	}
	m.described[userName] = true
	words := maps.Clone(u)
	delete(words, "userName")
	if _, isSaid := words["enable"]; !isSaid && s.flag == flagAdd {
		words["enable"] = "true"
	}
	for field, value := range words {
		switch {
		case field == "enable" && value != "true":
			value = "false"
		case field == "role" && value != "admin":
			value = "user"
		}
		word := modelWord{value, s.moment(), m.order}
		g.words[field] = newerWord(field, g.words[field], word)
		m.said[key][field] = newerWord(field, m.said[key][field], word)
	}
}

// newerWord is the newer of two words; of the same moment the one that gives
// less access.
func newerWord(field string, a, b modelWord) modelWord {
	for n := range a.moment {
		if a.moment[n] != b.moment[n] {
			if a.moment[n] > b.moment[n] {
				return a
			}
			return b
		}
	}
	less := map[string]string{"enable": "false", "role": "user"}[field]
	switch {
	case less != "" && a.value != b.value && a.value == less:
		return a
	case less != "" && a.value != b.value && b.value == less:
		return b
	case a.order > b.order:
		return a
	default:
		return b
	}
}

// isActive says whether some instance is bound, isAnnounced whether anybody but
// an end ever spoke of one: before that nobody hears of the tenant.
func (m *model) isActive() bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(m.instances)), func(i *modelInstance) bool { return i.bound })
}

func (m *model) isAnnounced() bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(m.instances)), func(i *modelInstance) bool { return i.isAnnounced })
}

// hasEnded says whether an instance ever ended.
func (m *model) hasEnded() bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(m.instances)), func(i *modelInstance) bool { return i.ended > 0 })
}

// tables is what the tables hold of one tenant, by the name of the table.
type tables map[string][]string

// expected is what the tables must hold.
func (m *model) expected(tenant string) tables {
	t := tables{}
	if !m.isAnnounced() {
		return t
	}
	words := m.enterprise()
	t.add("tenant", tenant, words["tenantCode"].value, words["name"].value, words["domainName"].value, bit(m.isActive()))
	if m.isActive() {
		m.expectDepartments(t, tenant)
	}
	for userName := range m.described {
		m.expectUser(t, tenant, userName)
	}
	for _, rows := range t {
		slices.Sort(rows)
	}
	return t
}

// enterprise is what is known of the tenant itself.
func (m *model) enterprise() map[string]modelWord {
	words := map[string]modelWord{}
	for _, i := range m.instances {
		if i.bound || !m.isActive() {
			for field, word := range i.words {
				words[field] = newerWord(field, words[field], word)
			}
		}
	}
	return words
}

func (t tables) add(table string, columns ...string) {
	t[table] = append(t[table], strings.Join(columns, " | "))
}

// liveDepartments are those that some bound instance asserts.
func (m *model) liveDepartments() map[string]modelDepartment {
	live := map[string]modelDepartment{}
	for instance, codes := range m.asserted {
		if !m.instances[instance].bound {
			continue
		}
		for code, d := range codes {
			if d.order > live[code].order {
				live[code] = d
			}
		}
	}
	return live
}

func (m *model) expectDepartments(t tables, tenant string) {
	live := m.liveDepartments()
	for code, d := range live {
		path, seen, isParked := []string{code}, map[string]bool{code: true}, false
		for parent := d.parent; parent != ""; parent = live[parent].parent {
			if _, isLive := live[parent]; !isLive || seen[parent] {
				isParked = true
				break
			}
			seen[parent] = true
			path = slices.Insert(path, 0, parent)
		}
		t.add("department", tenant, code, d.name, d.parent, encodedPath(path), strconv.Itoa(len(path)), bit(isParked))
	}
}

// modelUser is what all grants of a user come to.
type modelUser struct {
	words     map[string]modelWord
	role      string
	isEnabled bool
	isKept    bool // granted or withdrawn, not removed
	removedAt int64
	grants    []modelUserGrant
}

type modelUserGrant struct {
	instance, app, role string
	isOn                bool
}

// project says how a user stands; false if that is nothing that a sink should hold.
func (m *model) project(userName string) (modelUser, bool) {
	words, everSaid := map[string]modelWord{}, map[string]modelWord{}
	role := modelWord{}
	isLive, isRemoved := false, false
	u := modelUser{removedAt: m.removed[userName]}
	for key, g := range m.grants {
		if key[2] != userName {
			continue
		}
		i := m.instances[key[0]]
		u.removedAt = max(u.removedAt, i.ended)
		isOpen := i.bound && g.presence == "granted"
		isOn := isOpen && g.words["enable"].value != "false"
		isLive, u.isEnabled = isLive || isOpen, u.isEnabled || isOn
		u.isKept = u.isKept || i.bound && (g.presence == "granted" || g.presence == "withdrawn")
		isRemoved = isRemoved || i.ended > 0 || i.bound && g.presence == "removed"
		for field, word := range m.said[key] {
			everSaid[field] = newerWord(field, everSaid[field], word)
		}
		if isOpen {
			for field, word := range g.words {
				words[field] = newerWord(field, words[field], word)
			}
		}
		if word, isSaid := g.words["role"]; isOn && isSaid {
			role = newerWord("role", role, word)
		}
		if g.presence == "granted" || g.presence == "withdrawn" {
			u.grants = append(u.grants, modelUserGrant{key[0], key[1], g.words["role"].value, isOn})
		}
	}
	if !isLive {
		words = everSaid
	}
	if !u.isEnabled {
		role = words["role"]
	}
	u.words, u.role = words, role.value
	return u, u.isKept || isRemoved
}

func (m *model) expectUser(t tables, tenant, userName string) {
	u, isThere := m.project(userName)
	if !isThere {
		return
	}
	gone := "NULL"
	if !u.isKept {
		gone = time.UnixMilli(u.removedAt).UTC().Format(tableTime)
	}
	words := u.words
	t.add("user", tenant, userName, words["name"].value, words["orgCode"].value, orUser(u.role), bit(u.isEnabled),
		words["position"].value, words["employeeCode"].value, typeInTable(words["employeeType"].value), words["mobile"].value,
		words["email"].value, words["workPlace"].value, dateInTable(words["entryDate"].value),
		strconv.FormatInt(m.removed[userName], 10), gone)
	for _, g := range u.grants {
		t.add("grant", tenant, userName, g.instance, g.app, orUser(g.role), bit(g.isOn))
	}
}

func orUser(role string) string {
	if role == "" {
		return "user"
	}
	return role
}

func typeInTable(value string) string {
	if len(value) == 1 && strings.Contains("1234", value) {
		return value
	}
	return ""
}

// dateInTable is a date as the guide writes it, yyyy-MM-d, in the form of the
// tables; what is none is NULL.
func dateInTable(value string) string {
	at, err := time.Parse("2006-1-2", value)
	if err != nil {
		return "NULL"
	}
	return at.Format("2006-01-02")
}
