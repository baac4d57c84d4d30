package push_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// stall is a body that sends its beginning and then nothing, until it is let go.
type stall struct {
	head  io.Reader
	began *sync.WaitGroup
	once  sync.Once
	let   <-chan struct{}
}

func (s *stall) Read(p []byte) (int, error) {
	if n, err := s.head.Read(p); n > 0 || err == nil {
		return n, nil
	}
	s.once.Do(s.began.Done)
	<-s.let
	return 0, io.ErrUnexpectedEOF
}

// However many send long bodies at once, a short push is answered, and no more than a
// few of the long ones take memory.
func TestLongBodiesWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, longBodies)
}

func longBodies(t *testing.T) {
	e := newEndpoint(t, nil)
	let := make(chan struct{})
	var began, ended sync.WaitGroup
	const places = 4
	began.Add(places)
	for range places {
		body := &stall{head: bytes.NewReader(make([]byte, 300<<10)), began: &began, let: let}
		ended.Go(func() {
			e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/marketplace/produceAPI/v2/tenantSync", body))
		})
	}
	began.Wait()
	// All places are taken. A fifth long body is told to come again, a short one is served.
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/marketplace/produceAPI/v2/tenantSync", bytes.NewReader(make([]byte, 300<<10)))
	e.ServeHTTP(w, r)
	if got := w.Body.String(); !strings.Contains(got, `"000005"`) {
		t.Errorf("a long body without a place was answered %s, want 000005", got)
	}
	w = httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/marketplace/produceAPI/v2/tenantSync", strings.NewReader("{}")))
	if got := w.Body.String(); !strings.Contains(got, `"000002"`) {
		t.Errorf("a short body was answered %s, want 000002 for its missing headers", got)
	}
	close(let)
	ended.Wait()
	w = httptest.NewRecorder()
	r = httptest.NewRequest(http.MethodPost, "/marketplace/produceAPI/v2/tenantSync", bytes.NewReader(make([]byte, 300<<10)))
	e.ServeHTTP(w, r)
	if got := w.Body.String(); !strings.Contains(got, `"000002"`) {
		t.Errorf("a long body after the others ended was answered %s, want 000002: the places were not given back", got)
	}
}
