package market

import (
	"errors"
	"fmt"
	"slices"
)

// ErrUnknown says that a buyer has no such department or user.
var ErrUnknown = errors.New("unknown")

// ErrCycle says that a department cannot stand below itself.
var ErrCycle = errors.New("department would stand below itself")

// AddDepartment adds a department and returns the message that says so.
func (b *Buyer) AddDepartment(d Department) SingleOrgSync {
	b.Departments = append(b.Departments, d)
	return b.singleOrg(d, Add)
}

// RenameDepartment changes a name and returns the message that says so, or
// [ErrUnknown].
func (b *Buyer) RenameDepartment(code, name string) (SingleOrgSync, error) {
	i, err := b.department(code)
	if err != nil {
		return SingleOrgSync{}, err
	}
	b.Departments[i].Name = name
	return b.singleOrg(b.Departments[i], Modify), nil
}

// MoveDepartment puts a department with all below it under another parent,
// empty for the top, and returns the message that says so. Parent and code
// must exist ([ErrUnknown]); the parent may not be below code ([ErrCycle]).
func (b *Buyer) MoveDepartment(code, parent string) (SingleOrgSync, error) {
	i, err := b.department(code)
	if err != nil {
		return SingleOrgSync{}, err
	}
	for up := parent; up != ""; {
		if up == code {
			return SingleOrgSync{}, ErrCycle
		}
		j, err := b.department(up)
		if err != nil {
			return SingleOrgSync{}, err
		}
		up = b.Departments[j].Parent
	}
	moved := b.Departments[i]
	moved.Parent = parent
	// Parents stay before their children: the department and what is below it
	// go to the end, in the order they had.
	below := map[string]bool{code: true}
	var stay, move []Department
	for _, d := range b.Departments {
		switch {
		case d.Code == code:
			move = append(move, moved)
		case below[d.Parent]:
			below[d.Code] = true
			move = append(move, d)
		default:
			stay = append(stay, d)
		}
	}
	b.Departments = append(stay, move...)
	return b.singleOrg(moved, Modify), nil
}

// DeleteDepartment removes one department, not those below it nor its users,
// and returns the message that says so, or [ErrUnknown].
func (b *Buyer) DeleteDepartment(code string) (SingleOrgSync, error) {
	i, err := b.department(code)
	if err != nil {
		return SingleOrgSync{}, err
	}
	d := b.Departments[i]
	b.Departments = slices.Delete(b.Departments, i, i+1)
	return b.singleOrg(d, Delete), nil
}

// AddUser authorises a user and returns the message that says so.
func (b *Buyer) AddUser(u User) AuthSync {
	b.Users = append(b.Users, u)
	return b.oneUser(u, Add)
}

// ChangeUser replaces the user of that user name and returns the message that
// says so, or [ErrUnknown].
func (b *Buyer) ChangeUser(u User) (AuthSync, error) {
	i, err := b.user(u.UserName)
	if err != nil {
		return AuthSync{}, err
	}
	b.Users[i] = u
	return b.oneUser(u, Modify), nil
}

// DisableUser switches an account off and returns the message that says so,
// or [ErrUnknown].
func (b *Buyer) DisableUser(userName string) (AuthSync, error) {
	i, err := b.user(userName)
	if err != nil {
		return AuthSync{}, err
	}
	b.Users[i].Disabled = true
	return b.oneUser(b.Users[i], Modify), nil
}

// RemoveUser deletes a user and returns the message that says so (flag 0), or
// [ErrUnknown].
func (b *Buyer) RemoveUser(userName string) (AuthSync, error) { return b.drop(userName, Delete) }

// RevokeUser takes back a user's authorisation and returns the message that
// says so (flag 3), or [ErrUnknown].
func (b *Buyer) RevokeUser(userName string) (AuthSync, error) { return b.drop(userName, Revoke) }

func (b *Buyer) drop(userName string, f Flag) (AuthSync, error) {
	i, err := b.user(userName)
	if err != nil {
		return AuthSync{}, err
	}
	u := b.Users[i]
	b.Users = slices.Delete(b.Users, i, i+1)
	return b.oneUser(u, f), nil
}

func (b *Buyer) singleOrg(d Department, f Flag) SingleOrgSync {
	return SingleOrgSync{Header: b.header(), Department: d, Flag: f}
}

func (b *Buyer) oneUser(u User, f Flag) AuthSync {
	return AuthSync{Header: b.header(), AppID: b.AppID, Users: []User{u}, Flag: f}
}

func (b *Buyer) department(code string) (int, error) {
	i := slices.IndexFunc(b.Departments, func(d Department) bool { return d.Code == code })
	if i < 0 {
		return 0, fmt.Errorf("department %q: %w", code, ErrUnknown)
	}
	return i, nil
}

func (b *Buyer) user(userName string) (int, error) {
	i := slices.IndexFunc(b.Users, func(u User) bool { return u.UserName == userName })
	if i < 0 {
		return 0, fmt.Errorf("user %q: %w", userName, ErrUnknown)
	}
	return i, nil
}
