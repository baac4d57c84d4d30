//go:build integration

package integration_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// The size of a random history.
const (
	historyTenants     = 3
	historyDepartments = 60
	historyUsers       = 300
	historyLength      = 160 // pushes before the ends, without those that come twice
)

// historian makes up what a marketplace might say about three tenants. Two
// statements may have been made at the same moment, but never so that the rules
// leave open which of them counts: then only their hash decides, which is the
// program's own business.
type historian struct {
	*rand.Rand
	t       testing.TB
	begin   time.Time
	made    []statement
	taken   map[string]bool // tenant, moment, rank and thing of which something was said
	sealed  string
	revokes bool // flag 3 is known in the second generation only
	pool    historyPool
}

// historyPool is of what a history speaks, and how long it is.
type historyPool struct {
	departments, users, length int
	code, person               func(tenant string, n int) string
	display                    []string // names of people
	homes                      func(h *historian, tenant string) string
}

func usualPool() historyPool {
	return historyPool{
		departments: historyDepartments, users: historyUsers, length: historyLength,
		code:    func(_ string, n int) string { return departmentCode(n) },
		person:  func(_ string, n int) string { return personName(n) },
		display: []string{"张三", "李四", "😀 Wáng", "a,b;c=d"},
		homes: func(h *historian, _ string) string {
			return []string{"a1", "A1", "00000042", "nobody knows", ""}[h.IntN(5)]
		},
	}
}

func newHistorian(t testing.TB, seed uint64) *historian {
	t.Helper()
	return &historian{
		Rand: rand.New(rand.NewPCG(seed, 0x686973746f7279)), t: t, begin: time.Now().Add(-2 * time.Hour).Truncate(time.Millisecond),
		taken: map[string]bool{}, sealed: sealSecret(t, "a secret of the buyer"), revokes: true, pool: usualPool(),
	}
}

// history makes one, in the order of the real world: most of it dated as it
// comes. Nothing of the first tenant ever ends, so that its departments can be
// compared at any time: of one that ended the tables keep what they had until a
// list says what came back. The others are bound in the end and list all their
// departments – but the last, if it is to end.
func (h *historian) history(lastEnds bool) []statement {
	for n := range historyTenants {
		h.add(h.tenantSync(tenantName(n), "i1", flagAdd))
		h.add(h.fullList(tenantName(n), "i1", 12))
	}
	for range h.pool.length {
		h.add(h.some())
	}
	for n := range historyTenants - 1 {
		tenant := tenantName(n + 1)
		h.add(h.tenantSync(tenant, "i1", flagAdd))
		h.add(h.fullList(tenant, "i1", 15))
		if n == historyTenants-2 && lastEnds {
			for _, instance := range []string{"i1", "i2", ""} {
				h.add(h.tenantSync(tenant, instance, flagRemove))
			}
		}
	}
	return h.made
}

func tenantName(n int) string { return fmt.Sprintf("tenant-%d", n) }

// add dates a statement and takes it in.
func (h *historian) add(s statement) {
	for try := 0; ; try++ {
		if s.at = h.now(); try == 0 && h.IntN(4) == 0 {
			other := h.made[max(0, len(h.made)-1-h.IntN(20)):]
			if len(other) > 0 { // at the very moment of another
				s.at, s.stamp = other[0].at, other[0].stamp
			}
		}
		if s.stamp.IsZero() || s.name != "authSync" {
			s.stamp = s.at
		}
		if s.name == "authSync" && try == 0 && h.IntN(5) == 0 {
			s.stamp = s.at.Add(time.Duration(h.IntN(3)) * time.Millisecond)
		}
		if h.claims(s) {
			break
		}
		s.stamp = time.Time{}
	}
	h.made = append(h.made, s)
	if s.name == "authSync" && s.flag != flagRemove && s.flag != flagRevoke && h.IntN(6) == 0 {
		h.made = append(h.made, h.contradicted(s))
	}
}

