//go:build integration

package integration_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// awkward are texts that DNs (RFC 4514), filters (RFC 4515), SQL, JSON and paths
// each have their trouble with.
func awkward() []string {
	return []string{
		"研发", "R&D,East", `"quoted"`, "#1", "a+b", "k=v", "x;y", "<angle>", `back\slash`, "per%cent", "sl/ash", "*(star)",
		"o'brien", "rocket🚀", "inner  blanks", "zhang.san@corp", "under_score", "`tick`", "{brace}", "00000001",
	}
}

// headquarters fills a buyer with 3 levels of departments and 40 users.
func headquarters(id string) *buyer {
	b := newBuyer(id)
	texts := awkward()
	var parent string
	for n, code := range texts {
		switch n % 5 {
		case 0: // every fifth stands at the top, the next two below it, the others below the second of these
			parent = ""
		case 1, 3:
			parent = texts[n-1]
		}
		b.departments[code] = department{name: displayName(n), parent: parent}
	}
	b.departments["team-a"] = department{name: "TEAM-A"} // the same again to a directory
	b.departments[strings.Repeat("长", 64)] = department{name: strings.Repeat("名", 128), parent: "team-a"}
	codes := sortedKeys(b.departments)
	for n := range 2 * len(texts) {
		userName := texts[n%len(texts)]
		if n >= len(texts) {
			userName = fmt.Sprintf("%s-%d", userName, n)
		}
		u := user{
			name: displayName(n), orgCode: codes[n%len(codes)], role: "user", standing: userEnabled,
			position: displayName(n + 1), employeeCode: fmt.Sprintf("E-%04d", n), employeeType: fmt.Sprint(n % 5),
			mobile: fmt.Sprintf("+86 138-0013-%04d", n), email: fmt.Sprintf("user+%d@example.com", n),
			workPlace: displayName(n + 2), entryDate: fmt.Sprintf("2022-11-%d", n%28+1), entryISO: fmt.Sprintf("2022-11-%02d", n%28+1),
		}
		if n%5 == 0 {
			u.role, u.employeeType = "admin", ""
		}
		b.users[userName] = u
	}
	bend := func(userName string, change func(*user)) {
		u := b.users[userName]
		change(&u)
		b.users[userName] = u
	}
	bend("研发", func(u *user) { u.email, u.mailIsRefused = "张三@例子.中国", true })
	bend("a+b", func(u *user) { u.mobile, u.mobileIsRefused = "一三八", true })
	bend("#1", func(u *user) { u.entryDate, u.entryISO = "soon", "" })
	bend("x;y", func(u *user) {
		u.mobile, u.email, u.workPlace, u.position, u.entryDate, u.entryISO = "", "", "", "", "", ""
	})
	bend("k=v", func(u *user) { u.orgCode = "no such department" })
	bend(`"quoted"`, func(u *user) { u.name = "\u202eevil\u2028line" })
	return b
}

// displayName is a name as people give them: never a key, so it may be anything.
func displayName(n int) string {
	names := []string{
		"产品部", "  leading blanks", "comma, comma", `say "hi"`, "#hash", "+plus+", "trailing blank ", "A/B <测试> & co",
		"emoji 👩‍💻", `back\slash`, "a=b", "semi;colon", "Ünïcödé", "张三", "'; DROP TABLE kit_user; --", "*)(uid=*",
	}
	return names[n%len(names)]
}

// binding is what the marketplace sends when a buyer binds a purchase to an
// enterprise and then authorises its people (access guide, order of calls).
func (b *buyer) binding(t testing.TB, at time.Time) []message {
	t.Helper()
	return []message{
		b.tenantSync(flagAdd, at),
		b.applicationSync(sealSecret(t, "the secret of "+b.id), at.Add(time.Second)),
		b.allOrgSync(at.Add(2 * time.Second)),
		b.authorise(flagAdd, at.Add(3*time.Second), sortedKeys(b.users)...),
	}
}

// anHourAgo is when histories begin, so that all of their times are past.
func anHourAgo() time.Time { return time.Now().Add(-time.Hour).Truncate(time.Millisecond) }

// TestSyncBinding: a tenant with 3 levels of departments and 40 users is in the
// directory and in the tables within two seconds, and nothing else is.
func TestSyncBinding(t *testing.T) {
	forEachDirectory(t, func(t *testing.T, s *scene) {
		b := headquarters("68cbc86abc2018ab880d92f36422fa0e")
		messages := b.binding(t, anHourAgo())
		started := time.Now()
		s.deliver(t, messages...)
		acknowledged := time.Since(started)
		s.settles(t, 2*time.Second, b)
		t.Logf("acknowledged after %v, delivered after %v", acknowledged, time.Since(started))

		before := s.counts(t)
		if want := int64(1 + 1 + len(b.departments) + len(b.users)); before.Journal.Accepted != want || before.Journal.Applied != want {
			t.Errorf("journal %+v, want %d accepted and applied", before.Journal, want)
		}
		if got := before.Tenants[0]; got.Users != int64(len(b.users)) || got.Departments != int64(len(b.departments)) {
			t.Errorf("status of the tenant %+v, want %d users and %d departments", got, len(b.users), len(b.departments))
		}
		uuids, feed := s.uuids(t, b), readRows(t, s.tables, "SELECT MAX(seq) FROM kit_change")
		s.deliver(t, messages...) // again, newly signed
		s.quiet(t)
		s.settles(t, 2*time.Second, b)
		mustEqual(t, "entryUUIDs after the same again", uuids, s.uuids(t, b))
		mustEqual(t, "the feed after the same again", feed, readRows(t, s.tables, "SELECT MAX(seq) FROM kit_change"))
		s.Stop()
	})
}
