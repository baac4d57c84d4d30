package push

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/kitbridge/kitbridge/orgsync"
)

// Anybody may send a body, and it has to be read before its signature can be checked. So
// that many senders at once cannot fill the memory, only short bodies are read freely: a
// push of 500 users fits. Of the longer ones a few are worked on at a time.
const (
	shortBody   = 256 << 10
	largeBodies = 4
	// largeWait is how long a long body waits for its turn, largeRead how long it may
	// take to arrive: together less than the marketplace waits for its answer.
	largeWait = 5 * time.Second
	largeRead = 10 * time.Second
	// workers is how many bodies are verified and decoded at a time: work for the
	// processor, which gains nothing from more.
	workers = 4
)

// read takes the body in once. A body that says that it is too long is not read at all.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, rec *record) ([]byte, error) {
	if r.ContentLength > h.config.MaxBody {
		w.Header().Set("Connection", "close")
		return nil, ErrTooLarge
	}
	in := http.MaxBytesReader(w, r.Body, h.config.MaxBody)
	var body bytes.Buffer
	err := fill(&body, in, shortBody+1, r.ContentLength)
	if err == nil && body.Len() > shortBody {
		if err := h.enter(r, rec); err != nil {
			w.Header().Set("Connection", "close") // the rest is not read
			return nil, err
		}
		// Not every writer knows deadlines; the server's own read timeout holds anyway.
		_ = http.NewResponseController(w).SetReadDeadline(h.config.Now().Add(largeRead))
		err = fill(&body, in, h.config.MaxBody, r.ContentLength)
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, ErrTooLarge
	}
	if err != nil {
		return nil, &orgsync.FieldError{Field: fieldBody, Reason: "breaks off"}
	}
	return body.Bytes(), nil
}

// fill reads until the body holds limit bytes or a little more. said is how many are
// said to come, -1 if nobody said; no more is set aside than is read now.
func fill(body *bytes.Buffer, in io.Reader, limit, said int64) error {
	if more := min(said, limit) - int64(body.Len()); more > 0 {
		body.Grow(int(more) + bytes.MinRead)
	}
	_, err := body.ReadFrom(io.LimitReader(in, limit-int64(body.Len())+1))
	return err
}

// enter waits for a place for a long body. It is given back when the request ends.
func (h *Handler) enter(r *http.Request, rec *record) error {
	wait := time.NewTimer(largeWait)
	defer wait.Stop()
	select {
	case h.large <- struct{}{}:
		rec.release = func() { <-h.large }
		return nil
	case <-wait.C:
	case <-r.Context().Done():
	}
	return fmt.Errorf("%d long bodies are being worked on: %w", largeBodies, orgsync.ErrUnavailable)
}

// atWork runs what takes processor and memory for a body, a few at a time.
func (h *Handler) atWork(do func()) {
	h.workers <- struct{}{}
	defer func() { <-h.workers }()
	do()
}