// now goes on by a second with each statement, and wavers by some.
func (h *historian) now() time.Time {
	return h.begin.Add(time.Duration(len(h.made))*10*time.Second + time.Duration(h.IntN(40_000))*time.Millisecond)
}

// claims says whether nobody else spoke of the same at the same moment with the
// same rank, and notes what this statement speaks of.
func (h *historian) claims(s statement) bool {
	moment := fmt.Sprint(s.tenant, s.at.UnixMilli(), "/", s.stamp.UnixMilli(), "/", s.rank(), "/")
	var things []string
	switch s.name {
	case "tenantSync":
		things = []string{"tenant"}
	case "applicationSync":
		things = []string{"application " + s.app}
	case "allOrgSync":
		things = []string{"list of " + s.instance}
	}
	for _, d := range s.departments {
		things = append(things, "department "+d.code)
	}
	for _, u := range s.users {
		things = append(things, "user "+u["userName"])
	}
	for _, thing := range things {
		if h.taken[moment+thing] {
			return false
		}
	}
	for _, thing := range things {
		h.taken[moment+thing] = true
	}
	return true
}

// contradicted is the same statement of the same moment but for what it says of
// access: the rules say which of the two counts.
func (h *historian) contradicted(s statement) statement {
	other := s
	other.users = nil
	for _, u := range s.users {
		u = maps.Clone(u)
		if h.IntN(2) == 0 {
			u["enable"] = map[string]string{"true": "false", "false": "true", "": "false", "yes": "true"}[u["enable"]]
		} else if role, isSaid := u["role"]; isSaid {
			u["role"] = map[string]string{"user": "admin", "admin": "user"}[role]
		}
		other.users = append(other.users, u)
	}
	return other
}

// some makes any statement.
func (h *historian) some() statement {
	tenant := tenantName(h.IntN(historyTenants))
	instance := []string{"i1", "i1", "i1", "i2", "i2", ""}[h.IntN(6)]
	switch dice := h.IntN(100); {
	case dice < 4 && tenant != tenantName(0):
		return h.tenantSync(tenant, instance, flagRemove)
	case dice < 10:
		return h.tenantSync(tenant, instance, flagAdd)
	case dice < 16:
		return h.tenantSync(tenant, instance, flagModify)
	case dice < 20:
		return statement{name: "applicationSync", tenant: tenant, instance: instance, app: h.app(), flag: h.IntN(3), sealed: h.sealed}
	case dice < 50:
		return h.singleDepartment(tenant, instance)
	case dice < 56:
		return h.spoiled(h.fullList(tenant, instance, 1+h.IntN(30)))
	case dice < 57:
		return h.fullList(tenant, instance, 0) // waits for a person
	case dice < 60:
		s := h.people(tenant, instance, 1)
		s.isFuture = true
		return s
	case dice < 65:
		return h.people(tenant, instance, 100)
	default:
		return h.people(tenant, instance, 1+h.IntN(12))
	}
}

func (h *historian) app() string { return []string{"app1", "app1", "app2"}[h.IntN(3)] }

func (h *historian) tenantSync(tenant, instance string, flag int) statement {
	s := statement{name: "tenantSync", tenant: tenant, instance: instance, flag: flag, enterprise: map[string]string{}}
	if flag == flagRemove {
		return s
	}
	said := map[string]string{
		"tenantCode": fmt.Sprint("code", h.IntN(3)), "name": displayName(h.IntN(16)), "domainName": fmt.Sprintf("https://login%d.example.com", h.IntN(3)),
	}
	for _, field := range sortedKeys(said) {
		if flag == flagAdd || h.IntN(2) == 0 {
			s.enterprise[field] = said[field]
		}
	}
	return s
}

func (h *historian) singleDepartment(tenant, instance string) statement {
	return statement{
		name: "singleOrgSync", tenant: tenant, instance: instance, flag: []int{1, 1, 2, 2, 0, 0}[h.IntN(6)],
		departments: []listedDepartment{h.department(tenant)},
	}
}

