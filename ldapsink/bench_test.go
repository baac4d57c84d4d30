package ldapsink_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	loadUsers       = 10_000
	loadBatch       = 1_000
	loadDepartments = 50
	connections     = 4
)

// loadState is an organisation of ten thousand users.
func loadState() (*state, []orgsync.Key) {
	s := newState()
	for i := range loadDepartments {
		s.department(fmt.Sprintf("d%d", i), fmt.Sprintf("部门 %d", i), "")
	}
	keys := make([]orgsync.Key, loadUsers)
	for i := range keys {
		keys[i] = s.user(fmt.Sprintf("user%05d", i), fmt.Sprintf("张三%05d", i), fmt.Sprintf("d%d", i%loadDepartments),
			orgsync.AttrMobile, fmt.Sprintf("+86 138 %08d", i), orgsync.AttrEmail, fmt.Sprintf("user%05d@example.org", i),
			orgsync.AttrPosition, "工程师", orgsync.AttrEmployeeCode, fmt.Sprintf("E%05d", i), orgsync.AttrEmployeeType, "1")
	}
	return s, keys
}

// BenchmarkFirstLoad measures ten thousand users through the sink – departments, groups and
// ownership included – and, on the same kind of server in the same run, a bare loop that
// does no more than add equal entries. ratio is the sink's rate by the loop's.
func BenchmarkFirstLoad(b *testing.B) {
	var sink, loop time.Duration
	for b.Loop() {
		loop += bareLoad(b)
		sink += sinkLoad(b)
	}
	total := float64(b.N * loadUsers)
	b.ReportMetric(total/sink.Seconds(), "users/s")
	b.ReportMetric(total/loop.Seconds(), "bare-users/s")
	b.ReportMetric(loop.Seconds()/sink.Seconds(), "ratio")
}

// BenchmarkBareLoop is the loop alone.
func BenchmarkBareLoop(b *testing.B) {
	var loop time.Duration
	for b.Loop() {
		loop += bareLoad(b)
	}
	b.ReportMetric(float64(b.N*loadUsers)/loop.Seconds(), "users/s")
}

func sinkLoad(b *testing.B) time.Duration {
	b.Helper()
	f := newFixture(b, peers.SlapdOptions{}, func(c *ldapsink.Config) { c.Connections = connections })
	s, users := loadState()
	f.state = s
	var structure []orgsync.Key
	for _, k := range s.keys() {
		if k.Kind != orgsync.UserKey {
			structure = append(structure, k)
		}
	}
	began := time.Now()
	f.must(structure...)
	for i := 0; i < len(users); i += loadBatch {
		f.must(users[i : i+loadBatch]...)
	}
	elapsed := time.Since(began)
	f.dir.Stop()
	return elapsed
}

func bareLoad(b *testing.B) time.Duration {
	b.Helper()
	f := newFixture(b, peers.SlapdOptions{})
	f.all() // the containers
	s, _ := loadState()
	work := make(chan *ldap.AddRequest, loadUsers)
	for name, u := range s.users {
		request := ldap.NewAddRequest("uid="+string(name)+",ou=people,"+root, nil)
		request.Attribute("objectClass", []string{"top", "person", "organizationalPerson", "inetOrgPerson"})
		for attribute, value := range map[string]string{
			"uid": string(name), "cn": u.Attributes.Value(orgsync.AttrName), "sn": u.Attributes.Value(orgsync.AttrName),
			"displayName": u.Attributes.Value(orgsync.AttrName), "o": "t1",
			"departmentNumber": u.Attributes.Value(orgsync.AttrOrgCode), "title": u.Attributes.Value(orgsync.AttrPosition),
			"employeeNumber": u.Attributes.Value(orgsync.AttrEmployeeCode), "employeeType": "regular",
			"mobile": u.Attributes.Value(orgsync.AttrMobile), "mail": u.Attributes.Value(orgsync.AttrEmail),
		} {
			request.Attribute(attribute, []string{value})
		}
		work <- request
	}
	close(work)
	conns := make([]*ldap.Conn, connections)
	for i := range conns {
		conns[i] = f.admin()
	}
	began := time.Now()
	var wg sync.WaitGroup
	for _, conn := range conns {
		wg.Go(func() {
			for request := range work {
				if err := conn.Add(request); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(began)
	f.dir.Stop()
	return elapsed
}

// BenchmarkMoveDepartment moves a department of ten thousand users, with ten departments below
// it, to and fro. writes/op is the number of writes it takes.
func BenchmarkMoveDepartment(b *testing.B) {
	f := newFixture(b, peers.SlapdOptions{})
	f.state.department("east", "东", "")
	f.state.department("west", "西", "")
	for i := range 10 {
		f.state.department(fmt.Sprintf("below%d", i), "下", "moving")
	}
	f.state.department("moving", "动", "east")
	for i := range loadUsers {
		f.state.user(fmt.Sprintf("user%05d", i), "某", map[bool]string{true: "moving", false: fmt.Sprintf("below%d", i%10)}[i%2 == 0])
	}
	f.all()
	parents, writes, n := []string{"west", "east"}, 0, 0
	for b.Loop() {
		writes += len(f.must(f.state.department("moving", "动", parents[n%2])))
		n++
	}
	b.ReportMetric(float64(writes)/float64(n), "writes/op")
}

// BenchmarkNothingToDo converges a thousand users who are as they should be.
func BenchmarkNothingToDo(b *testing.B) {
	f := newFixture(b, peers.SlapdOptions{})
	s, users := loadState()
	f.state = s
	f.must(users[:loadBatch]...)
	for b.Loop() {
		if writes := f.must(users[:loadBatch]...); len(writes) > 0 {
			b.Fatalf("wrote %v", writes)
		}
	}
}
