package store

import (
	"context"
	"sync"

	"github.com/kitbridge/kitbridge/orgsync"
)

// lines lets one transaction of a scope at a time come to the database. The others of
// this process wait here, and keep no connection from other tenants.
type lines struct {
	mu sync.Mutex
	// open stands under mu. A line is there while somebody is in it.
	open map[orgsync.Scope]*line
}

// line is held by who took its token.
type line struct {
	token chan struct{}
	users int // who hold or wait; under the mutex of lines
}

// enter waits for its turn, or until ctx ends. leave must be called after a nil error.
func (l *lines) enter(ctx context.Context, scope orgsync.Scope) (leave func(), err error) {
	l.mu.Lock()
	mine, ok := l.open[scope]
	if !ok {
		mine = &line{token: make(chan struct{}, 1)}
		mine.token <- struct{}{}
		l.open[scope] = mine
	}
	mine.users++
	l.mu.Unlock()
	select {
	case <-mine.token:
		return func() {
			mine.token <- struct{}{}
			l.forget(scope, mine)
		}, nil
	case <-ctx.Done():
		l.forget(scope, mine)
		return nil, ctx.Err()
	}
}

func (l *lines) forget(scope orgsync.Scope, mine *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if mine.users--; mine.users == 0 {
		delete(l.open, scope)
	}
}
