package main

import (
	"net/netip"
	"time"
)

// Config is kitbridge.yaml, complete: every key has a value, given or default.
// One that was read never changes; a reloader reads another.
//
// The struct tags are the schema: yaml is the key; secret adds a second key
// <name>_file; enum, kind, min, max and zero limit the value; only names the
// sink type that a key belongs to. See config_field.go for each.
type Config struct {
	// Listen is the public address (host:port) for marketplace, sign-in and authz.
	Listen string `yaml:"listen" kind:"listen"`
	// PublicURL is the address that browsers and the marketplace use: scheme and
	// host only, without a slash at the end. It is never taken from headers.
	PublicURL string `yaml:"public_url" kind:"origin"`
	// TrustedProxies are the peers whose X-Forwarded-* and X-Original-* headers are believed.
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`
	// Database is our own store: "sqlite:" and an absolute or joined path, or a postgres:// URL.
	Database Secret `yaml:"database,secret"`
	// Migrate says whether serve brings an old schema up to date (auto) or refuses it (refuse).
	// Default: auto on SQLite, refuse on PostgreSQL.
	Migrate string `yaml:"migrate" enum:"auto refuse"`
	// KeyFile holds the key ring (package keyring). It may not exist yet beside a new SQLite database.
	KeyFile string `yaml:"key_file" kind:"path"`
	// InsecureTransport allows directories and databases beyond loopback without TLS.
	InsecureTransport bool `yaml:"insecure_transport"`

	Marketplace Marketplace `yaml:"marketplace"`
	SSO         SSO         `yaml:"sso"`
	Proxy       Proxy       `yaml:"proxy"`
	Sinks       []Sink      `yaml:"sinks"`
	Admin       Admin       `yaml:"admin"`
	Log         Log         `yaml:"log"`
	Journal     Journal     `yaml:"journal"`
}

// Marketplace is what the marketplace's signed messages need.
type Marketplace struct {
	// Path is the production address below PublicURL: starts with a slash, does not end with one.
	Path string `yaml:"path"`
	// Keys are the signing keys, by generation of the interface.
	Keys MarketplaceKeys `yaml:"keys"`
	// PrivateKeyFiles are PEM files with the RSA keys of the application credential, newest first.
	PrivateKeyFiles []string `yaml:"private_key_files" kind:"file" single:"ok"`
	// ClockSkew is how far a message's signed time may be from ours, to either side.
	ClockSkew time.Duration `yaml:"clock_skew"`
	// MaxBody is the greatest body of one message, in bytes.
	MaxBody ByteSize `yaml:"max_body" min:"1" max:"1073741824"`
	// BaseUpstream is where base (lifecycle) calls are forwarded byte for byte; empty: they are refused.
	BaseUpstream string `yaml:"base_upstream" kind:"url"`
	// DeletionGuard bounds what may be destroyed without a person's yes.
	DeletionGuard DeletionGuard `yaml:"deletion_guard"`
	// PurgeAfter is how long a removed tenant is kept.
	PurgeAfter time.Duration `yaml:"purge_after" zero:"ok"`
}

// MarketplaceKeys are access keys per generation, newest first; all are
// accepted, so that a key can be rotated. An empty list turns that generation off.
type MarketplaceKeys struct {
	Kit  []Secret `yaml:"kit,secret" single:"ok"`
	Base []Secret `yaml:"base,secret" single:"ok"`
	V1   []Secret `yaml:"v1,secret" single:"ok"`
}

// DeletionGuard holds deletions, counted per tenant and kind over an hour, when
// they are more than Count and more than Percent of the kind, or more than Max.
type DeletionGuard struct {
	Count   int `yaml:"count" min:"0"`
	Percent int `yaml:"percent" min:"0" max:"100"`
	Max     int `yaml:"max" min:"0"`
}

// Proxy is the optional reverse proxy in front of the product.
type Proxy struct {
	// Upstream is the product's own address, e.g. http://127.0.0.1:9000; empty: no proxy.
	Upstream string `yaml:"upstream" kind:"origin"`
}

// Admin is the operator's listener: JSON API, /metrics, /healthz, /readyz.
type Admin struct {
	// Listen is its address (host:port).
	Listen string `yaml:"listen" kind:"listen"`
	// Token is the API's bearer token, at least 32 characters; empty: the API is off.
	Token Secret `yaml:"token,secret"`
}

// Log says what is logged and how.
type Log struct {
	Level  string `yaml:"level" enum:"debug info warn error"`
	Format string `yaml:"format" enum:"json text"`
}

// Journal is the append-only record of accepted messages.
type Journal struct {
	// Retention is how long a raw body is kept; digest, time and verdict stay.
	Retention time.Duration `yaml:"retention" zero:"ok"`
}

// defaultConfig returns the values of keys that a file leaves out, except those
// that depend on others (finishConfig) and those of list elements (newElement).
func defaultConfig() Config {
	return Config{
		Listen:   "127.0.0.1:8080",
		Database: NewSecret("sqlite:kitbridge.db"),
		KeyFile:  "kitbridge.key",
		Marketplace: Marketplace{
			Path:          "/marketplace",
			ClockSkew:     60 * time.Second,
			MaxBody:       5 << 20,
			DeletionGuard: DeletionGuard{Count: 50, Percent: 30, Max: 1000},
			PurgeAfter:    15 * day,
		},
		SSO:     defaultSSO(),
		Admin:   Admin{Listen: "127.0.0.1:8081"},
		Log:     Log{Level: "info", Format: "json"},
		Journal: Journal{Retention: 90 * day},
	}
}
