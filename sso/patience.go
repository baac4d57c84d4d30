package sso

import (
	"io"
	"net/http"
	"time"
)

// patient is a connection to a browser whose time limits begin anew with each piece of a body, in place of the server's, which
// are for the whole: a stream may go on for hours, and a browser that stops reading or sending is cut off all the same.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
	now     func() time.Time
}

// patientWriter lifts the server's limits from w and the body of r.
func patientWriter(w http.ResponseWriter, r *http.Request, now func() time.Time) http.ResponseWriter {
	p := &patient{ResponseWriter: w, control: http.NewResponseController(w), now: now}
	_ = p.control.SetReadDeadline(time.Time{}) // a server that knows no limits needs none lifted
	if r.ProtoMajor > 1 {
		// Here a limit ends the stream when it passes, not when something is written: HTTP/2 has a limit of its own for peers
		// that take nothing.
		_ = p.control.SetWriteDeadline(time.Time{})
		return w
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &patientBody{r.Body, p}
	}
	return p
}

// WriteHeader lets an answer without a body have its time, too.
func (p *patient) WriteHeader(status int) {
	_ = p.control.SetWriteDeadline(p.now().Add(clientPatience))
	p.ResponseWriter.WriteHeader(status)
}

// Write writes within clientPatience.
func (p *patient) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(p.now().Add(clientPatience))
	return p.ResponseWriter.Write(b) //nolint:wrapcheck // it is the connection's own
}

// Unwrap serves [http.ResponseController].
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// patientBody is a body each piece of which must come within clientPatience.
type patientBody struct {
	io.ReadCloser
	patient *patient
}

// Read reads the next piece.
func (b *patientBody) Read(into []byte) (int, error) {
	_ = b.patient.control.SetReadDeadline(b.patient.now().Add(clientPatience))
	n, err := b.ReadCloser.Read(into)
	if err != nil {
		_ = b.patient.control.SetReadDeadline(time.Time{}) // from here on the server only waits for the browser to hang up
	}
	return n, err //nolint:wrapcheck // io.EOF must stay what it is
}
