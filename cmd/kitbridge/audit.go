package main

import (
	"context"
	"log/slog"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/sso"
)

// audited writes whatever the level is: an audit log that a log level silences is none.
type audited struct{ slog.Handler }

// Enabled reports true.
func (audited) Enabled(context.Context, slog.Level) bool { return true }

// auditor writes lines of the audit log: serve's, or those of a command that decides beside it.
type auditor struct{ log *slog.Logger }

// commandAuditor writes to a command's standard error, in the form of serve's log.
func commandAuditor(p process, cfg Config) auditor { return auditor{newLogger(p.stderr, cfg.Log)} }

func (b *bridge) auditor() auditor { return auditor{b.log} }

// write writes one line.
func (a auditor) write(ctx context.Context, attrs ...slog.Attr) {
	slog.New(audited{a.log.Handler()}).LogAttrs(ctx, slog.LevelInfo, "audit", attrs...)
}

// noteSignIn counts and records a decision about a sign-in or a session. The outcomes are the program's own words, so they may be
// labels. That an auth centre stands by what it said is counted only.
func (b *bridge) noteSignIn(e sso.Event) {
	switch e.Name {
	case sso.EventSessionEnded, sso.EventSessionRefreshed:
		b.metrics.observeRefresh(e)
		if e.Name == sso.EventSessionRefreshed && e.Outcome != "changed" {
			return
		}
	default:
		b.metrics.signIns.WithLabelValues(string(e.Name), e.Outcome).Inc()
	}
	b.auditor().write(context.Background(),
		slog.String("event", string(e.Name)), slog.String("outcome", e.Outcome), slog.String("check", e.Check),
		slog.String("tenant_id", string(e.Tenant)), auditSubject(e.Tenant, e.User), slog.Bool("solicited", e.Solicited),
		slog.String("request_id", e.RequestID))
}

// sessionsEnded records that an operator ended sessions: all of a tenant or user, or those with given ids.
func (a auditor) sessionsEnded(ctx context.Context, tenant sso.TenantID, user sso.UserName, n int) {
	if n == 0 {
		return
	}
	a.write(ctx, slog.String("event", "sessions_ended"), slog.String("outcome", "ended"), slog.Int("sessions", n),
		slog.String("tenant_id", string(tenant)), auditSubject(tenant, user))
}

// auditSubject is the account key of a user, "" for nobody's. Some tenants' user names are mail addresses or mobile numbers, which
// no log may hold.
func auditSubject(tenant sso.TenantID, user sso.UserName) slog.Attr {
	subject := ""
	if user != "" {
		subject = sso.Subject(tenant, sso.UserName(store.RedactName(string(user))))
	}
	return slog.String("subject", subject)
}

// heldDecided records that an operator said yes or no to a message that waited.
func (a auditor) heldDecided(ctx context.Context, tenant orgsync.TenantID, id orgsync.JournalID, approved bool) {
	outcome := "rejected"
	if approved {
		outcome = "approved"
	}
	a.write(ctx, slog.String("event", "held_decided"), slog.String("outcome", outcome),
		slog.Int64("journal_id", int64(id)), slog.String("tenant_id", string(tenant)))
}
