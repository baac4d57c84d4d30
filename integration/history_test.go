//go:build integration

package integration_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// historySeeds are chosen by chance, and printed; KITBRIDGE_HISTORY_SEED plays
// one of them again.
func historySeeds(t testing.TB, count int) []uint64 {
	t.Helper()
	if text := os.Getenv("KITBRIDGE_HISTORY_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("KITBRIDGE_HISTORY_SEED: %v", err)
		}
		return []uint64{seed}
	}
	first := uint64(time.Now().UnixNano()) % 1_000_000_000 * 100
	var seeds []uint64
	for n := range count {
		seeds = append(seeds, first+uint64(n))
	}
	return seeds
}

// chronicle is a bridge with three products behind it, to which a history is
// told.
type chronicle struct {
	*bridge
	products []*product

	mu       sync.Mutex
	told     []statement
	counted  int64 // changes in the pushes that are no repetition of the same bytes
	sent     map[int]signed
	spoken   map[string]bool // signatures of all of them: two statements of the first generation may be the same to the byte
	speak    func(testing.TB, statement) signed
	transmit func(testing.TB, signed) answer
}

// historyServers are shared by all histories.
type historyServers struct{ postgresql, mariadb *peers.DatabaseServer }

func startHistoryServers(t testing.TB) historyServers {
	t.Helper()
	return historyServers{peers.PostgreSQL(t), peers.MariaDB(t)}
}

// products makes three empty databases.
func (s historyServers) products(t testing.TB) []*product {
	t.Helper()
	file := filepath.Join(t.TempDir(), "product.db")
	pg, maria := s.postgresql.Fresh(), s.mariadb.Fresh()
	return []*product{
		openProduct(t, "sqlite", "sqlite:"+file, "sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&mode=rwc"),
		openProduct(t, "postgresql", pg.URL, "pgx", pg.DSN),
		openProduct(t, "mariadb", maria.URL, "mysql", maria.DSN),
	}
}

// generous is a guard that holds but what leaves nothing.
const generous = "{count: 1000, percent: 100, max: 100000}"

// v1Key signs pushes of the first generation.
const v1Key = "0f8fad5b-d9cb-469f-a165-70867728950e"

// startChronicle runs a bridge. database is its own, SQLite if empty.
func startChronicle(t testing.TB, products []*product, guard, database string, before ...string) *chronicle {
	t.Helper()
	sinks := ""
	for _, p := range products {
		sinks += p.sinkOf()
	}
	c := startTold(t, sinks, guard, database, before...)
	c.products = products
	return c
}

// startTold runs a bridge with sinks. database is its own, SQLite if empty.
func startTold(t testing.TB, sinks, guard, database string, before ...string) *chronicle {
	t.Helper()
	b := newBridge(t)
	essentials := b.essentials()
	if database != "" {
		if out, err := exec.Command(binary, "init", "--dir", b.dir).CombinedOutput(); err != nil {
			t.Fatalf("kitbridge init: %v\n%s", err, out)
		}
		essentials = fmt.Sprintf("listen: %q\npublic_url: %q\ndatabase: %q\nmigrate: auto\nkey_file: %q\n",
			strings.TrimPrefix(b.publicURL, "http://"), b.publicURL, database, filepath.Join(b.dir, "kitbridge.key"))
	}
	b.run(t, essentials+fmt.Sprintf(`marketplace:
  keys: {kit: [%q], v1: [%q]}
  private_key_files: [%q]
  deletion_guard: %s
sso: {auth_centres: {hosts: [example.com]}}
admin: {listen: %q, token: %q}
`, kitKey, v1Key, writeCredentialKey(t, b.dir), guard, strings.TrimPrefix(b.adminURL, "http://"), adminToken)+"sinks:\n"+sinks, before...)
	return &chronicle{
		bridge: b, sent: map[int]signed{}, spoken: map[string]bool{},
		speak:    func(t testing.TB, s statement) signed { m := s.messageV2(); return signedPush(t, m.name, m.body) },
		transmit: b.mustSend,
	}
}

