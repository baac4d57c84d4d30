package orgsync_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/orgsync"
)

// past is a history with two eras: changes 0 to 4 before the first, 5 to 7 in a, 8 to 9 in b.
func past() orgsync.History {
	return orgsync.History{Bridge: "us", Eras: []orgsync.Era{{ID: "a", Begin: 4}, {ID: "b", Begin: 7}}, Changes: 9}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		history orgsync.History
		found   orgsync.Deed
		seen    orgsync.Mark
		want    orgsync.Standing
	}{
		{"nobody's", past(), orgsync.Deed{}, orgsync.Mark{}, orgsync.StandingOurs},
		{"nobody's, and the state is new", orgsync.History{Bridge: "us"}, orgsync.Deed{}, orgsync.Mark{}, orgsync.StandingOurs},
		{"ours and never marked", past(), orgsync.Deed{Owner: "us"}, orgsync.Mark{}, orgsync.StandingOurs},
		{"ours as it is", past(), orgsync.Deed{"us", orgsync.Mark{"b", 9}}, orgsync.Mark{"b", 9}, orgsync.StandingOurs},
		{"ours, from an earlier era", past(), orgsync.Deed{"us", orgsync.Mark{"a", 7}}, orgsync.Mark{"a", 5}, orgsync.StandingOurs},
		{"ours, from before all eras", past(), orgsync.Deed{"us", orgsync.Mark{"", 4}}, orgsync.Mark{}, orgsync.StandingOurs},
		{"another bridge's", past(), orgsync.Deed{"them", orgsync.Mark{"b", 9}}, orgsync.Mark{}, orgsync.StandingForeign},
		{"another bridge's, never marked", past(), orgsync.Deed{Owner: "them"}, orgsync.Mark{}, orgsync.StandingForeign},
		{"the copy is older than the sink", past(), orgsync.Deed{"us", orgsync.Mark{"b", 10}}, orgsync.Mark{"b", 9}, orgsync.StandingAhead},
		{"the copy is older, and was used since", past(), orgsync.Deed{"us", orgsync.Mark{"a", 8}}, orgsync.Mark{}, orgsync.StandingAhead},
		{"an era that the copy never saw", past(), orgsync.Deed{"us", orgsync.Mark{"c", 8}}, orgsync.Mark{}, orgsync.StandingAhead},
		{"from before all eras, and further", past(), orgsync.Deed{"us", orgsync.Mark{"", 5}}, orgsync.Mark{}, orgsync.StandingAhead},
		{"no point of its era", past(), orgsync.Deed{"us", orgsync.Mark{"b", 3}}, orgsync.Mark{}, orgsync.StandingAhead},
		{"the sink was restored", past(), orgsync.Deed{"us", orgsync.Mark{"a", 5}}, orgsync.Mark{"b", 8}, orgsync.StandingBehind},
		{"the sink was emptied", past(), orgsync.Deed{}, orgsync.Mark{"b", 8}, orgsync.StandingBehind},
		{"both went back", past(), orgsync.Deed{"us", orgsync.Mark{"c", 5}}, orgsync.Mark{"b", 8}, orgsync.StandingAhead},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.history.Judge(tt.found, tt.seen); got != tt.want {
				t.Errorf("Judge(%v, seen %v) = %v, want %v", tt.found, tt.seen, got, tt.want)
			}
		})
	}
}

// lineage is one lineage of a state: a history that goes on, is started anew, is copied.
type lineage struct {
	history orgsync.History
	name    int
}

func (w *lineage) change() { w.history.Changes++ }

func (w *lineage) start(eras *int) {
	*eras++
	w.history.Eras = append(append([]orgsync.Era{}, w.history.Eras...), orgsync.Era{ID: fmt.Sprint("era", *eras), Begin: w.history.Changes})
}

// TestForks: every database begins an era before its first change after a start. Then a
// mark of one lineage is known to another exactly if it was made before they parted.
func TestForks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		eras := 0
		worlds := []*lineage{{history: orgsync.History{Bridge: "us"}}}
		worlds[0].start(&eras)
		type made struct {
			mark orgsync.Mark
			by   map[*lineage]bool // who went through it
		}
		var marks []made
		steps := rapid.IntRange(1, 60).Draw(t, "steps")
		for range steps {
			w := worlds[rapid.IntRange(0, len(worlds)-1).Draw(t, "world")]
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1, 2:
				w.change()
				marks = append(marks, made{w.history.Now(), map[*lineage]bool{w: true}})
			case 3:
				w.start(&eras)
			default: // copied, and the copy is used
				fork := &lineage{history: w.history, name: len(worlds)}
				for _, m := range marks {
					if m.by[w] {
						m.by[fork] = true
					}
				}
				fork.start(&eras)
				worlds = append(worlds, fork)
			}
		}
		for _, m := range marks {
			for _, w := range worlds {
				if got := w.history.Includes(m.mark); got != m.by[w] {
					t.Fatalf("world %d: Includes(%v) = %v, want %v; its history is %+v", w.name, m.mark, got, m.by[w], w.history)
				}
			}
		}
	})
}

func TestParseMark(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := orgsync.Mark{Era: rapid.StringMatching(`[0-9a-f]{0,32}`).Draw(t, "era"), Changes: rapid.Int64Min(0).Draw(t, "changes")}
		if got, err := orgsync.ParseMark(m.String()); err != nil || got != m {
			t.Fatalf("ParseMark(%q) = %v, %v; want %v", m.String(), got, err, m)
		}
	})
	for _, bad := range []string{"a", "a:", "a:x", "a:-1", ":", "a:99999999999999999999"} {
		if _, err := orgsync.ParseMark(bad); !errors.Is(err, orgsync.ErrInvalid) {
			t.Errorf("ParseMark(%q) = %v, want an ErrInvalid", bad, err)
		}
	}
}

func TestClosedError(t *testing.T) {
	t.Parallel()
	for _, standing := range []orgsync.Standing{orgsync.StandingForeign, orgsync.StandingAhead} {
		err := &orgsync.ClosedError{Sink: "corp", Standing: standing, Owner: "them", Bridge: "us"}
		if !errors.Is(err, orgsync.ErrUnavailable) {
			t.Errorf("%v is no ErrUnavailable: its keys would be lost", err)
		}
		if !strings.Contains(err.Error(), "kitbridge take-over corp") {
			t.Errorf("%q does not say what to do", err)
		}
	}
}
