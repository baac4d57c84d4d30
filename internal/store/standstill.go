package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
)

// Standstill is why the database takes no writes although it answers.
type Standstill struct {
	Since  time.Time // when the first write was refused
	Reason string    // for people; names nobody
}

const (
	// standstillLasts is how long after the last refused write the standstill is over at the
	// earliest, so that it does not come and go where only small writes find room.
	standstillLasts = 10 * time.Second
	// roomToWrite is how many bytes there must be beside a SQLite file.
	roomToWrite = 256 << 10
	tryWrite    = "UPDATE sequence SET value = value WHERE name = 'lease'"
)

// standstills remembers whether writes are refused. It is safe for concurrent use.
type standstills struct {
	mu sync.Mutex
	// now and last stand under mu: the standstill, and when it was met last.
	now  Standstill
	last time.Time
}

// Standstill tells whether writes have been refused of late for want of room or rights: a
// zero Since says that they have not. What is refused was not acknowledged to anybody,
// and [Store.Run] finds out by itself when the database takes writes again.
func (s *Store) Standstill() Standstill {
	s.stopped.mu.Lock()
	defer s.stopped.mu.Unlock()
	return s.stopped.now
}

// note remembers an error that says that nothing can be written, and whether it is news.
func (st *standstills) note(err error, at time.Time) (news bool) {
	reason := refusesWrites(err)
	if reason == "" {
		return false
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	news = st.now.Since.IsZero()
	if news {
		st.now.Since = at
	}
	st.now.Reason, st.last = reason, at
	return news
}

// lasts says whether it stands still, and whether it is time to see if it is over.
func (st *standstills) lasts(at time.Time) (is, look bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	is = !st.now.Since.IsZero()
	return is, is && at.Sub(st.last) >= standstillLasts
}

func (st *standstills) end() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.now = Standstill{}
}

// watched is a transactor whose refusals are remembered.
type watched struct {
	transactor
	store *Store
}

func (w watched) inTx(ctx context.Context, d durability, fn func(ctx context.Context, c conn) error) error {
	err := w.transactor.inTx(ctx, d, fn)
	if w.store.stopped.note(err, w.store.now()) {
		w.store.logger.ErrorContext(ctx, "the database takes no writes", "reason", w.store.Standstill().Reason)
	}
	return err
}

// endStandstill looks whether the database takes writes again.
func (s *Store) endStandstill(ctx context.Context) {
	if _, look := s.stopped.lasts(s.now()); !look {
		return
	}
	if s.folder != "" && !hasRoom(s.folder) {
		return
	}
	err := s.writer.inTx(ctx, durable, func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, tryWrite)
		return err
	})
	if err != nil {
		return // noted, if it is the same again
	}
	s.stopped.end()
	s.logger.InfoContext(ctx, "the database takes writes again")
}

// hasRoom says whether a file of some size can be written in the folder. The log of
// SQLite may have room for a small transaction where no larger one fits.
func hasRoom(folder string) bool {
	f, err := os.CreateTemp(folder, ".kitbridge-room-")
	if err != nil {
		return false
	}
	_, err = f.Write(make([]byte, roomToWrite))
	return errors.Join(err, f.Close(), os.Remove(filepath.Clean(f.Name()))) == nil
}

// refusesWrites is why the database takes no writes, if that is what the error says.
func refusesWrites(err error) string {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqliteFull:
			return "its disk is full; make room"
		case sqliteReadOnly:
			return "its file or disk is read-only; mind mode and mount"
		case sqliteIOErr, sqliteCantOpen:
			return "its files cannot be written; the log says more"
		}
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case "53100":
			return "the disk of its server is full; make room"
		case "25006":
			return "its server is read-only; mind default_transaction_read_only, or a fail-over"
		}
	}
	return ""
}
