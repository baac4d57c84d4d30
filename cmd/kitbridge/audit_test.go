package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso"
)

// The audit log is written at every log level, and a decision is counted by event and outcome.
func TestAudit(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := &bridge{log: newLogger(&out, Log{Level: "error", Format: "json"}), metrics: newMetrics(build())}
	b.log.Info("not shown")
	b.noteSignIn(sso.Event{
		Name: sso.EventSignInRefused, Outcome: "token_rejected", Check: "id_token.iat", Tenant: "t/1", User: "zhang.san", RequestID: "r1", Solicited: true,
	})
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("audit log is not one line of JSON: %v\n%s", err, &out)
	}
	delete(line, slog.TimeKey)
	want := map[string]any{
		"level": "INFO", "msg": "audit", "event": "sign_in_refused", "outcome": "token_rejected", "check": "id_token.iat",
		"tenant_id": "t/1", "subject": "t%2F1/zhang.san", "solicited": true, "request_id": "r1",
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("audit line (-want +got)\n%s", diff)
	}
	scrape := httptest.NewRecorder()
	b.metrics.handler(b.log).ServeHTTP(scrape, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if want := `kitbridge_sign_ins_total{event="sign_in_refused",outcome="token_rejected"} 1`; !strings.Contains(scrape.Body.String(), want) {
		t.Errorf("metrics lack %s", want)
	}
	out.Reset()
	for _, outcome := range []string{"unchanged", "unanswered", "forgotten"} {
		b.noteSignIn(sso.Event{Name: sso.EventSessionRefreshed, Outcome: outcome, Tenant: "t1", User: "zhang.san"})
	}
	if out.Len() != 0 {
		t.Errorf("a refresh that changed nothing is recorded: %s", &out)
	}
	b.noteSignIn(sso.Event{Name: sso.EventSessionRefreshed, Outcome: "changed", Tenant: "t1", User: "zhang.san"})
	b.noteSignIn(sso.Event{Name: sso.EventSessionEnded, Outcome: "two_people", Check: "userinfo.id", Tenant: "t1", User: "zhang.san"})
	for _, want := range []string{`"event":"session_refreshed","outcome":"changed"`, `"event":"session_ended","outcome":"two_people","check":"userinfo.id"`} {
		if !bytes.Contains(out.Bytes(), []byte(want)) {
			t.Errorf("audit log lacks %s: %s", want, &out)
		}
	}
	out.Reset()
	b.auditor().sessionsEnded(t.Context(), "t1", "zhang.san", 0)
	if out.Len() != 0 {
		t.Errorf("ending nothing is recorded: %s", &out)
	}
	b.auditor().sessionsEnded(t.Context(), "t1", "zhang.san", 2)
	if !bytes.Contains(out.Bytes(), []byte(`"sessions":2,"tenant_id":"t1","subject":"t1/zhang.san"`)) {
		t.Errorf("ended sessions are recorded as %s", &out)
	}
	for user, want := range map[sso.UserName]string{
		"zhangsan@example.com": "t1/z***@example.com", "13812345678": "t1/138****5678", "+8613812345678": "t1/+86138****5678",
		"00123456": "t1/00123456",
	} {
		out.Reset()
		b.auditor().sessionsEnded(t.Context(), "t1", user, 1)
		b.noteSignIn(sso.Event{Name: sso.EventSignInRefused, Outcome: "user_disabled", Tenant: "t1", User: user})
		if n := strings.Count(out.String(), `"subject":"`+want+`"`); n != 2 {
			t.Errorf("%s is recorded as %s, want %s twice", user, &out, want)
		}
	}
}
