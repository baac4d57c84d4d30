package peers

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// SlapdMirror starts two OpenLDAP servers that pass every change on to each other
// (multi-provider replication): what one has acknowledged reaches the other soon, not
// before the answer. Each resumes when the other comes back.
func SlapdMirror(tb testing.TB, options SlapdOptions) (first, second *Directory) {
	tb.Helper()
	first = Slapd(tb, options)
	options.empty = true // the second gets its entries from the first, with the same entryUUIDs
	second = Slapd(tb, options)
	for i, pair := range [][2]*Directory{{first, second}, {second, first}} {
		if err := pair[0].follow(i+1, pair[1]); err != nil {
			tb.Fatalf("replicate: %v", err)
		}
	}
	for until := time.Now().Add(readyWithin); ; <-time.After(20 * time.Millisecond) { //nolint:forbidigo // waits for a process
		err := second.has(ServiceDN)
		if err == nil {
			return first, second
		}
		if time.Now().After(until) { //nolint:forbidigo // waits for a process
			tb.Fatalf("the second server did not get the first one's entries: %v", err)
		}
	}
}

// follow makes a server take the changes of the other.
func (d *Directory) follow(id int, other *Directory) error {
	conn, err := d.configurator()
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it has served its purpose
	const database = "olcDatabase={1}mdb,cn=config"
	number := ldap.NewModifyRequest("cn=config", nil)
	number.Replace("olcServerID", []string{fmt.Sprint(id)})
	overlay := addRequest("olcOverlay=syncprov,"+database, [][2]string{
		{"objectClass", "olcOverlayConfig"}, {"objectClass", "olcSyncProvConfig"}, {"olcOverlay", "syncprov"},
	})
	source := ldap.NewModifyRequest(database, nil)
	source.Replace("olcSyncrepl", []string{fmt.Sprintf(`rid=%03d provider=%s type=refreshAndPersist retry="1 +" `+
		`bindmethod=simple binddn=%q credentials=%s searchbase=%q`, id, other.URL(), AdminDN, AdminPassword, BaseDN)})
	source.Replace("olcMultiProvider", []string{"TRUE"})
	if err := conn.Modify(number); err != nil {
		return fmt.Errorf("set olcServerID: %w", err)
	}
	if err := conn.Add(overlay); err != nil {
		return fmt.Errorf("add overlay syncprov: %w", err)
	}
	if err := conn.Modify(source); err != nil {
		return fmt.Errorf("set olcSyncrepl: %w", err)
	}
	return nil
}

// configurator connects as the one who may change cn=config.
func (d *Directory) configurator() (*ldap.Conn, error) {
	conn, err := ldap.DialURL("ldapi://" + filepath.Clean(d.socket))
	if err != nil {
		return nil, err
	}
	if err := conn.Bind("cn=admin,cn=config", "config"); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func (d *Directory) has(dn string) error {
	conn, err := ldap.DialURL("ldapi://" + d.socket)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it has served its purpose
	if err := conn.Bind(AdminDN, AdminPassword); err != nil {
		return err
	}
	_, err = conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"1.1"}, nil))
	return err
}
