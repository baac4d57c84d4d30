package ldapsink

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/kitbridge/kitbridge/orgsync"
)

// A number such as uidNumber is allocated once and kept in the entry that has it; there is
// no other record. A new one begins at a digest of tenant and userName and goes on from
// there until it meets one that no entry below base_dn has.

// claim is a number that a user is about to get. Lanes of other tenants must not take it
// before it stands in the directory.
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
// have the same, the one with the greater stable id gets another.
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
		next := map[orgsync.UserName]int{}
		for _, name := range sortedUsers(want) {
			n := want[name]
			if r.mayHave(attribute, name, n, owners[n]) {
				result[name] = n
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

// mayHave says whether the user may have the number, and claims it.
func (r *round) mayHave(attribute string, name orgsync.UserName, n int, owners []string) bool {
	own := r.links[EntryID{UserEntry, string(name)}].UUID
	for _, owner := range owners {
		if owner != own && (own == "" || owner < own || !slices.Contains(owners, own)) {
			return false
		}
	}
	s, c := r.sink, claim{attribute, n}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.claims == nil {
		s.claims = map[claim]*round{}
	}
	by, claimed := s.claims[c]
	if claimed && by != r || r.claimed[c] != "" && r.claimed[c] != name {
		return false
	}
	s.claims[c], r.claimed[c] = r, name
	return true
}

// release gives the claims back: the numbers stand in the directory now, or do not matter.
func (r *round) release() {
	r.sink.mu.Lock()
	defer r.sink.mu.Unlock()
	for c := range r.claimed {
		delete(r.sink.claims, c)
	}
}
