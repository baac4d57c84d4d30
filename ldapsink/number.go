package ldapsink

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"github.com/kitbridge/kitbridge/orgsync"
)

// A number such as uidNumber is allocated once and kept in the entry that has it. A new one
// begins at a digest of tenant and userName and goes on from there until it meets one that no
// entry below base_dn has and that no user claimed. The claim is what keeps two tenants,
// which two processes may be at work on, from getting one number before either stands in the
// directory: it is recorded with the links before the entry is written, and goes with the link.

// claim is a number and what it is for.
type claim struct {
	attribute string
	number    int
}

// candidate is the n-th number to try for a user.
func (p pooled) candidate(tenant orgsync.TenantID, name orgsync.UserName, n int) int {
	sum := sha256.Sum256([]byte(string(tenant) + "\x00" + string(name)))
	size := uint64(p.high - p.low + 1)                                    //nolint:gosec // positive
	return p.low + int((binary.BigEndian.Uint64(sum[:8])+uint64(n))%size) //nolint:gosec // below size
}

// holds returns the number that an entry has, if it is one of the pool.
func (p pooled) holds(values []string) (int, bool) {
	if len(values) != 1 {
		return 0, false
	}
	n, err := strconv.Atoi(values[0])
	return n, err == nil && n >= p.low && n <= p.high && strconv.Itoa(n) == values[0]
}

// readNumbers finds a number for every user of the round who needs one. Of two entries that
// have the same, the one whose user claimed it keeps it, and the other gets another.
func (r *round) readNumbers(ctx context.Context) error {
	for _, attribute := range r.org.mapping.numbers() {
		if err := r.allocate(ctx, attribute, *r.org.mapping.templates[attribute].pool); err != nil {
			return err
		}
	}
	return nil
}

func (r *round) allocate(ctx context.Context, attribute string, p pooled) error {
	result := map[orgsync.UserName]int{}
	tries := map[orgsync.UserName]int{}
	want := map[orgsync.UserName]int{} // what is being tried
	for _, id := range sortedUsers(r.users) {
		if w, _, wanted := r.org.userWant(id, r.users[id], r.of, nil, nil); !wanted || w.IfPresent {
			continue
		}
		if n, ok := p.holds(r.have[EntryID{UserEntry, string(id)}].Attributes[attribute]); ok {
			want[id] = n
			continue
		}
		want[id] = p.candidate(r.org.state.ID, id, 0)
	}
	for len(want) > 0 {
		owners, err := r.numberOwners(ctx, attribute, want)
		if err != nil {
			return err
		}
		if err := r.give(ctx, attribute, p, want, owners, result); err != nil {
			return err
		}
		next := map[orgsync.UserName]int{}
		for name := range want {
			if _, has := result[name]; has {
				continue
			}
			tries[name]++
			if tries[name] <= p.high-p.low+1 {
				next[name] = p.candidate(r.org.state.ID, name, tries[name])
			}
		}
		want = next
	}
	r.numbers[attribute] = result
	return nil
}

func sortedUsers[V any](m map[orgsync.UserName]V) []orgsync.UserName {
	names := make([]orgsync.UserName, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// numberOwners returns the stable ids of the entries that have these numbers.
func (r *round) numberOwners(ctx context.Context, attribute string, want map[orgsync.UserName]int) (map[int][]string, error) {
	texts := make([]string, 0, len(want))
	for _, n := range want {
		texts = append(texts, strconv.Itoa(n))
	}
	slices.Sort(texts)
	owners := map[int][]string{}
	entries, err := r.server.searchAny(ctx, r.server.base, Subtree, []string{attribute}, slices.Compact(texts), attribute, r.server.profile.StableID)
	for _, e := range entries {
		for _, value := range e.Attributes[attribute] {
			if n, err := strconv.Atoi(value); err == nil {
				owners[n] = append(owners[n], e.uuid)
			}
		}
	}
	return owners, err
}

// give adds to the result what the users may have of what they want, and claims it unless the
// round only plans.
func (r *round) give(
	ctx context.Context, attribute string, p pooled, want map[orgsync.UserName]int, owners map[int][]string, result map[orgsync.UserName]int,
) error {
	for names := range slices.Chunk(sortedUsers(want), linksAtATime) {
		asked := map[orgsync.UserName]int{}
		for _, name := range names {
			if n := want[name]; r.has(p, attribute, name, n) || len(owners[n]) == 0 {
				asked[name] = n
			}
		}
		held, err := r.sink.cfg.Links.Claim(ctx, r.org.state.ID, attribute, asked, false)
		if err != nil {
			return fmt.Errorf("read claims of numbers: %w", err)
		}
		fresh := map[orgsync.UserName]int{}
		for _, name := range sortedUsers(asked) {
			n := asked[name]
			before, free := held[name]
			c := claim{attribute, n}
			if by, claimed := r.claimed[c]; !free || claimed && by != name || !before && !r.isFirst(name, owners[n]) {
				continue
			}
			if r.claimed[c] = name; before || r.onlyPlans {
				result[name] = n
			} else {
				fresh[name] = n
			}
		}
		granted, err := r.sink.cfg.Links.Claim(ctx, r.org.state.ID, attribute, fresh, true)
		if err != nil {
			return fmt.Errorf("claim numbers: %w", err)
		}
		for name := range granted {
			result[name] = fresh[name]
		}
	}
	return nil
}

// has says whether the user's entry has the number.
func (r *round) has(p pooled, attribute string, name orgsync.UserName, n int) bool {
	has, ok := p.holds(r.have[EntryID{UserEntry, string(name)}].Attributes[attribute])
	return ok && has == n
}

// isFirst says whether no entry with a lesser stable id than the user's is among the owners of
// a number. Of those who have one that nobody claimed the first keeps it.
func (r *round) isFirst(name orgsync.UserName, owners []string) bool {
	own := r.links[EntryID{UserEntry, string(name)}].UUID
	return !slices.ContainsFunc(owners, func(owner string) bool { return owner != own && (own == "" || owner < own) })
}
