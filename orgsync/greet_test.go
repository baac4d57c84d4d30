package orgsync_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/kitbridge/kitbridge/orgsync"
	"github.com/kitbridge/kitbridge/orgsync/orgsynctest"
)

// door is a shelf that can be tried.
type door struct {
	*shelf
	tried int
}

func (d *door) Reach(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tried++
	return d.down
}

// TestDispatcherGreets: a sink is tried at start although it is owed nothing, until it
// answered once.
func TestDispatcherGreets(t *testing.T) {
	for name, test := range map[string]struct {
		down    error
		notices []string
		lines   map[string]int
	}{
		"up": {nil, []string{"up"}, map[string]int{`"sink answers"`: 1, "does not answer": 0, "answers again": 0}},
		"down at first": {
			fmt.Errorf("refused: %w", orgsync.ErrUnavailable),
			[]string{"down", "up"},
			map[string]int{`"sink answers"`: 0, "does not answer": 1, "answers again": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &door{shelf: newShelf()}
				s.down = test.down
				var log bytes.Buffer
				var mu sync.Mutex
				var notices []string
				d, err := orgsync.NewDispatcher(orgsync.DispatcherConfig{
					LookEvery: 1000 * time.Hour, Lanes: orgsynctest.NewMemory(), Sinks: []orgsync.Sink{s}, Logger: slog.New(slog.NewJSONHandler(&log, nil)), Now: time.Now,
					Notice: func(_ context.Context, h orgsync.SinkHealth) {
						mu.Lock()
						defer mu.Unlock()
						if (h.Err == nil) != h.Since.IsZero() || h.Name != "shelf" {
							t.Errorf("notice %+v", h)
						}
						notices = append(notices, map[bool]string{true: "up", false: "down"}[h.Err == nil])
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- d.Run(ctx) }()
				time.Sleep(time.Hour)
				if h := d.Health()[0]; (h.Err == nil) != (test.down == nil) {
					t.Errorf("an hour after the start Health() = %+v", h)
				}
				s.set(func() { s.down = nil })
				time.Sleep(6 * time.Second)
				synctest.Wait()
				if h := d.Health()[0]; h.Err != nil {
					t.Errorf("six seconds after the sink came back, owed nothing, Health() = %+v", h)
				}
				tried := s.tried
				time.Sleep(time.Hour)
				if s.tried != tried {
					t.Errorf("a sink that answered was tried again for nothing")
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
				if diff := gocmp.Diff(test.notices, notices); diff != "" {
					t.Errorf("notices (-want +got):\n%s", diff)
				}
				for line, want := range test.lines {
					if got := strings.Count(log.String(), line); got != want {
						t.Errorf("%d lines %s, want %d:\n%s", got, line, want, log.String())
					}
				}
			})
		})
	}
}