// tell sends deliveries one after another, with so many senders at once.
func (c *chronicle) tell(t testing.TB, senders int, deliveries []delivery) {
	t.Helper()
	queue := make(chan delivery)
	var sending sync.WaitGroup
	for range senders {
		sending.Go(func() {
			for d := range queue {
				c.deliverOne(t, d)
			}
		})
	}
	for _, d := range deliveries {
		queue <- d
	}
	close(queue)
	sending.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func (c *chronicle) deliverOne(t testing.TB, d delivery) {
	if d.isFuture {
		d.at = d.at.Add(3 * time.Hour)
		d.stamp = d.at
	}
	c.mu.Lock()
	push, isKnown := c.sent[d.number]
	isAgain := d.isAgain && isKnown
	if !isAgain {
		push = c.speak(t, d.statement)
		if !c.spoken[push.signature] {
			c.counted += d.changes()
		}
		c.spoken[push.signature] = true
		if !isKnown {
			c.told = append(c.told, d.statement)
		}
		c.sent[d.number] = push
	}
	c.mu.Unlock()
	if got := c.transmit(t, push); got.Code != accepted {
		t.Errorf("%v (again: %v) answered %+v", d.statement, isAgain, got)
	}
}

// heldMessage is one item of GET /api/v1/held.
type heldMessage struct {
	ID     int64  `json:"id"`
	Tenant string `json:"tenant_id"`
	Why    string `json:"why"`
	Reason string `json:"reason"`
}

// held lists what waits for a person.
func (b *bridge) held(t testing.TB) []heldMessage {
	t.Helper()
	var page struct {
		Items []heldMessage `json:"items"`
		Next  string        `json:"next"`
	}
	if code := b.api(t, http.MethodGet, "/api/v1/held?limit=1000", &page); code != http.StatusOK || page.Next != "" {
		t.Fatalf("GET /api/v1/held: %d, next %q", code, page.Next)
	}
	return page.Items
}

// decide says yes or no; 404 says that it does not wait any more.
func (b *bridge) decide(t testing.TB, id int64, word string) (code int) {
	t.Helper()
	var outcome map[string]any
	return b.api(t, http.MethodPost, fmt.Sprintf("/api/v1/held/%d/%s", id, word), &outcome)
}

func (b *bridge) api(t testing.TB, method, path string, into any) (code int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, b.adminURL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+adminToken)
	response, err := b.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read to the end
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatalf("%s %s: %s: %v", method, path, response.Status, err)
	}
	return response.StatusCode
}

// approveAll says yes until nothing waits.
func (c *chronicle) approveAll(t testing.TB) (approved int) {
	t.Helper()
	for range 20 {
		all := c.held(t)
		if len(all) == 0 {
			return approved
		}
		for _, h := range all {
			switch code := c.decide(t, h.ID, "approve"); code {
			case http.StatusOK:
				approved++
			case http.StatusNotFound: // something newer took its place
			default:
				t.Fatalf("approve %d: %d", h.ID, code)
			}
		}
	}
	t.Fatalf("much is held, whatever is approved: %+v", c.held(t))
	return 0
}

