package sqlsink_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// BenchmarkFirstLoad brings 10 000 users into empty tables, in lanes of 1 000, and then
// looks at them all again with nothing to do.
func BenchmarkFirstLoad(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		benchmarkLoad(b, func() product { return sqliteProduct(b) })
	})
	b.Run("mariadb", func(b *testing.B) {
		server := peers.MariaDB(b)
		benchmarkLoad(b, func() product { return product{url: server.Fresh().URL, dial: sqlsink.MariaDB} })
	})
	b.Run("postgres", func(b *testing.B) {
		server := peers.PostgreSQL(b)
		benchmarkLoad(b, func() product { return product{url: server.Fresh().URL, dial: sqlsink.PostgreSQL} })
	})
}

func benchmarkLoad(b *testing.B, open func() product) {
	const users, lane = 10_000, 1000
	v := newState()
	for n := range users {
		v.user(orgsync.UserName(fmt.Sprintf("user%05d", n)), "orgCode", "rd", "email", fmt.Sprintf("u%d@example.com", n),
			"mobile", "13800000000", "position", "工程师", "entryDate", "2022-11-9", "workPlace", "深圳市龙岗区坂田")
	}
	keys := v.keys()
	var load, idle time.Duration
	for b.Loop() {
		b.StopTimer()
		s := newSink(b, open())
		converge(b, s, v, orgsync.Key{Kind: orgsync.TenantKey})
		b.StartTimer()
		for _, took := range []*time.Duration{&load, &idle} {
			begin := time.Now()
			for part := range slices.Chunk(keys, lane) {
				converge(b, s, v, part...)
			}
			*took += time.Since(begin)
		}
	}
	b.ReportMetric(float64(users*b.N)/load.Seconds(), "users/s")
	b.ReportMetric(float64(users*b.N)/idle.Seconds(), "idle-users/s")
}
