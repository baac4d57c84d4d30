//go:build integration

package integration_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// ready asks GET /readyz.
func (b *bridge) ready(t testing.TB) (code int, degraded string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.adminURL+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := b.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read to the end
	var answer struct {
		Degraded []struct {
			What string `json:"what"`
		} `json:"degraded"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	var what []string
	for _, d := range answer.Degraded {
		what = append(what, d.What)
	}
	return response.StatusCode, strings.Join(what, ", ")
}

// TestSyncOutage: while a server is down every push is acknowledged and the
// other sink gets it; when the server is back it gets everything, by itself.
func TestSyncOutage(t *testing.T) {
	t.Parallel()
	directory, database := peers.Slapd(t, peers.SlapdOptions{MemberOf: true}), peers.MariaDB(t)
	s := startScene(t, directory.URL(), database.Product())
	b := headquarters("t1")
	at := anHourAgo()
	s.deliver(t, b.binding(t, at)...)
	s.settles(t, 10*time.Second, b)

	outages := []struct {
		name, sink string
		down, up   func()
		differs    func() string // of the sink that is not down
	}{
		{"directory stopped", "sink corp", directory.Stop, directory.Start, func() string { return s.differsInTables(t, b) }},
		{"directory killed", "sink corp", directory.Kill, directory.Start, func() string { return s.differsInTables(t, b) }},
		{"database stopped", "sink product", database.Stop, database.Start, func() string { return s.differsInDirectory(t, b) }},
		{"database killed", "sink product", database.Kill, database.Start, func() string { return s.differsInDirectory(t, b) }},
		{"both stopped", "sink corp, sink product", func() { directory.Stop(); database.Stop() }, func() { directory.Start(); database.Start() }, nil},
	}
	for _, o := range outages {
		at = at.Add(time.Minute)
		o.down()
		newcomer, code := "newcomer "+o.name, "department "+o.name
		b.users[newcomer] = user{name: "新人", orgCode: code, role: "user"}
		s.deliver(t,
			b.authorise(flagAdd, at, newcomer),
			b.putDepartment(flagAdd, at, code, department{name: o.name}),
			b.disable(at, "#1"),
			b.authorise(flagModify, at.Add(time.Second), "#1"),
			b.withdraw(flagRemove, at, "a+b"),
		)
		if o.differs != nil {
			await(t, 10*time.Second, o.differs)
		}
		await(t, 10*time.Second, func() string {
			if code, degraded := s.ready(t); code != http.StatusOK || degraded != o.sink {
				return "degraded: " + degraded
			}
			return ""
		})
		if s.status(t).pending() == 0 {
			t.Errorf("%s: nothing is pending", o.name)
		}
		o.up()
		back := time.Now()
		s.settles(t, 60*time.Second, b)
		s.quiet(t)
		t.Logf("%s: delivered %v after it was back", o.name, time.Since(back))
		if _, degraded := s.ready(t); degraded != "" {
			t.Errorf("%s: still degraded afterwards: %s", o.name, degraded)
		}
	}
	s.Stop()
}
