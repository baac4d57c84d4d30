package ldapsink

import (
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// NewDirectory is the directory behind a [Sink] with these addresses.
func NewDirectory(t *tls.Config, bindDN, password string, timeout time.Duration, urls ...string) (Directory, error) {
	return newPool(Config{
		URLs: urls, BindDN: bindDN, BindPassword: orgsync.Secret(password), TLS: t, Timeout: timeout, Connections: 2,
		Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
}

// Names reads names as a round does.
type Names struct {
	*names
	v *inventory
}

// NewNames begins anew.
func NewNames(f Folding) Names { return Names{newNames(f), newInventory()} }

// Parse reads one.
func (n Names) Parse(text string) (DN, error) { return n.parse(text) }

// Hashes returns the hash of a name as it is found without taking the name apart, and that of
// its key.
func (n Names) Hashes(text string) (hash, ofKey uint64, ok bool) {
	hash, ok = n.hash(n.v, text)
	if dn, err := n.folding.ParseDN(text); err == nil {
		ofKey = n.v.hash(dn.Key())
	}
	return hash, ofKey, ok
}

// Lacks says what a schema with these definitions lacks, for an OpenLDAP.
func Lacks(classes, attributes []string, m Mapping) []string {
	return parseSubschema(classes, attributes).lacks(dialectProfile(OpenLDAP), m)
}

// Definition takes a definition apart.
func Definition(text string) map[string][]string { return parseDefinition(text) }
