package orgsync

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// storePause is how long a worker leaves the store alone that did not answer.
	storePause = time.Second
	// stallOver is how long nothing may have failed before it is said to be over: of
	// several workers some may get on while others do not.
	stallOver = 5 * time.Second
)

// storeError says that the store did not answer: no fault of the sink that the work was
// for, which must not be blamed for it.
type storeError struct{ err error }

// Error says what the store said.
func (e *storeError) Error() string { return e.err.Error() }

// Unwrap returns it.
func (e *storeError) Unwrap() error { return e.err }

func isOurs(err error) bool {
	_, ours := errors.AsType[*storeError](err)
	return ours
}

func ours(err error) error {
	if err == nil {
		return nil
	}
	return &storeError{err}
}

// stalls logs once that the store does not answer the workers, and once that it does again.
// It is safe for concurrent use.
type stalls struct {
	mu   sync.Mutex
	last time.Time // of the last failure, zero while there is none; guarded by mu
}

func (s *stalls) stall(ctx context.Context, log *slog.Logger, now time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last.IsZero() {
		log.WarnContext(ctx, "database does not answer the lanes", "error", err.Error())
	}
	s.last = now
}

func (s *stalls) goOn(ctx context.Context, log *slog.Logger, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.last.IsZero() && now.Sub(s.last) >= stallOver {
		log.InfoContext(ctx, "database answers the lanes again")
		s.last = time.Time{}
	}
}

// ownView marks what fails in reading the state.
func ownView(v View) View {
	if all, ok := v.(Inventory); ok {
		return markedInventory{markedView{v}, all}
	}
	return markedView{v}
}

type markedView struct{ next View }

func (v markedView) Tenant(ctx context.Context) (Tenant, error) {
	t, err := v.next.Tenant(ctx)
	return t, ours(err)
}

func (v markedView) Departments(ctx context.Context, codes []OrgCode) (map[OrgCode]PlacedDepartment, error) {
	found, err := v.next.Departments(ctx, codes)
	return found, ours(err)
}

func (v markedView) Users(ctx context.Context, names []UserName) (map[UserName]User, error) {
	found, err := v.next.Users(ctx, names)
	return found, ours(err)
}

// Members leaves the errors of yield, which are the sink's.
func (v markedView) Members(ctx context.Context, code OrgCode, yield func(UserName) error) error {
	return listing(yield, func(y func(UserName) error) error { return v.next.Members(ctx, code, y) })
}

type markedInventory struct {
	markedView
	all Inventory
}

func (v markedInventory) AllDepartments(ctx context.Context, yield func(Department) error) error {
	return listing(yield, func(y func(Department) error) error { return v.all.AllDepartments(ctx, y) })
}

func (v markedInventory) AllUsers(ctx context.Context, yield func(User) error) error {
	return listing(yield, func(y func(User) error) error { return v.all.AllUsers(ctx, y) })
}

// listing tells an error of yield, which is the sink's, from one of the list.
func listing[T any](yield func(T) error, list func(func(T) error) error) error {
	var theirs error
	err := list(func(item T) error {
		theirs = yield(item)
		return theirs
	})
	if err == nil || theirs != nil {
		return err
	}
	return ours(err)
}
