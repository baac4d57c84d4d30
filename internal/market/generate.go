package market

import (
	"fmt"
	"math/rand/v2"
)

// Spec says what [Generate] is to make.
type Spec struct {
	// Seed chooses among the buyers of that size; equal specs give equal buyers.
	Seed uint64
	// Departments and Users are how many.
	Departments, Users int
	// Awkward mixes in names with commas, quotes, '#', '+', blanks at the ends,
	// full-width letters, characters beyond the basic plane and markup.
	Awkward bool
}

// Generate makes a plausible enterprise: departments on up to three levels,
// users with Chinese names spread over them, the first user an admin. Every
// user's password is "pw-" and the user name.
func Generate(s Spec) *Buyer {
	r := rand.New(rand.NewPCG(s.Seed, 0x6b69746272696467)) //nolint:gosec // G404: repeatable on purpose
	code := fmt.Sprintf("buyer%d", s.Seed)
	b := &Buyer{
		InstanceID: fmt.Sprintf("instance-%016x", r.Uint64()),
		OrderID:    fmt.Sprintf("CS%014d", r.Uint64N(1e14)),
		TenantID:   fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()),
		Code:       code,
		Name:       pick(r, surnames()).han + pick(r, givenNames()).han + "科技有限公司",
		Domain:     "https://imc-" + code + ".example.com",
		AppID:      "app0001",
		ClientID:   fmt.Sprintf("client-%016x", r.Uint64()),
	}
	b.ClientSecret = fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
	b.Departments = generateDepartments(r, s)
	b.Users = generateUsers(r, s, b)
	return b
}

// generateDepartments puts about one in six at the top and half of the rest
// on the second level. Names are unique among the children of one parent.
func generateDepartments(r *rand.Rand, s Spec) []Department {
	names := [3][]string{topDepartments(), midDepartments(), lowDepartments()}
	perLevel := [3]int{0: (s.Departments + 5) / 6}
	perLevel[1] = (s.Departments - perLevel[0] + 1) / 2
	perLevel[2] = s.Departments - perLevel[0] - perLevel[1]
	awkward := awkwardNames()
	var all []Department
	parents := []string{""}
	taken := map[[2]string]int{}
	for level, count := range perLevel {
		var here []string
		for range count {
			name := pick(r, names[level])
			if s.Awkward && len(all)%3 == 1 {
				name = awkward[len(all)/3%len(awkward)]
			}
			d := Department{Code: fmt.Sprintf("%08d", len(all)+1), Name: name, Parent: pick(r, parents)}
			key := [2]string{d.Parent, d.Name}
			if taken[key]++; taken[key] > 1 {
				d.Name = fmt.Sprintf("%s%d", d.Name, taken[key])
			}
			all = append(all, d)
			here = append(here, d.Code)
		}
		if len(here) > 0 {
			parents = here
		}
	}
	return all
}

func generateUsers(r *rand.Rand, s Spec, b *Buyer) []User {
	names, userNames := awkwardNames(), awkwardUserNames()
	taken := map[string]int{}
	users := make([]User, 0, s.Users)
	for i := range s.Users {
		surname, given := pick(r, surnames()), pick(r, givenNames())
		u := User{
			UserName:     surname.latin + given.latin,
			Name:         surname.han + given.han,
			Role:         "user",
			Position:     pick(r, positions()),
			EmployeeCode: fmt.Sprintf("E%06d", i+1),
			EmployeeType: 1 + r.IntN(4),
			EntryDate:    fmt.Sprintf("%d-%d-%d", 2010+r.IntN(15), 1+r.IntN(12), 1+r.IntN(28)),
			WorkPlace:    pick(r, workPlaces()),
			Mobile:       fmt.Sprintf("199%08d", r.IntN(1e8)),
		}
		if i == 0 {
			u.Role = "admin"
		}
		if len(b.Departments) > 0 {
			u.OrgCode = pick(r, b.Departments).Code
		}
		if taken[u.UserName]++; taken[u.UserName] > 1 {
			u.UserName = fmt.Sprintf("%s%d", u.UserName, taken[u.UserName])
		}
		u.Email = u.UserName + "@" + b.Code + ".example.com"
		if s.Awkward && i%2 == 1 {
			u.Name = names[i/2%len(names)]
			if n := i / 2; n < len(userNames) {
				u.UserName = userNames[n]
			}
		}
		u.Password = "pw-" + u.UserName
		users = append(users, u)
	}
	return users
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }
