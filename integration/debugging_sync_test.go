//go:build integration

package integration_test

import (
	"testing"
	"time"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// TestSyncTestFlag: what the marketplace sends for debugging is answered as the
// real thing would be, and touches nothing.
func TestSyncTestFlag(t *testing.T) {
	t.Parallel()
	s := startScene(t, peers.Slapd(t, peers.SlapdOptions{}).URL(), peers.MariaDB(t).Product())
	b := headquarters("t1")
	at := anHourAgo()
	s.deliver(t, b.binding(t, at)...)
	s.settles(t, 10*time.Second, b)
	s.quiet(t)
	counts, feed := s.counts(t), readRows(t, s.tables, "SELECT MAX(seq) FROM kit_change")

	debugged, unknown := b.clone(), headquarters("t2")
	at = at.Add(time.Minute)
	messages := unknown.binding(t, at)
	messages = append(messages,
		debugged.putDepartment(flagModify, at, "研发", department{name: "debugged"}),
		debugged.removeDepartment(at, "team-a"),
		debugged.disable(at, "#1"),
		debugged.withdraw(flagRemove, at, "a+b"),
		debugged.withdraw(flagRevoke, at, "k=v"),
		debugged.tenantSync(flagRemove, at),
		// As the debugging page does: no instance, no order.
		message{"tenantSync", map[string]any{
			"instanceId": "", "orderId": "", "tenantId": "t1", "tenantCode": "c", "name": "n", "domainName": "d", "flag": 1, "timeStamp": marketTime(at),
		}},
	)
	for _, flag := range []any{1, "1", true} {
		for _, m := range messages {
			m.body["testFlag"] = flag
			if got := s.push(t, m.name, m.body); got.Code != accepted {
				t.Errorf("%s with testFlag %v: %+v, want %s", m.name, flag, got, accepted)
			}
		}
	}
	refusals := []struct {
		want string
		message
	}{
		{wrongParameter, message{"tenantSync", map[string]any{"tenantId": "t1", "testFlag": 1, "timeStamp": marketTime(at)}}},
		{wrongParameter, message{"authSync", map[string]any{"tenantId": "t1", "testFlag": 1, "flag": 1, "timeStamp": marketTime(at)}}},
		{"000101", debugged.applicationSync("bm90IGEgc2VjcmV0", at)},
	}
	for _, r := range refusals {
		r.body["testFlag"] = 1
		if got := s.push(t, r.name, r.body); got.Code != r.want {
			t.Errorf("%s, wrong, with testFlag 1: %+v, want %s", r.name, got, r.want)
		}
	}
	s.quiet(t)
	s.settles(t, time.Second, b)
	mustEqual(t, "status", counts, s.counts(t))
	mustEqual(t, "the feed", feed, readRows(t, s.tables, "SELECT MAX(seq) FROM kit_change"))
	if found := readTenant(t, s.directory, unknown); len(found) > 0 {
		t.Errorf("the directory holds a tenant of the debugging page: %v", found)
	}
	if rows := readRows(t, s.tables, tenantQuery, "t2"); rows != nil {
		t.Errorf("the tables hold a tenant of the debugging page: %v", rows)
	}
}
