package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

func TestTroubles(t *testing.T) {
	t.Parallel()
	w := enterprise(t) // corp has 6 dead keys
	// product fails at the first of its keys, once; the others are never tried.
	lane, err := w.Claim(t.Context(), "product", morning(), morning().Add(time.Minute), 1)
	if err != nil {
		t.Fatal(err)
	}
	k := lane.Keys[0]
	if err := w.Finish(t.Context(), lane, []orgsync.Outcome{
		{Key: k.Key, Revision: k.Revision, NextTry: morning().Add(time.Hour), Reason: "busy"},
	}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		before time.Time
		want   []store.Trouble
	}{
		"owed for long": {morning().Add(time.Minute), []store.Trouble{
			{Sink: "corp", Dead: 6, Since: morning()}, {Sink: "product", Failing: 1, Since: morning()},
		}},
		"owed of late": {morning().Add(-time.Minute), []store.Trouble{{Sink: "corp", Dead: 6, Since: morning()}}},
	} {
		got, err := w.Troubles(t.Context(), c.before)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

func TestNoteSink(t *testing.T) {
	t.Parallel()
	w := enterprise(t)
	read := func() map[string]string {
		t.Helper()
		s, err := w.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, k := range s.Sinks {
			got[k.Name] = k.Fault
			if k.Fault != "" && !k.Since.Equal(morning()) {
				t.Errorf("%s is down since %v, want %v", k.Name, k.Since, morning())
			}
		}
		return got
	}
	for _, step := range []struct {
		sink, fault string
		since       time.Time
		want        map[string]string
	}{
		{"corp", "refused", morning(), map[string]string{"corp": "refused", "product": ""}},
		{"nobody", "refused", morning(), map[string]string{"corp": "refused", "product": ""}},
		{"corp", "", time.Time{}, map[string]string{"corp": "", "product": ""}},
	} {
		if err := w.NoteSink(t.Context(), step.sink, step.fault, step.since); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, read()); diff != "" {
			t.Errorf("after NoteSink(%q, %q) (-want +got)\n%s", step.sink, step.fault, diff)
		}
	}
}
