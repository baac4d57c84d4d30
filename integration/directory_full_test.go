//go:build integration

package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// TestDirectoryTakesNoWrites: while the disk of the directory is full, or it is read-only,
// every push is acknowledged and the other sink gets it; nobody is given up; the log and
// /readyz say what it is; and when the directory takes writes again it gets everything, by
// itself.
func TestDirectoryTakesNoWrites(t *testing.T) {
	t.Parallel()
	disk := peers.NewDisk(t, 8)
	directory, database := peers.Slapd(t, peers.SlapdOptions{Disk: disk, MemberOf: true}), peers.MariaDB(t)
	s := startScene(t, directory.URL(), database.Product())
	b := smallBuyer("44444444444444444444444444444444")
	at := anHourAgo()
	s.deliver(t, b.binding(t, at)...)
	s.settles(t, 20*time.Second, b)
	for n, fault := range []struct {
		name       string
		begin, end func()
		degraded   string
		says       string // the log
	}{
		{"full disk", disk.Fill, disk.Free, "sink corp", "the disk of the directory or its database (olcDbMaxSize) is full"},
		{"read-only", func() { directory.SetReadOnly(true) }, func() { directory.SetReadOnly(false) }, "", "the directory may be read-only"},
	} {
		t.Run(fault.name, func(t *testing.T) {
			fault.begin()
			at = at.Add(time.Minute)
			var names []string
			for m := range 300 { // more than what there is room for inside the database's file
				name := fmt.Sprintf("new%d-%03d", n, m)
				names = append(names, name)
				b.users[name] = user{name: strings.Repeat("新", 64), orgCode: "nowhere", role: "user"}
			}
			b.departments[fmt.Sprintf("new%d", n)] = department{name: "新部门"}
			s.deliver(t, b.authorise(flagAdd, at, names...), b.putDepartment(flagAdd, at, fmt.Sprintf("new%d", n), department{name: "新部门"}))
			await(t, 20*time.Second, func() string {
				if !strings.Contains(s.Log(), fault.says) {
					return "the log does not say " + fault.says
				}
				return s.differsInTables(t, b)
			})
			if fault.degraded != "" {
				await(t, 20*time.Second, func() string {
					if code, got := s.ready(t); code != http.StatusOK || got != fault.degraded {
						return fmt.Sprintf("GET /readyz = %d, degraded %q, want 200 and %q", code, got, fault.degraded)
					}
					return ""
				})
			}
			for _, sink := range s.status(t).Sinks {
				if sink.Dead != 0 {
					t.Errorf("sink %s has %d dead keys", sink.Name, sink.Dead)
				}
			}
			fault.end()
			s.settles(t, time.Minute, b)
			await(t, 20*time.Second, func() string {
				if _, got := s.ready(t); got != "" {
					return "degraded: " + got
				}
				return ""
			})
		})
	}
}
