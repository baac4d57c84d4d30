package market

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"
)

// Simulation plays one scenario against a production address. It is bounded in time,
// in count and in memory.
type Simulation struct {
	// Client sends. Required. A buyer's credential is sent if it has a public key.
	Client *Client
	// Scenario is what is played. Required.
	Scenario Scenario
	// Buyer is who; it needs a department and two users. Required. When Run has
	// returned it is the model of what the seller should hold.
	Buyer *Buyer
	// Seed chooses among the plays; equal ones are equal but for their time stamps.
	Seed uint64
	// Rate is how many messages are sent each second; 0 is as fast as they are
	// answered. Rate and Duration are required in LoadScenario.
	Rate float64
	// Duration is how long the changes of LoadScenario last.
	Duration time.Duration
	// Now is the clock. Required.
	Now func() time.Time
}

const (
	// workersAtOnce is how many messages of a load or shuffle are under way at once.
	workersAtOnce = 16
	// maxTries is how often a message is sent that gets no answer, or "system error".
	maxTries   = 4
	firstPause = 200 * time.Millisecond
	// maxSilent ends a play that nobody answers.
	maxSilent = 3
	// systemError is the answer that asks for another try (access guide, error codes).
	systemError = "000005"
)

// ErrSilent says that the production address gives no valid answer, time after time.
var ErrSilent = errors.New("the production address gives no valid answer")

// Run plays the scenario and reports what was answered. The error is [ErrSilent],
// [ErrNotThere] if that is the first answer, ctx's, or that of a message that cannot be made; the report is what was done until then.
func (s *Simulation) Run(ctx context.Context) (Report, error) {
	if len(s.Buyer.Departments) == 0 || len(s.Buyer.Users) < 2 {
		return Report{}, errors.New("a play needs a department and two users")
	}
	workers := 1
	if s.Scenario == LoadScenario || s.Scenario == ShuffleScenario {
		workers = workersAtOnce
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	r := &runner{Simulation: s, tally: newTally(), sent: map[string]Push{}, fail: fail}
	queue := make(chan job)
	began := s.Now()
	var all sync.WaitGroup
	for range workers { // they end with the queue
		all.Go(func() {
			for j := range queue {
				r.send(ctx, j)
			}
		})
	}
	err := r.produce(ctx, queue)
	close(queue)
	all.Wait()
	report := r.tally.report(s)
	report.Elapsed = s.Now().Sub(began)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return report, err
}

// deliveries makes the messages one by one, so that a long load needs no memory.
func (s *Simulation) deliveries() iter.Seq[delivery] {
	d := newDirector(s.Buyer, s.Seed, s.Client.cfg.PublicKey != nil)
	messages := slices.Values(d.binding())
	switch s.Scenario {
	case EditsScenario:
		messages = join2(messages, d.edits(editCount))
	case UnbindScenario:
		messages = join2(messages, slices.Values(d.end()))
	case LoadScenario:
		messages = join2(messages, d.load(int(s.Rate*s.Duration.Seconds())))
	case ShuffleScenario:
		var stamped []Message
		for m := range join2(messages, d.edits(editCount)) {
			stamped = append(stamped, withTimeStamp(m, s.Client.stamp()))
		}
		return slices.Values(d.shuffled(stamped))
	case BindScenario:
	}
	return func(yield func(delivery) bool) {
		for m := range messages {
			// A message sent again is the same statement, so it is dated here.
			if !yield(delivery{message: withTimeStamp(m, s.Client.stamp())}) {
				return
			}
		}
	}
}

func (d *director) load(n int) iter.Seq[Message] {
	return func(yield func(Message) bool) {
		for range n {
			if !yield(d.small()) {
				return
			}
		}
	}
}

func join2[T any](a, b iter.Seq[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, part := range []iter.Seq[T]{a, b} {
			for v := range part {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// withTimeStamp dates a message.
func withTimeStamp(m Message, stamp string) Message {
	switch m := m.(type) {
	case TenantSync:
		m.TimeStamp = stamp
		return m
	case ApplicationSync:
		m.TimeStamp = stamp
		return m
	case AuthSync:
		m.TimeStamp = stamp
		return m
	case SingleOrgSync:
		m.TimeStamp = stamp
		return m
	case AllOrgSync:
		m.TimeStamp = stamp
		return m
	default:
		return m
	}
}

// job is one delivery with what is sent again, if it is.
type job struct {
	delivery
	push Push
}

// runner is a play under way.
type runner struct {
	*Simulation
	tally *tally
	sent  map[string]Push // by message, for those that come again; the producer's own
	fail  context.CancelCauseFunc

	mu     sync.Mutex
	silent int // messages in a row that nobody answered; guarded by mu
}

// produce hands the deliveries out in their order and at their rate.
func (r *runner) produce(ctx context.Context, queue chan<- job) error {
	began, n := r.Now(), 0
	for d := range r.deliveries() {
		if r.Rate > 0 {
			due := began.Add(time.Duration(float64(n) / r.Rate * float64(time.Second)))
			if !pause(ctx, due.Sub(r.Now())) {
				return nil
			}
		}
		n++
		j, err := r.prepare(d)
		if err != nil {
			return err
		}
		select {
		case queue <- j:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

func (r *runner) prepare(d delivery) (job, error) {
	id := d.message.endpoint() + d.message.stamped()
	if d.again {
		return job{d, r.sent[id]}, nil
	}
	p, err := r.Client.Prepare(d.message)
	if err == nil && r.Scenario == ShuffleScenario {
		r.sent[id] = p
	}
	return job{d, p}, err
}

// pause waits and says whether the play goes on.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// send delivers a push, and again if there was no answer: signed anew, as the time of a
// signature is checked, but the same statement.
func (r *runner) send(ctx context.Context, j job) {
	wait := firstPause
	for try := 1; ; try++ {
		began := r.Now()
		result, err := r.Client.Deliver(ctx, j.push)
		if ctx.Err() != nil {
			return
		}
		r.tally.note(j.message.endpoint(), result, err, r.Now().Sub(began), try > 1)
		if err == nil && result.Code != systemError {
			r.heard(true)
			return
		}
		if errors.Is(err, ErrNotThere) {
			r.tally.fail(fmt.Sprintf("%s: %s", j.message.endpoint(), err))
			if r.tally.heardNothing() {
				r.fail(err)
			}
			r.heard(false)
			return
		}
		if try == maxTries {
			r.tally.fail(fmt.Sprintf("%s: no answer after %d tries: %s", j.message.endpoint(), try, reasonOf(result, err)))
			r.heard(err == nil)
			return
		}
		if !pause(ctx, wait) {
			return
		}
		wait *= 2
		if again, err := r.Client.Prepare(j.message); err == nil {
			j.push = again
		}
	}
}

func reasonOf(result Result, err error) string {
	if err != nil {
		return err.Error()
	}
	return result.Code + " " + result.Msg
}

// heard ends the play when nobody answers.
func (r *runner) heard(answered bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent++
	if answered {
		r.silent = 0
	}
	if r.silent == maxSilent {
		r.fail(ErrSilent)
	}
}
