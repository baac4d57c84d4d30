package sso

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

const (
	// failuresPerMinute is how many callbacks of one kind may fail before the next has to wait. A wrong code costs a call to an
	// auth centre; whole companies share one address.
	failuresPerMinute = 60
	// maxFailures bounds the table; a full one starts anew.
	maxFailures = 1 << 14
)

// failureLimit counts failed callbacks per minute, address and kind. Successful ones are never limited.
type failureLimit struct {
	now func() time.Time

	mu     sync.Mutex
	minute int64               // under mu
	counts map[failureKind]int // under mu
}

// failureKind is what is counted together: the callbacks of one address that belong to attempts at one tenant or, with tenant
// "", to no attempt of their browser. Those cost a stranger nothing, and must not stand in anybody's way.
type failureKind struct {
	network netip.Addr
	tenant  TenantID
}

// exceeded reports whether a callback of this kind has to wait.
func (l *failureLimit) exceeded(address netip.Addr, tenant TenantID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	return l.counts[failureKind{network(address), tenant}] >= failuresPerMinute
}

// add counts a failure.
func (l *failureLimit) add(address netip.Addr, tenant TenantID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	l.counts[failureKind{network(address), tenant}]++
}

// turn begins a new table with each minute. The caller holds mu.
func (l *failureLimit) turn() {
	if minute := l.now().Unix() / 60; l.counts == nil || minute != l.minute || len(l.counts) >= maxFailures {
		l.minute, l.counts = minute, map[failureKind]int{}
	}
}

// network is what one customer of a provider has: an IPv4 address, or an IPv6 /64.
func network(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

const (
	// spentAge is how long a redeemed state or code is remembered; an attempt lives no longer.
	spentAge = 10 * time.Minute
	// maxSpent bounds the memory of codes; a full one forgets what is over.
	maxSpent = 1 << 14
)

// spentCodes sees to it that a callback which arrives twice redeems once. Whoever comes while the first is under way gets the
// same landing (and the same session), since reload and double delivery throw the first answer away. Other processes do not know these; there the
// auth centre's single use of a code holds.
type spentCodes struct {
	now func() time.Time

	mu    sync.Mutex
	known map[[sha256.Size]byte]*redemption // under mu
}

type redemption struct {
	at   time.Time
	done chan struct{}

	// The rest is written once, before done is closed.
	landing landing
	err     error
}

// once runs redeem for the first caller of key. Callers during that run share its result; first is false for those that come
// later, who get the landing's return target and nothing that signs in.
func (s *spentCodes) once(ctx context.Context, key string, redeem func() (landing, error)) (l landing, first bool, err error) {
	digest := sha256.Sum256([]byte(key))
	s.mu.Lock()
	known, found := s.known[digest]
	if found && s.now().Sub(known.at) < spentAge {
		s.mu.Unlock()
		select {
		case <-known.done:
			return landing{kind: known.landing.kind, location: known.landing.location}, false, known.err
		default:
		}
		select {
		case <-known.done:
			return known.landing, true, known.err
		case <-ctx.Done():
			return landing{}, true, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}
	mine := &redemption{at: s.now(), done: make(chan struct{})}
	s.remember(digest, mine)
	s.mu.Unlock()

	defer close(mine.done)
	mine.landing, mine.err = redeem()
	l, err = mine.landing, mine.err
	return l, true, err
}

// landed returns where the redemption of key led, which is the product's home if nothing is known of it.
func (s *spentCodes) landed(key string) landing {
	s.mu.Lock()
	known, found := s.known[sha256.Sum256([]byte(key))]
	s.mu.Unlock()
	if found {
		select {
		case <-known.done:
			if known.landing.location != "" {
				return landing{kind: known.landing.kind, location: known.landing.location}
			}
		default:
		}
	}
	return landing{location: "/"}
}

// knows reports whether key was redeemed lately, with whatever result.
func (s *spentCodes) knows(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, found := s.known[sha256.Sum256([]byte(key))]
	return found && s.now().Sub(known.at) < spentAge
}

// remember stores a redemption and forgets old ones when there are too many. The caller holds mu.
func (s *spentCodes) remember(digest [sha256.Size]byte, r *redemption) {
	if s.known == nil {
		s.known = map[[sha256.Size]byte]*redemption{}
	}
	if len(s.known) >= maxSpent {
		for key, old := range s.known {
			if r.at.Sub(old.at) >= spentAge || len(s.known) >= maxSpent {
				delete(s.known, key)
			}
		}
	}
	s.known[digest] = r
}
