package ldapsink_test

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"runtime/metrics"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// BenchmarkReconcileNothing compares a hundred thousand users who are as they should be. In
// the same run a bare client reads the same from the same server, in pages: read-s. beyond-s
// is what the comparison takes longer, beyond-cpu-s what it computes longer, which a busy
// machine does not change; live-MB what it holds at most beyond what the test itself holds,
// garbage left out.
func BenchmarkReconcileNothing(b *testing.B) {
	const users = 100_000
	f := newFixture(b, peers.SlapdOptions{NoSync: true}, func(c *ldapsink.Config) { c.Timeout = time.Minute })
	for i := range 500 {
		f.state.department(fmt.Sprintf("d%d", i), fmt.Sprintf("部门 %d", i), "")
	}
	for i := range users {
		f.state.user(fmt.Sprintf("user%06d", i), fmt.Sprintf("张三%06d", i), fmt.Sprintf("d%d", i%500),
			orgsync.AttrMobile, fmt.Sprintf("+86 138 %08d", i), orgsync.AttrEmail, fmt.Sprintf("user%06d@example.org", i),
			orgsync.AttrPosition, "工程师", orgsync.AttrEmployeeCode, fmt.Sprintf("E%06d", i), orgsync.AttrEmployeeType, "1")
	}
	began := time.Now()
	if whole, err := f.sink.Reconcile(b.Context(), f.state, ldapsink.WholeOptions{}); err != nil || len(whole.Reports) > 0 {
		b.Fatalf("first load: %v, %v", err, whole.Reports)
	}
	b.Logf("first load took %s", time.Since(began).Round(time.Millisecond))
	f.writes = nil
	view := sortedView{f.state, slices.Sorted(maps.Keys(f.state.users))}
	var compare, read, computed time.Duration
	peak := uint64(0)
	for b.Loop() {
		used := cpuTime(b)
		read += bareRead(b, f)
		computed -= cpuTime(b) - used
		runtime.GC()
		before := liveHeap()
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
					now := liveHeap()
					peak = max(peak, now-min(before, now))
				}
			}
		}()
		used = cpuTime(b)
		began := time.Now()
		whole, err := f.sink.Reconcile(b.Context(), view, ldapsink.WholeOptions{})
		compare += time.Since(began)
		computed += cpuTime(b) - used
		close(stop)
		<-stopped
		if err != nil || len(whole.Operations) > 0 || len(f.writes) > 0 {
			b.Fatalf("Reconcile: %v, wrote %v", err, f.writes)
		}
	}
	b.ReportMetric(compare.Seconds()/float64(b.N), "compare-s")
	b.ReportMetric(read.Seconds()/float64(b.N), "read-s")
	b.ReportMetric((compare-read).Seconds()/float64(b.N), "beyond-s")
	b.ReportMetric(computed.Seconds()/float64(b.N), "beyond-cpu-s")
	b.ReportMetric(float64(peak)/1e6, "live-MB")
}

// sortedView is a state that need not be sorted first.
type sortedView struct {
	*state
	names []orgsync.UserName
}

func (v sortedView) AllUsers(_ context.Context, yield func(orgsync.User) error) error {
	for _, name := range v.names {
		if err := yield(v.users[name]); err != nil {
			return err
		}
	}
	return nil
}

// cpuTime is what this process has computed for so far.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// liveHeap is what the last collection left.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// bareRead reads all attributes of all entries of the tenant in pages.
func bareRead(b *testing.B, f *fixture) time.Duration {
	b.Helper()
	conn := f.admin()
	began := time.Now()
	request := ldap.NewSearchRequest(root, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"*", "entryUUID", "creatorsName"}, nil)
	paging := ldap.NewControlPaging(1000)
	request.Controls = []ldap.Control{paging}
	for {
		result, err := conn.Search(request)
		if err != nil {
			b.Fatal(err)
		}
		answer, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok || len(answer.Cookie) == 0 {
			return time.Since(began)
		}
		paging.SetCookie(answer.Cookie)
	}
}