// department is anywhere: also below itself, below what is not there, or in a
// circle.
func (h *historian) department(tenant string) listedDepartment {
	d := listedDepartment{code: h.pool.code(tenant, h.IntN(h.pool.departments)), name: displayName(h.IntN(16))}
	if h.IntN(3) > 0 { // of some much is said
		d.code = h.pool.code(tenant, h.IntN(h.pool.departments/4))
	}
	switch dice := h.IntN(20); {
	case dice < 6:
	case dice < 7:
		d.parent = "nobody knows"
	default:
		d.parent = h.pool.code(tenant, h.IntN(h.pool.departments))
	}
	return d
}

func (h *historian) fullList(tenant, instance string, size int) statement {
	s := statement{name: "allOrgSync", tenant: tenant, instance: instance}
	for range size {
		s.departments = append(s.departments, h.department(tenant))
	}
	return s
}

// spoiled is a list in which a code may be none: what such a list does not name may be there
// all the same.
func (h *historian) spoiled(s statement) statement {
	if size := len(s.departments); size > 3 && h.IntN(8) == 0 {
		s.departments[h.IntN(size)].code = []string{"", " a1", "a\tb", strings.Repeat("长", 65)}[h.IntN(4)]
	}
	return s
}

// people is an authSync; some of its users come twice in it.
func (h *historian) people(tenant, instance string, size int) statement {
	s := statement{name: "authSync", tenant: tenant, instance: instance, app: h.app(), flag: []int{1, 1, 1, 2, 2, 2, 0, 3}[h.IntN(8)]}
	if s.flag == flagRevoke && !h.revokes {
		s.flag = flagRemove
	}
	for range size {
		s.users = append(s.users, h.user(tenant, s.flag))
	}
	if size > 3 && h.IntN(8) == 0 {
		s.users[h.IntN(size)]["userName"] = []string{"", "zhang ", "a\nb", strings.Repeat("x", 65)}[h.IntN(4)]
	}
	return s
}

func (h *historian) user(tenant string, flag int) map[string]string {
	u := map[string]string{"userName": h.pool.person(tenant, h.IntN(h.pool.users))}
	if flag == flagRemove || flag == flagRevoke {
		return u
	}
	choices := map[string][]string{
		"name": h.pool.display, "orgCode": {h.pool.homes(h, tenant)},
		"role": {"user", "admin", "owner"}, "enable": {"true", "true", "false", "yes"}, "position": {"工程师", "", "VP"},
		"employeeCode": {"E1", "e1", ""}, "employeeType": {"1", "4", "9", ""}, "mobile": {"13800138000", ""},
		"email": {"a@example.com", "张三@例子.中国", ""}, "workPlace": {"上海 & 北京", ""}, "entryDate": {"2022-11-9", "2022-02-30", ""},
	}
	for _, field := range sortedKeys(choices) { // the same each time for a seed
		values := choices[field]
		if h.IntN(3) > 0 {
			u[field] = values[h.IntN(len(values))]
		}
	}
	return u
}

// delivery is one push of a history on its way: a statement, perhaps for the
// second time.
type delivery struct {
	statement
	number  int  // in the history
	isAgain bool // in the very bytes of the first time, with its nonce
}

// shuffled is a history in any order, with a fifth of it coming again: half of
// those anew, half in the very same bytes.
func (h *historian) shuffled(history []statement) []delivery {
	var all []delivery
	for n, s := range history {
		all = append(all, delivery{statement: s, number: n})
		if h.IntN(5) == 0 {
			all = append(all, delivery{statement: s, number: n, isAgain: h.IntN(2) == 0})
		}
	}
	h.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	seen := map[int]bool{}
	for n := range all {
		all[n].isAgain = all[n].isAgain && seen[all[n].number]
		seen[all[n].number] = true
	}
	return all
}

// inOrder is a history as it happened.
func inOrder(history []statement) []delivery {
	var all []delivery
	for n, s := range history {
		all = append(all, delivery{statement: s, number: n})
	}
	slices.SortStableFunc(all, func(a, b delivery) int { return a.at.Compare(b.at) })
	return all
}
