package sqlsink_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/kitbridge/kitbridge/internal/sqlsink"
	"github.com/kitbridge/kitbridge/orgsync"
)

// testFeed: two processes at a time; a reader who remembers the last number misses
// nothing.
func testFeed(t *testing.T, p product) {
	sinks := []*sqlsink.Sink{newSink(t, p), newSink(t, p)}
	v := newState()
	converge(t, sinks[0], v, v.keys()...)
	stop := make(chan struct{})
	read := make(chan error, 1)
	go func() { read <- follow(t.Context(), p, stop) }()
	var all sync.WaitGroup
	for n, s := range sinks {
		all.Go(func() {
			for round := range 20 {
				k := v.user(orgsync.UserName(fmt.Sprintf("u%d-%02d", n, round)))
				shared := v.user("shared", "position", fmt.Sprint(n, round))
				if results, err := s.Converge(t.Context(), v, []orgsync.Key{k, shared}); err != nil || len(results) != 2 {
					t.Errorf("Converge = %v, %v", results, err)
					return
				}
			}
		})
	}
	all.Wait()
	close(stop)
	if err := <-read; err != nil {
		t.Error(err)
	}
	p.want(t, "SELECT count(*) FROM kit_user", "41")
	p.want(t, "SELECT count(*) - max(seq) FROM kit_change", "0")
	p.want(t, "SELECT max(seq) - (SELECT last_seq FROM kit_meta) FROM kit_change", "0")
	converge(t, sinks[0], v, v.keys()...)
	p.want(t, "SELECT position FROM kit_user WHERE user_name = 'shared'", v.users["shared"].Attributes.Value(orgsync.AttrPosition))
}

// follow reads the feed until stop, and fails when a number comes late.
func follow(ctx context.Context, p product, stop <-chan struct{}) error {
	last := int64(0)
	for {
		var err error
		if last, err = follows(ctx, p, last); err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
}

// follows reads what is in the feed after a number.
func follows(ctx context.Context, p product, last int64) (int64, error) {
	rows, err := p.db.QueryContext(ctx, fmt.Sprintf("SELECT seq FROM kit_change WHERE seq > %d ORDER BY seq", last))
	if err != nil {
		return last, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		var seq int64
		if err := rows.Scan(&seq); err != nil {
			return last, err
		}
		if seq != last+1 {
			return last, fmt.Errorf("the feed goes from %d to %d", last, seq)
		}
		last = seq
	}
	return last, rows.Err()
}

// testOrder: with more keys than a transaction takes, what takes access away goes
// first and what takes structure away last, wherever they stand in the lane.
func testOrder(t *testing.T, p product) {
	v := newState()
	s := newSink(t, p)
	converge(t, s, v, v.user("zz"), v.user("zy", "role", "admin"), v.department("old", "", ""))
	lane := []orgsync.Key{v.drop("old")}
	for n := range 600 {
		lane = append(lane, v.user(orgsync.UserName(fmt.Sprintf("u%03d", n))))
	}
	lane = append(lane, v.department("new", "", ""), orgsync.Key{Kind: orgsync.TenantKey}, v.user("zy", "role", "user"),
		v.edit("zz", func(u *orgsync.User) { u.Status, u.Grants[0].Enabled = orgsync.StatusDisabled, false }))
	converge(t, s, v, lane...)
	p.want(t, p.quote(`SELECT "key" FROM kit_change WHERE seq BETWEEN 4 AND 7 ORDER BY seq`), "zy", "zz", tenantID, "new")
	p.want(t, p.quote(`SELECT "key", "op" FROM kit_change WHERE seq = (SELECT max(seq) FROM kit_change)`), "old|delete")
	p.want(t, "SELECT count(*) FROM kit_user", "602")
}
