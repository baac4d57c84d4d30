package sso_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/sso"
)

func TestDueAt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	both := func(life time.Duration) sso.Tokens {
		return sso.Tokens{Access: "a", Refresh: "r", Expires: now.Add(life)}
	}
	for _, tt := range []struct {
		name string
		mode string
		kept sso.Tokens
		want time.Duration // 0 = never
	}{
		{"off", sso.RefreshOff, both(time.Hour), 0},
		{"when it runs out", sso.RefreshExpiry, both(2 * time.Hour), 2 * time.Hour},
		{"no refresh token", sso.RefreshExpiry, sso.Tokens{Access: "a", Expires: now.Add(time.Hour)}, 0},
		{"ran out already", sso.RefreshExpiry, both(-time.Hour), time.Second},
		{"a second", sso.RefreshExpiry, both(time.Second), time.Second},
		{"probe before it runs out", sso.RefreshProbe, both(2 * time.Hour), 10 * time.Minute},
		{"it runs out before the probe", sso.RefreshProbe, both(5 * time.Minute), 5 * time.Minute},
		{"probe with an access token only", sso.RefreshProbe, sso.Tokens{Access: "a", Expires: now.Add(time.Hour)}, 10 * time.Minute},
		{"nothing will be left for the probe", sso.RefreshProbe, sso.Tokens{Access: "a", Expires: now.Add(10 * time.Minute)}, 0},
		{"probe with a refresh token only", sso.RefreshProbe, sso.Tokens{Refresh: "r", Expires: now.Add(2 * time.Hour)}, 10 * time.Minute},
		{"nothing", sso.RefreshProbe, sso.Tokens{}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := sso.DefaultSettings(sso.ProfileKit)
			s.Refresh = tt.mode
			want := time.Time{}
			if tt.want != 0 {
				want = now.Add(tt.want)
			}
			if got := sso.DueAt(s, tt.kept, now); !got.Equal(want) {
				t.Errorf("due at %v, want %v", got, want)
			}
		})
	}
}

// TestTokenLife: the guides send a number or a text (access guide, "token"); what is neither must not end a session at once.
func TestTokenLife(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]time.Duration{
		"7200": 2 * time.Hour, `"7200"`: 2 * time.Hour, "1.5": 1500 * time.Millisecond, "0.001": time.Second, `"1e3"`: 1000 * time.Second,
		"0": 2 * time.Hour, "-5": 2 * time.Hour, `""`: 2 * time.Hour, "null": 2 * time.Hour, "{}": 2 * time.Hour, `"NaN"`: 2 * time.Hour,
		`"soon"`: 2 * time.Hour, "1e300": 30 * 24 * time.Hour, `"Inf"`: 30 * 24 * time.Hour,
	} {
		if got := sso.LifeOf(sso.Claims{"expires_in": []byte(raw)}); got != want {
			t.Errorf("expires_in %s = %v, want %v", raw, got, want)
		}
	}
	if got := sso.LifeOf(sso.Claims{}); got != 2*time.Hour {
		t.Errorf("no expires_in = %v", got)
	}
}

// TestHear: what an auth centre says later takes the place of what it said before, about the same person only, and never makes
// somebody an administrator by saying nothing.
func TestHear(t *testing.T) {
	t.Parallel()
	old := sso.LiveSession{Tenant: tenantA, User: "zhang.san", Role: sso.RoleAdmin, Filled: sso.Profile{Name: "张三", Email: "z@example.com"}}
	plain := old
	plain.Role = sso.RoleUser
	silent := old
	silent.Role = sso.RoleUnknown
	for _, tt := range []struct {
		name  string
		live  sso.LiveSession
		says  string
		whole bool
		want  *sso.Said
		err   error
	}{
		{"the same", old, `{"userName":"zhang.san","role":"admin","name":"张三","email":"z@example.com"}`, true, &sso.Said{Role: sso.RoleAdmin, Filled: old.Filled}, nil},
		{"lowered", old, `{"userName":"zhang.san","role":"user"}`, true, &sso.Said{Role: sso.RoleUser}, nil},
		{"an unknown role", old, `{"userName":"zhang.san","role":"root"}`, true, &sso.Said{Role: sso.RoleUser}, nil},
		{"no administrator any more", old, `{"userName":"zhang.san"}`, true, &sso.Said{Role: sso.RoleUser}, nil},
		{"raised", plain, `{"userName":"zhang.san","role":"admin"}`, true, &sso.Said{Role: sso.RoleAdmin}, nil},
		{"silent about a user", plain, `{"userName":"zhang.san"}`, true, &sso.Said{Role: sso.RoleUser}, nil},
		{"silent as ever", silent, `{"userName":"zhang.san"}`, true, &sso.Said{Role: sso.RoleUnknown}, nil},
		{"a part, silent about the role", old, `{"userName":"zhang.san","name":"new"}`, false, &sso.Said{Role: sso.RoleAdmin, Filled: sso.Profile{Name: "new", Email: "z@example.com"}}, nil},
		{"a part, lowered", old, `{"role":"user"}`, false, &sso.Said{Role: sso.RoleUser, Filled: old.Filled}, nil},
		{"a part without a name", old, `{}`, false, &sso.Said{Role: sso.RoleAdmin, Filled: old.Filled}, nil},
		{"another user", old, `{"userName":"li.si","role":"admin"}`, true, nil, sso.ErrTwoPeople},
		{"another user, a part", old, `{"userName":"Zhang.San"}`, false, nil, sso.ErrTwoPeople},
		{"another tenant", old, `{"userName":"zhang.san","tenant":"` + tenantB + `"}`, true, nil, sso.ErrTenantMismatch},
		{"no user", old, `{"role":"admin"}`, true, nil, sso.ErrIdentity},
		{"a user that is no text", old, `{"userName":["zhang.san"]}`, false, nil, sso.ErrIdentity},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := sso.DecodeClaims([]byte(tt.says))
			if err != nil {
				t.Fatal(err)
			}
			got, err := sso.Hear(tt.live, c, tt.whole)
			if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
				t.Errorf("heard %v, want %v (-want +got)\n%s", err, tt.err, diff)
			}
		})
	}
}
