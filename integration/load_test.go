//go:build integration

package integration_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// BenchmarkAck measures how long the marketplace waits for the answer to an
// authSync of 500 users when 20 of them come every second, on SQLite:
//
//	go test -tags integration -run '^$' -bench Ack -benchtime 200x ./integration
//
// The time per operation is that of the schedule; the percentiles are the
// answers'.
func BenchmarkAck(b *testing.B) {
	const usersPerPush, perSecond = 500, 20
	for _, bb := range []struct {
		name      string
		sinks     func(testing.TB) string
		newcomers bool // each push has users of its own
	}{
		{"new users", func(testing.TB) string { return "" }, true},
		{"the same users changed", func(testing.TB) string { return "" }, false},
		{"new users with a directory", func(t testing.TB) string { return ldapSink(peers.Slapd(t, peers.SlapdOptions{}).URL()) }, true},
	} {
		b.Run(bb.name, func(b *testing.B) {
			bridge := startBridge(b, bb.sinks(b))
			buyer, at, n := newBuyer("t1"), anHourAgo(), 0
			buyer.departments["d1"] = department{name: "产品部"}
			for _, m := range []message{buyer.tenantSync(flagAdd, at), buyer.allOrgSync(at)} {
				if got := bridge.push(b, m.name, m.body); got.Code != accepted {
					b.Fatalf("%s: %+v", m.name, got)
				}
			}
			var waits []time.Duration
			tick := time.NewTicker(time.Second / perSecond)
			defer tick.Stop()
			for b.Loop() {
				clear(buyer.users)
				for m := range usersPerPush {
					name := fmt.Sprintf("u%03d", m)
					if bb.newcomers {
						name = fmt.Sprintf("u%06d", n*usersPerPush+m)
					}
					buyer.users[name] = user{
						name: fmt.Sprintf("员工 %d", n), orgCode: "d1", role: "user", position: "工程师", employeeCode: name,
						employeeType: "1", mobile: "13800138000", email: name + "@example.com", workPlace: "上海", entryDate: "2022-11-9",
					}
				}
				n++
				m := buyer.authorise(flagAdd, at.Add(time.Duration(n)*time.Millisecond), sortedKeys(buyer.users)...)
				push := signedPush(b, m.name, m.body)
				<-tick.C
				push = signText(push.name, push.body)
				sent := time.Now()
				got := bridge.mustSend(b, push)
				waits = append(waits, time.Since(sent))
				if got.Code != accepted {
					b.Fatalf("authSync: %+v", got)
				}
			}
			slices.Sort(waits)
			for _, percent := range []int{50, 99} {
				wait := waits[(len(waits)-1)*percent/100]
				b.ReportMetric(float64(wait.Microseconds())/1000, fmt.Sprintf("p%d-ms", percent))
			}
			b.ReportMetric(float64(bridge.residentKB(b))/1024, "rss-MB")
		})
	}
}
