package ldapsink_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/peers"
	"github.com/kitbridge/kitbridge/ldapsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// TestSchemaLacks: what the schema of a server lacks is named by Check before anything is
// written, whatever the server, and by the key of a user. A class that the configuration adds
// costs nobody their entry.
func TestSchemaLacks(t *testing.T) {
	t.Parallel()
	strange := map[string]string{"objectClass": "noSuchClass", "noSuchAttribute": "x", "title": "{position|upper}"}
	unknown := []string{
		"schema: object class noSuchClass of attributes.objectClass is unknown: load the schema that has it, or take it away; users are made without it until then",
		"schema: attribute noSuchAttribute of attributes is unknown: load the schema that has it, or take it away; it is left out until then",
	}
	for _, kind := range processes() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			f := newTargetFixture(t, kind, mapping(t, strange))
			if diff := cmp.Diff(unknown, f.examine()); diff != "" {
				t.Errorf("Check (-want +got):\n%s", diff)
			}
			zhang := f.state.user("zhang", "张三", "", orgsync.AttrPosition, "vip")
			results, _ := f.converge(f.state.keys()...)
			if r := results[zhang]; r.Err != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "objectClass noSuchClass left out") {
				t.Errorf("%s: %v, warnings %q, want the class named", zhang, r.Err, r.Warnings)
			}
			for dn, e := range f.read(kind.userRDN+"=zhang,ou=people,"+root, "title") {
				if diff := cmp.Diff(map[string][]string{"title": {"VIP"}}, e); diff != "" {
					t.Errorf("%s (-want +got):\n%s", dn, diff)
				}
			}
		})
	}
	t.Run("posixAccount", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, peers.SlapdOptions{}, mapping(t, map[string]string{"objectClass": "posixAccount", "uidNumber": "{userName|number:1-9}", "loginShell": "/bin/sh", "sudoUser": "x", "dc": "x"}))
		want := []string{
			"schema: attribute sudoUser of attributes is unknown: load the schema that has it, or take it away; it is left out until then",
			"schema: attribute dc of attributes: no object class of users has it; name one that does in attributes.objectClass",
			"schema: object class posixAccount of attributes.objectClass demands gidnumber: add it to attributes",
			"schema: object class posixAccount of attributes.objectClass demands homedirectory: add it to attributes",
		}
		if diff := cmp.Diff(want, f.examine()); diff != "" {
			t.Errorf("Check (-want +got):\n%s", diff)
		}
	})
	t.Run("inetOrgPerson", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, peers.SlapdOptions{Without: []string{"inetorgperson"}})
		if faults := strings.Join(f.examine(), "\n"); !strings.Contains(faults, "schema: object class inetOrgPerson is unknown: load the schemas core, cosine and inetorgperson") {
			t.Errorf("Check does not name the class:\n%s", faults)
		}
		zhang := f.state.user("zhang", "张三", "")
		results, _ := f.converge(f.state.keys()...)
		err := results[zhang].Err
		if !errors.Is(err, orgsync.ErrRejected) || !strings.Contains(err.Error(), "organizationalPerson, inetOrgPerson: load the schemas") {
			t.Errorf("%s: %v, want ErrRejected that names the class", zhang, err)
		}
		if e, ok := errors.AsType[*ldapsink.OperationError](err); !ok || !strings.Contains(e.Public(), "inetOrgPerson") {
			t.Errorf("Public does not name the class: %v", err)
		}
		load := exec.CommandContext(t.Context(), "ldapadd", "-x", "-H", f.dir.URL(), "-D", "cn=admin,cn=config", "-w", "config", "-f", "/etc/ldap/schema/inetorgperson.ldif")
		if out, err := load.CombinedOutput(); err != nil {
			t.Fatalf("ldapadd: %v\n%s", err, out)
		}
		f.must(zhang)
		if faults := f.examine(); len(faults) > 0 {
			t.Errorf("Check, with the schema loaded: %v", faults)
		}
	})
}
