package main

import (
	"context"
	"log/slog"

	"github.com/kitbridge/kitbridge/sso"
)

// audited writes whatever the level is: an audit log that a log level silences is none.
type audited struct{ slog.Handler }

// Enabled reports true.
func (audited) Enabled(context.Context, slog.Level) bool { return true }

// audit writes one line of the audit log.
func (b *bridge) audit(ctx context.Context, attrs ...slog.Attr) {
	slog.New(audited{b.log.Handler()}).LogAttrs(ctx, slog.LevelInfo, "audit", attrs...)
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
	subject := ""
	if e.User != "" {
		subject = sso.Subject(e.Tenant, e.User)
	}
	b.audit(context.Background(),
		slog.String("event", string(e.Name)), slog.String("outcome", e.Outcome), slog.String("check", e.Check),
		slog.String("tenant_id", string(e.Tenant)), slog.String("subject", subject), slog.Bool("solicited", e.Solicited),
		slog.String("request_id", e.RequestID))
}

// noteSessionsEnded records that an operator ended sessions: all of a user, or one by its id.
func (b *bridge) noteSessionsEnded(ctx context.Context, tenant sso.TenantID, user sso.UserName, n int, err error) {
	if err != nil || n == 0 {
		return
	}
	subject := ""
	if user != "" {
		subject = sso.Subject(tenant, user)
	}
	b.audit(ctx, slog.String("event", "sessions_ended"), slog.String("outcome", "ended"), slog.Int("sessions", n),
		slog.String("tenant_id", string(tenant)), slog.String("subject", subject))
}
