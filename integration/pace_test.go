//go:build integration

package integration_test

import (
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestPace: on one processor, with a database to keep, 200 changes of a
// department a second for some seconds are all taken, whoever waits for whom, and
// everything is where it belongs. How fast the answers are is reported and not
// judged: the machine may have other work.
func TestPace(t *testing.T) {
	t.Parallel()
	const perSecond, seconds = 200, 4
	file := filepath.Join(t.TempDir(), "product.db")
	p := openProduct(t, "sqlite", "sqlite:"+file, "sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&mode=rwc")
	c := startChronicle(t, []*product{p}, generous, "", "env", "GOMAXPROCS=1")
	c.http.Transport = &http.Transport{MaxIdleConnsPerHost: perSecond}
	h := newHistorian(t, uint64(time.Now().UnixNano()))
	for n := range historyTenants {
		c.tell(t, 1, []delivery{{number: n, statement: dated(h.tenantSync(tenantName(n), "i1", flagAdd), h.begin)}})
	}

	// The changes come on their schedule, also while others are not answered yet.
	var mu sync.Mutex
	var waits []time.Duration
	var sending sync.WaitGroup
	began, last := time.Now(), time.Time{}
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	for n := range perSecond * seconds {
		<-tick.C
		s := h.singleDepartment(tenantName(n%historyTenants), "i1")
		if n%20 != 0 {
			s.flag = flagModify
		}
		d := delivery{number: historyTenants + n, statement: dated(s, h.begin.Add(time.Duration(n+1)*time.Second))}
		sending.Go(func() {
			sent := time.Now()
			c.deliverOne(t, d)
			mu.Lock()
			defer mu.Unlock()
			last = time.Now()
			waits = append(waits, last.Sub(sent))
		})
	}
	sending.Wait()
	slices.Sort(waits)
	t.Logf("%d pushes answered at %.0f a second, p50 %v, p99 %v", len(waits), float64(len(waits))/last.Sub(began).Seconds(),
		waits[len(waits)/2], waits[len(waits)*99/100])
	c.approveAll(t)
	settling := time.Now()
	c.agrees(t, "after the load", true)
	t.Logf("everything in its place after %v", time.Since(settling))
	if j := c.status(t).Journal; j.Refused+j.Held != 0 || j.Accepted != int64(historyTenants+perSecond*seconds) {
		t.Errorf("journal %+v, want %d accepted and none of them refused or held", j, historyTenants+perSecond*seconds)
	}
	c.Stop()
}

// dated is a statement made at a time.
func dated(s statement, at time.Time) statement {
	s.at, s.stamp = at, at
	return s
}
