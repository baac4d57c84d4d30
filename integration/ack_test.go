//go:build integration

package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
)

const (
	ackPopulation   = 100_000
	ackDepartments  = 200
	ackUsers        = 500 // in a push
	ackEvery        = time.Second / 20
	ackSettle       = 30 * time.Second
	ackKeepsSending = 5 * time.Minute // until a sink holds the population
)

// BenchmarkAck measures how long the marketplace waits for the answer to an authSync of
// 500 users when 20 of them come every second, on SQLite with 100 000 users in it:
//
//	go test -tags integration -run '^$' -bench 'Ack/random/no_sink' -benchtime 300x -timeout 1h ./integration
//
// Pushes are sent at their time whether or not those before were answered, and a wait
// counts from that time. Metrics: percentiles of the waits; the 99th of writing and
// syncing as many bytes as a push has to the same disk in the same run, and the ratio of
// the two; the processor's time of the bridge for a push, lanes included. Before the
// pushes, /idle reports the memory of the bridge at rest.
func BenchmarkAck(b *testing.B) {
	for _, order := range []string{"sequential", "random"} {
		for _, sink := range []struct {
			name string
			text func(testing.TB) string
		}{
			{"no_sink", func(testing.TB) string { return "" }},
			{"sql_sink", func(t testing.TB) string { return "sinks:\n" + sqlSink(peers.MariaDB(t).Product()) }},
			{"ldap_sink", func(t testing.TB) string { return ldapSink(peers.Slapd(t, peers.SlapdOptions{}).URL()) }},
		} {
			b.Run(order+"/"+sink.name, func(b *testing.B) {
				c := &ackCrowd{bridge: startBridge(b, sink.text(b)), buyer: newBuyer("t1"), at: anHourAgo(), random: order == "random"}
				c.populate(b)
				b.Run("idle", c.idle)
				b.Run("new", func(b *testing.B) { c.measure(b, c.newcomers) })
				b.Run("changed", func(b *testing.B) { c.measure(b, c.others) })
			})
		}
	}
}

// ackCrowd is a bridge with the population in it.
type ackCrowd struct {
	bridge *bridge
	buyer  *buyer
	at     time.Time
	random bool
	people int // who are there
	pushes int
}

func (c *ackCrowd) populate(b *testing.B) {
	for n := range ackDepartments {
		c.buyer.departments[departmentNumber(n)] = department{name: "部门 " + strconv.Itoa(n)}
	}
	for _, m := range []message{c.buyer.tenantSync(flagAdd, c.at), c.buyer.allOrgSync(c.at)} {
		if got := c.bridge.push(b, m.name, m.body); got.Code != accepted {
			b.Fatalf("%s: %+v", m.name, got)
		}
	}
	for c.people < ackPopulation {
		name, body := c.authSync(b, c.newcomers())
		if got := c.bridge.mustSend(b, signText(name, body)); got.Code != accepted {
			b.Fatalf("authSync: %+v", got)
		}
	}
	c.drain(b)
}

// drain waits until the sink holds everything.
func (c *ackCrowd) drain(b *testing.B) {
	await(b, ackKeepsSending, func() string {
		if n := c.bridge.status(b).pending(); n > 0 {
			return fmt.Sprintf("%d keys are pending", n)
		}
		return ""
	})
}

// newcomers are numbers of people who were never named.
func (c *ackCrowd) newcomers() []int {
	who := make([]int, ackUsers)
	for n := range who {
		who[n] = c.people
		c.people++
	}
	return who
}

// others are people who are there: neighbours, or anybody.
func (c *ackCrowd) others() []int {
	who := make([]int, ackUsers)
	for n := range who {
		who[n] = (c.pushes*ackUsers + n) % ackPopulation
		if c.random {
			who[n] = int(scattered(who[n]+c.pushes<<32) % ackPopulation)
		}
	}
	return who
}

// scattered is a number in no order (splitmix64).
func scattered(n int) uint64 {
	x := uint64(n) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func departmentNumber(n int) string { return fmt.Sprintf("d%03d", n) }

// departmentOf is where a person belongs.
func departmentOf(person int) string {
	return departmentNumber(int(scattered(person) % ackDepartments))
}

// authSync names these people, every one with something new.
func (c *ackCrowd) authSync(b *testing.B, who []int) (name string, body []byte) {
	b.Helper()
	c.pushes++
	clear(c.buyer.users)
	for _, p := range who {
		name := fmt.Sprintf("u%07d", p)
		if c.random {
			name = fmt.Sprintf("u%012x", scattered(p)&(1<<48-1))
		}
		c.buyer.users[name] = user{
			name: "员工 " + strconv.Itoa(c.pushes), orgCode: departmentOf(p), role: "user", position: "工程师", employeeCode: name,
			employeeType: "1", mobile: "13800138000", email: name + "@example.com", workPlace: "上海", entryDate: "2022-11-9",
		}
	}
	m := c.buyer.authorise(flagAdd, c.at.Add(time.Duration(c.pushes)*time.Millisecond), sortedKeys(c.buyer.users)...)
	body, err := json.Marshal(m.body)
	if err != nil {
		b.Fatal(err)
	}
	return m.name, body
}

// idle reports the resident memory after nothing was asked for a while.
func (c *ackCrowd) idle(b *testing.B) {
	rest := time.NewTimer(ackSettle)
	defer rest.Stop()
	<-rest.C
	for b.Loop() {
		b.ReportMetric(float64(c.bridge.residentKB(b))/1024, "rss-MB")
	}
}

func (c *ackCrowd) measure(b *testing.B, who func() []int) {
	var mu sync.Mutex
	var waits []time.Duration // under mu
	var group sync.WaitGroup
	began, length := c.bridge.processorTime(b), 0
	tick := time.NewTicker(ackEvery)
	defer tick.Stop()
	for b.Loop() {
		name, body := c.authSync(b, who())
		length = len(body)
		scheduled := <-tick.C
		group.Go(func() {
			status, got, err := c.bridge.post(b.Context(), signText(name, body))
			wait := time.Since(scheduled)
			if err != nil || status != 200 || got.Code != accepted {
				b.Errorf("authSync: %d %+v %v", status, got, err)
			}
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, wait)
		})
	}
	group.Wait()
	limit := syncTimes(b, c.bridge.dir, length)
	c.drain(b)
	used := c.bridge.processorTime(b) - began
	for _, p := range []float64{50, 99, 99.9} {
		b.ReportMetric(milliseconds(percentile(waits, p)), fmt.Sprintf("p%g-ms", p))
	}
	b.ReportMetric(milliseconds(percentile(limit, 99)), "fsync-p99-ms")
	b.ReportMetric(float64(percentile(waits, 99))/float64(percentile(limit, 99)), "p99/fsync")
	b.ReportMetric(milliseconds(used)/float64(b.N), "cpu-ms/push")
	b.ReportMetric(float64(c.bridge.residentKB(b))/1024, "rss-MB")
}

// syncTimes is how long the disk takes to append that many bytes and to have them for good.
func syncTimes(b *testing.B, dir string, length int) []time.Duration {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // of no use to anybody
	data := make([]byte, length)
	times := make([]time.Duration, 300)
	for n := range times {
		began := time.Now()
		if _, err := f.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		times[n] = time.Since(began)
	}
	return times
}

func percentile(times []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[int(float64(len(sorted)-1)*p/100)]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// processorTime is what the process has used so far (proc(5): fields 14 and 15 of stat, in
// ticks of 10 ms).
func (b *bridge) processorTime(t testing.TB) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	var ticks time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond
}
