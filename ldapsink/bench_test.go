package ldapsink_test

import (
	"fmt"
	"maps"
	"slices"
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
// does no more than add equal entries. The two take turns, a thousand users at a time, so that
// what else the machine does strikes both. ratio is the sink's rate by the loop's.
func BenchmarkFirstLoad(b *testing.B) {
	var sink, loop time.Duration
	for b.Loop() {
		bare, through := newBareLoad(b), newSinkLoad(b)
		sink += through.structure()
		for i := 0; i < loadUsers; i += loadBatch {
			loop += bare.load(i)
			sink += through.load(i)
		}
		bare.dir.Stop()
		through.dir.Stop()
	}
	total := float64(b.N * loadUsers)
	b.ReportMetric(total/sink.Seconds(), "users/s")
	b.ReportMetric(total/loop.Seconds(), "bare-users/s")
	b.ReportMetric(loop.Seconds()/sink.Seconds(), "ratio")
}

// sinkLoad is a sink on an empty directory, with four connections.
type sinkLoad struct {
	*fixture
	users []orgsync.Key
}

func newSinkLoad(b *testing.B) sinkLoad {
	b.Helper()
	f := newFixture(b, peers.SlapdOptions{}, func(c *ldapsink.Config) { c.Connections = connections })
	s, users := loadState()
	f.state = s
	return sinkLoad{f, users}
}

// structure writes the tenant and its departments.
func (l sinkLoad) structure() time.Duration {
	began := time.Now()
	l.must(slices.DeleteFunc(l.state.keys(), func(k orgsync.Key) bool { return k.Kind == orgsync.UserKey })...)
	return time.Since(began)
}

// load writes a batch of users.
func (l sinkLoad) load(from int) time.Duration {
	began := time.Now()
	l.must(l.users[from : from+loadBatch]...)
	return time.Since(began)
}

// bareLoad are connections to a directory that holds the containers only, and what to add.
type bareLoad struct {
	*fixture
	conns    []*ldap.Conn
	requests []*ldap.AddRequest
}

func newBareLoad(b *testing.B) bareLoad {
	b.Helper()
	f := newFixture(b, peers.SlapdOptions{})
	f.all() // the containers
	l := bareLoad{fixture: f}
	s, _ := loadState()
	for _, name := range slices.Sorted(maps.Keys(s.users)) {
		u := s.users[name]
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
		l.requests = append(l.requests, request)
	}
	for range connections {
		l.conns = append(l.conns, f.admin())
	}
	return l
}

// load adds a batch of entries.
func (l bareLoad) load(from int) time.Duration {
	work := make(chan *ldap.AddRequest, loadBatch)
	for _, request := range l.requests[from : from+loadBatch] {
		work <- request
	}
	close(work)
	began := time.Now()
	var wg sync.WaitGroup
	for _, conn := range l.conns {
		wg.Go(func() {
			for request := range work {
				if err := conn.Add(request); err != nil {
					l.t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(began)
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
