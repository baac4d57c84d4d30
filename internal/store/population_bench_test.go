package store_test

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	population  = 100_000
	benchPush   = 500 // users in a push
	departments = 200
)

// BenchmarkPush accepts authSyncs of 500 users among 100 000, beside what it takes of the
// processor and what it writes: cpu-ms is the processor's time of the whole process, KB
// what the log of SQLite grew by. Random names come in no order, as people's names do.
func BenchmarkPush(b *testing.B) {
	for _, sinks := range []int{0, 2} {
		for _, order := range []string{"sequential", "random"} {
			b.Run(fmt.Sprintf("%s/sinks=%d", order, sinks), func(b *testing.B) {
				c := crowd(b, order, sinks)
				for _, who := range []string{"new", "changed"} {
					b.Run(who, func(b *testing.B) { c.push(b, who == "new") })
				}
			})
		}
	}
}

// crowdStore is a store with the population in it.
type crowdStore struct {
	store    *store.Store
	acceptor *orgsync.Acceptor
	random   bool
	sinks    []string
	next, n  int
}

func crowd(b *testing.B, order string, sinks int) *crowdStore {
	c := &crowdStore{store: open(b, config(b)), random: order == "random"}
	for n := range sinks {
		c.sinks = append(c.sinks, fmt.Sprintf("sink%d", n))
	}
	if err := c.store.OpenSinks(b.Context(), c.sinks); err != nil {
		b.Fatal(err)
	}
	c.acceptor = orgsync.NewAcceptor(c.store, orgsync.Policy{Guard: orgsync.DefaultGuard()}, nil)
	c.accept(b, orgsync.Message{Kind: orgsync.TenantSync, Flag: orgsync.FlagAdd})
	for range population / benchPush {
		c.accept(b, c.message(b, c.newcomers()))
		c.drain(b)
	}
	return c
}

func (c *crowdStore) accept(b *testing.B, m orgsync.Message) {
	b.Helper()
	c.n++
	m.Tenant, m.Instance = "t", "i"
	m.At = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(c.n) * time.Second)
	m.Stamp = m.At
	nonce := strconv.Itoa(c.n)
	if _, err := c.acceptor.Accept(b.Context(), orgsync.Push{
		Message: m, Kind: m.Kind, Nonce: nonce, Digest: sha256.Sum256([]byte(nonce)),
		Body: make([]byte, 140_000), Signed: m.At, Received: m.At,
	}); err != nil {
		b.Fatal(err)
	}
}

func (c *crowdStore) newcomers() []int {
	who := make([]int, benchPush)
	for n := range who {
		who[n] = c.next
		c.next++
	}
	return who
}

// others are people who are there: neighbours, or anybody.
func (c *crowdStore) others() []int {
	who := make([]int, benchPush)
	for n := range who {
		who[n] = (c.n*benchPush + n) % population
		if c.random {
			who[n] = int(hashOf(who[n]^c.n<<20) % population)
		}
	}
	return who
}

func hashOf(n int) uint64 {
	sum := sha256.Sum256([]byte(strconv.Itoa(n)))
	return uint64(sum[0])<<40 | uint64(sum[1])<<32 | uint64(sum[2])<<24 | uint64(sum[3])<<16 | uint64(sum[4])<<8 | uint64(sum[5])
}

func (c *crowdStore) message(_ *testing.B, who []int) orgsync.Message {
	users := make([]orgsync.UserChange, 0, len(who))
	for _, p := range who {
		name := fmt.Sprintf("user%08d", p)
		if c.random {
			name = fmt.Sprintf("u%012x", hashOf(p))
		}
		var as orgsync.Attributes
		for a, v := range map[orgsync.Attribute]string{
			orgsync.AttrName: "员工 " + strconv.Itoa(c.n), orgsync.AttrOrgCode: fmt.Sprintf("d%03d", hashOf(p)%departments),
			orgsync.AttrRole: "user", orgsync.AttrPosition: "工程师", orgsync.AttrEmployeeCode: name, orgsync.AttrEmployeeType: "1",
			orgsync.AttrMobile: "13800138000", orgsync.AttrEmail: name + "@example.com", orgsync.AttrWorkPlace: "上海", orgsync.AttrEntryDate: "2022-11-9",
		} {
			as = as.Set(a, v)
		}
		users = append(users, orgsync.UserChange{Name: orgsync.UserName(name), Attributes: as})
	}
	return orgsync.Message{Kind: orgsync.AuthSync, Flag: orgsync.FlagAdd, App: "a", Users: users}
}

// drain does what sinks without any delay would.
func (c *crowdStore) drain(b *testing.B) {
	b.Helper()
	now := time.Now()
	for _, sink := range c.sinks {
		for {
			lane, err := c.store.Claim(b.Context(), sink, now, now.Add(time.Minute), 1000)
			if err != nil {
				break
			}
			outcomes := make([]orgsync.Outcome, 0, len(lane.Keys))
			for _, k := range lane.Keys {
				outcomes = append(outcomes, orgsync.Outcome{Key: k.Key, Revision: k.Revision, Done: true})
			}
			if err := c.store.Finish(b.Context(), lane, outcomes); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func (c *crowdStore) push(b *testing.B, newcomers bool) {
	var cpu, lanes time.Duration
	var written int64
	var memory [2]runtime.MemStats
	for b.Loop() {
		b.StopTimer()
		who := c.others()
		if newcomers {
			who = c.newcomers()
		}
		m := c.message(b, who)
		if err := c.store.Checkpoint(b.Context()); err != nil { // the log begins anew
			b.Fatal(err)
		}
		runtime.ReadMemStats(&memory[0])
		began := processorTime(b)
		b.StartTimer()
		c.accept(b, m)
		b.StopTimer()
		cpu += processorTime(b) - began
		runtime.ReadMemStats(&memory[1])
		b.StartTimer()
		written += c.logged(b)
		began = processorTime(b)
		b.StopTimer()
		c.drain(b)
		lanes += processorTime(b) - began
		b.StartTimer()
	}
	b.ReportMetric(float64(cpu.Microseconds())/1000/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(lanes.Microseconds())/1000/float64(b.N), "lane-cpu-ms/op")
	b.ReportMetric(float64(written)/float64(b.N), "pages/op")
	b.ReportMetric(float64(memory[1].Mallocs-memory[0].Mallocs), "allocs-last")
	b.ReportMetric(float64(memory[1].TotalAlloc-memory[0].TotalAlloc)/1024, "KB-alloc-last")
}

// logged is how many pages stand in the log.
func (c *crowdStore) logged(b *testing.B) int64 {
	b.Helper()
	pages, err := c.store.Logged(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return pages
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFirstLoad is what lanes take of the database when a new sink is owed 100 000
// users, all of them done at once.
func BenchmarkFirstLoad(b *testing.B) {
	c := crowd(b, "random", 0)
	for b.Loop() {
		c.sinks = []string{strconv.Itoa(c.n)}
		c.n++
		b.StopTimer()
		if err := c.store.OpenSinks(b.Context(), c.sinks); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		c.drain(b)
	}
	b.ReportMetric(population*float64(b.N)/b.Elapsed().Seconds(), "keys/s")
}
