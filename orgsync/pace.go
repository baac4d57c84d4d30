package orgsync

import (
	"sync"
	"time"
)

const (
	// sliceTime is how long handing a sink some keys should take. What a process that is
	// killed had not recorded is done again, and who waits for a lane's turn waits for as long.
	sliceTime = time.Second
	// leastSlice is with how many keys a process begins, not knowing the sink, and to how many
	// it returns with a slow one. A round of fewer costs a busy sink about as much.
	leastSlice = 128
	// growth bounds by how much one slice may be larger than the one before.
	growth = 4
)

// nextSlice is how many keys of a sink are taken at a time, after keys of at most limit took
// so long. A full slice says how fast the sink is. One that is not full says so only if it
// was slow: much of the time of a small one is the same for a large one.
func nextSlice(limit, most, keys int, took time.Duration) int {
	if keys < limit && took <= sliceTime {
		return limit
	}
	next := growth * limit
	if took > 0 {
		next = min(next, int(float64(keys)*float64(sliceTime)/float64(took)))
	}
	return min(max(next, leastSlice), most)
}

// pace remembers how many keys a sink settles in a slice's time. It is safe for concurrent
// use.
type pace struct {
	most int

	mu    sync.Mutex
	limit int // guarded by mu
}

func newPace(most int) *pace { return &pace{most: most, limit: min(leastSlice, most)} }

// slice is how many keys to take.
func (p *pace) slice() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit
}

// took is told of each slice: how many keys might have been taken, how many were, and how
// long they took.
func (p *pace) took(limit, keys int, elapsed time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = nextSlice(limit, p.most, keys, elapsed)
}
