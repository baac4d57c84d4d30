package main

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/kitbridge/kitbridge/internal/keyring"
	"github.com/kitbridge/kitbridge/internal/store"
)

// liveRing is the key ring that seals what is in the database, while its file may change. It
// is safe for concurrent use.
type liveRing struct{ now atomic.Pointer[keyring.Ring] }

func newLiveRing(r *keyring.Ring) *liveRing {
	l := &liveRing{}
	l.now.Store(r)
	return l
}

// Seal seals with the newest key.
func (l *liveRing) Seal(plain, aad []byte) []byte { return l.now.Load().Seal(plain, aad) }

// Open opens what any key has sealed.
func (l *liveRing) Open(sealed, aad []byte) ([]byte, error) { return l.now.Load().Open(sealed, aad) }

// Fingerprints names the keys.
func (l *liveRing) Fingerprints() []string { return l.now.Load().Fingerprints() }

// follow brings a changed key file into force. The database learns the keys first: from then
// on no process without them starts, so that what is sealed next can be read by all. A ring
// that lacks a key which is in use is an error, and the old one stays.
func (l *liveRing) follow(ctx context.Context, s *store.Store, r *keyring.Ring) error {
	if slices.Equal(l.Fingerprints(), r.Fingerprints()) {
		return nil
	}
	if err := s.LearnKeys(ctx, r); err != nil {
		return err
	}
	l.now.Store(r)
	return nil
}
