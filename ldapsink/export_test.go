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
