package main

import "time"

// Sink types.
const (
	sinkLDAP = "ldap"
	sinkSQL  = "sql"
)

// Sink is one directory or database that is kept equal to the state. Fields
// tagged only:"ldap" or only:"sql" are a fault on a sink of the other type.
type Sink struct {
	// Name identifies the sink in the database, in logs and on the command line; it never changes.
	Name string `yaml:"name" kind:"name"`
	Type string `yaml:"type" enum:"ldap sql"`
	// URL is where the sink is. ldap: one or several ldap://, ldaps:// or ldapi://, several being
	// fail-over. sql: exactly one mysql:// or postgres:// URL or sqlite: and a path.
	URL []Secret `yaml:"url,secret" single:"ok"`
	// Tenants are the buyers whose people the sink may hold: tenantIds, codes, or "*" for all.
	Tenants []string `yaml:"tenants"`
	// PurgeAfter is how long a removed user's entry or row is kept.
	PurgeAfter time.Duration `yaml:"purge_after" zero:"ok"`

	// StartTLS upgrades ldap:// connections before binding.
	StartTLS bool `yaml:"start_tls" only:"ldap"`
	// CAFile is a PEM file of the authorities that may have signed the server's certificate; empty: the system's.
	CAFile string `yaml:"ca_file" kind:"file" only:"ldap"`
	// CertFile and KeyFile are the client certificate, PEM; both or neither.
	CertFile     string `yaml:"cert_file" kind:"file" only:"ldap"`
	KeyFile      string `yaml:"key_file" kind:"file" only:"ldap"`
	BindDN       string `yaml:"bind_dn" only:"ldap"`
	BindPassword Secret `yaml:"bind_password,secret" only:"ldap"`
	BaseDN       string `yaml:"base_dn" only:"ldap"`
	// Root is tenant (an ou=<tenantId> level below BaseDN) or base (none: single tenant only).
	Root    string `yaml:"root" enum:"tenant base" only:"ldap"`
	Dialect string `yaml:"dialect" enum:"auto openldap 389ds ad" only:"ldap"`
	Layout  string `yaml:"layout" enum:"people tree" only:"ldap"`
	// Connections is the size of the pool.
	Connections int    `yaml:"connections" min:"1" max:"64" only:"ldap"`
	Groups      Groups `yaml:"groups" only:"ldap"`
	// RemovedUsers is what becomes of a removed user's entry: disabled, then deleted after PurgeAfter, or deleted.
	RemovedUsers   string        `yaml:"removed_users" enum:"disable delete" only:"ldap"`
	ReconcileEvery time.Duration `yaml:"reconcile_every" only:"ldap"`
	OnDrift        string        `yaml:"on_drift" enum:"report repair" only:"ldap"`
	// Attributes remaps or adds attributes: LDAP attribute to template.
	Attributes map[string]string `yaml:"attributes" only:"ldap"`
	AD         AD                `yaml:"ad" only:"ldap"`

	// Prefix begins the name of every table.
	Prefix string `yaml:"prefix" kind:"identifier" only:"sql"`
	// Schema is manage (we create and change our tables) or verify (we only check them).
	Schema string `yaml:"schema" enum:"manage verify" only:"sql"`
}

// Groups says which groups there are and how they are filled.
type Groups struct {
	// Nested makes a department's group hold the users of its sub-departments too.
	Nested bool `yaml:"nested"`
	// Apps keeps a group for each application that somebody may use.
	Apps bool `yaml:"apps"`
}

// AD are settings that only Active Directory has.
type AD struct {
	// EnableAccounts lets us enable accounts; otherwise they stay disabled as created.
	EnableAccounts bool `yaml:"enable_accounts"`
}

func defaultSink() Sink {
	return Sink{
		PurgeAfter:     30 * day,
		Root:           "tenant",
		Dialect:        "auto",
		Layout:         "people",
		Connections:    4,
		RemovedUsers:   "disable",
		ReconcileEvery: 24 * time.Hour,
		OnDrift:        "report",
		Prefix:         "kit_",
		Schema:         "manage",
	}
}