// agrees compares all tables with the model's, after the sinks are owed nothing.
// Of tenants that ended the departments are compared in the end only: the tables keep them,
// whatever came of them later, until a list says what came back.
func (c *chronicle) agrees(t testing.TB, when string, isFinal bool) {
	t.Helper()
	await(t, 30*time.Second, func() string {
		if s := c.status(t); s.pending() > 0 {
			return fmt.Sprintf("%s: keys are pending: %+v", when, s.Sinks)
		}
		return ""
	})
	status := c.status(t)
	if status.Journal.Accepted != c.counted {
		t.Errorf("%s: %d changes accepted, %d were sent", when, status.Journal.Accepted, c.counted)
	}
	for _, sink := range status.Sinks {
		if sink.Dead != 0 {
			t.Errorf("%s: sink %s has %d dead keys", when, sink.Name, sink.Dead)
		}
	}
	for _, p := range c.products {
		p.follow(t)
		everything := p.everything(t)
		if diff := cmp.Diff(everything, p.followed()); diff != "" {
			t.Errorf("%s: %s: who follows the feed knows (-tables +feed):\n%s", when, p.name, diff)
		}
		for n := range historyTenants {
			tenant := tenantName(n)
			m := replayed(tenant, c.told)
			want, got := m.expected(tenant), everything[tenant]
			if got == nil {
				got = tables{}
			}
			if keepsLeftovers := !m.isActive() || m.hasEnded() && !isFinal; keepsLeftovers {
				delete(want, "department")
				delete(got, "department")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s: %s (-model +tables):\n%s\n%s", when, p.name, tenant, diff, c.spokenOf(tenant, diff))
			}
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// spokenOf lists the statements that may explain a difference, in the order of arrival.
func (c *chronicle) spokenOf(tenant, diff string) string {
	var lines []string
	for _, s := range c.told {
		if s.tenant != tenant {
			continue
		}
		text := s.String()
		isAbout := s.name == "tenantSync" || s.name == "allOrgSync"
		for _, d := range s.departments {
			isAbout = isAbout || strings.Contains(diff, "| "+d.code+" |")
		}
		for n := 0; n < len(s.users) && !isAbout; n++ {
			isAbout = strings.Contains(diff, "| "+s.users[n]["userName"]+" |")
		}
		if isAbout {
			lines = append(lines, text[:min(len(text), 400)])
		}
	}
	return strings.Join(lines[:min(len(lines), 80)], "\n")
}

func (c *chronicle) play(t testing.TB, senders int, deliveries []delivery) {
	t.Helper()
	parts := slices.Collect(slices.Chunk(deliveries, len(deliveries)/4+1))
	for n, part := range parts {
		for quarter := range slices.Chunk(part, len(part)/3+1) {
			c.tell(t, senders, quarter)
			c.status(t) // its counts must add up at any time
			for _, p := range c.products {
				if p.isMade(t) {
					p.follow(t)
				}
			}
		}
		approved := c.approveAll(t)
		t.Logf("part %d of %d: %d messages approved", n+1, len(parts), approved)
		c.agrees(t, fmt.Sprintf("after part %d of %d", n+1, len(parts)), n == len(parts)-1)
	}
}

// isMade says whether the tables are there. They are made at the first delivery.
func (p *product) isMade(t testing.TB) bool {
	for table := range tableColumns() {
		var none int
		if err := p.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM kit_"+table+", kit_change WHERE 1 = 0").Scan(&none); err != nil {
			return false
		}
	}
	return true
}

// TestHistories: whatever is said about three tenants, in whatever order, twice
// or at the same moment, the tables in three kinds of databases are what an
// independent replay of it says, at several points on the way and in the end;
// another bridge that hears the same in another order holds the same bytes.
func TestHistories(t *testing.T) {
	t.Parallel()
	servers := startHistoryServers(t)
	for n, seed := range historySeeds(t, 3) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			h := newHistorian(t, seed)
			history := h.history(n%3 == 2)
			database := ""
			if n%3 == 1 {
				database = servers.postgresql.Fresh().URL
			}
			first := startChronicle(t, servers.products(t), generous, database)
			first.play(t, 1+3*(n%2), h.shuffled(history))
			second := startChronicle(t, servers.products(t), generous, "")
			second.tell(t, 1, inOrder(history))
			second.approveAll(t)
			second.agrees(t, "in order", true)
			first.equals(t, second)
			first.Stop()
			second.Stop()
		})
	}
}

// equals holds that all tables of two bridges are the same in every byte.
func (c *chronicle) equals(t testing.TB, other *chronicle) {
	t.Helper()
	reference := other.products[0].everything(t)
	for _, of := range []*chronicle{c, other} {
		for _, p := range of.products {
			all := p.everything(t)
			for tenant := range all {
				if m := replayed(tenant, c.told); !m.isActive() {
					delete(all[tenant], "department")
					delete(reference[tenant], "department")
				}
			}
			if diff := cmp.Diff(reference, all); diff != "" {
				t.Errorf("%s differs from another order's:\n%s", p.name, diff)
			}
		}
	}
}
