package orgsync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
	"unicode/utf8"
)

// DispatcherConfig says how work is handed to the sinks.
type DispatcherConfig struct {
	Lanes  Lanes
	Sinks  []Sink
	Logger *slog.Logger
	Now    func() time.Time
	// Holds says by the name of a sink what it is to hold and where, in any stable form.
	// When it changes the sink is owed everything again.
	Holds map[string]string
	// Observe, if not nil, is told of every delivery. It is called by several goroutines
	// at a time and must not block.
	Observe func(Delivery)
	// Notice, if not nil, is told when a sink stops answering, answers again, or has answered
	// for the first time. It is called by several goroutines at a time.
	Notice func(ctx context.Context, h SinkHealth)

	// LanesPerSink is how many tenants one sink serves at a time. Default 4.
	LanesPerSink int
	// Batch is how many keys one lane takes at a time at most. Default 1000. Of a sink that
	// does not settle as many in a second fewer are taken.
	Batch int
	// Lease is how long a lane stays with a process that died. Default 2 s. It is renewed
	// three times as often; work ends that could not renew it in time.
	Lease time.Duration
	// Poll is how often a sink looks for work that nobody announced: retries that fell
	// due, and what other processes accepted. Default 500 ms.
	Poll time.Duration
	// LookEvery is how often a [Reachable] sink is tried that is owed nothing. Default 10 s.
	LookEvery time.Duration
}

// finishWithin is how long the store may take to record what was done. It may be longer than
// the lease: as long as nobody else took the lane, what is recorded late still counts.
const finishWithin = 5 * time.Second

// Delivery is what came of handing a sink some keys of one tenant, in keys.
type Delivery struct {
	Sink string
	// Done keys are as the state says, Dead ones wait for other data, Retry ones are
	// tried again. Warned are those of the done of which something was left out.
	Done, Dead, Retry, Warned int
	Elapsed                   time.Duration
}

// Dispatcher works off what is owed to the sinks: one lane per tenant and sink, so that
// a failing key, tenant or sink delays no other.
type Dispatcher struct {
	DispatcherConfig
	gates []*gate
	store stalls
	paces []*pace
}

// NewDispatcher checks the configuration and starts nothing.
func NewDispatcher(cfg DispatcherConfig) (*Dispatcher, error) {
	if cfg.Lanes == nil || cfg.Logger == nil || cfg.Now == nil {
		return nil, fmt.Errorf("dispatcher: Lanes, Logger and Now are required: %w", ErrInvalid)
	}
	if cfg.LanesPerSink == 0 {
		cfg.LanesPerSink = 4
	}
	if cfg.Batch == 0 {
		cfg.Batch = 1000
	}
	if cfg.Lease == 0 {
		cfg.Lease = 2 * time.Second
	}
	if cfg.Poll == 0 {
		cfg.Poll = 500 * time.Millisecond
	}
	if cfg.LookEvery == 0 {
		cfg.LookEvery = 10 * time.Second
	}
	d := &Dispatcher{DispatcherConfig: cfg}
	for range cfg.Sinks {
		d.gates, d.paces = append(d.gates, newGate()), append(d.paces, newPace(cfg.Batch))
	}
	return d, nil
}

// Wake makes every sink look for work now. It never blocks and may be called at any
// time, from any goroutine.
func (d *Dispatcher) Wake() {
	for _, g := range d.gates {
		g.wake()
	}
}

// SinkHealth tells whether a sink answered last time.
type SinkHealth struct {
	Name  string
	Since time.Time // when it stopped answering; zero while it does
	Err   error
}

// Health returns one entry per sink, in their order.
func (d *Dispatcher) Health() []SinkHealth {
	out := make([]SinkHealth, 0, len(d.Sinks))
	for n, s := range d.Sinks {
		since, err := d.gates[n].fault()
		out = append(out, SinkHealth{Name: s.Name(), Since: since, Err: err})
	}
	return out
}

// Run works until ctx ends; then it finishes what it began and returns nil. It returns
// an error only if the lanes cannot be opened.
func (d *Dispatcher) Run(ctx context.Context) error {
	names := make([]string, 0, len(d.Sinks))
	for _, s := range d.Sinks {
		names = append(names, s.Name())
	}
	if err := d.Lanes.OpenSinks(ctx, names); err != nil {
		return fmt.Errorf("open the sinks' lanes: %w", err)
	}
	for _, name := range names {
		if err := d.Lanes.Reopen(ctx, name, d.Holds[name]); err != nil {
			return fmt.Errorf("open the lanes of sink %s: %w", name, err)
		}
	}
	var all sync.WaitGroup
	for n, s := range d.Sinks {
		if r, ok := s.(Reachable); ok {
			all.Go(func() { d.watch(ctx, s.Name(), r, d.gates[n]) })
		}
		for range d.LanesPerSink {
			all.Go(func() { d.serve(ctx, s, d.gates[n], d.paces[n]) })
		}
	}
	all.Wait()
	return nil
}

// serve works off one lane after another, until ctx ends.
func (d *Dispatcher) serve(ctx context.Context, s Sink, g *gate, p *pace) {
	for ctx.Err() == nil {
		worked, err := d.step(ctx, s, g, p)
		switch {
		case isOurs(err) && ctx.Err() == nil:
			d.store.stall(ctx, d.Logger, d.Now(), err)
			sleep(ctx, storePause)
		case err != nil && ctx.Err() == nil:
			sleep(ctx, d.shut(ctx, s.Name(), g, err))
		case !worked:
			g.wait(ctx, d.Poll)
		}
	}
}

// step claims one lane and makes its keys equal to the state. It says whether there was
// one. An error means that the store or the sink as a whole did not answer.
func (d *Dispatcher) step(ctx context.Context, s Sink, g *gate, p *pace) (bool, error) {
	now, limit := d.Now(), p.slice()
	until := now.Add(d.Lease)
	lane, err := d.Lanes.Claim(ctx, s.Name(), now, until, limit)
	if errors.Is(err, ErrNotFound) {
		d.store.goOn(ctx, d.Logger, now)
		return false, nil
	}
	if err != nil {
		return false, &storeError{fmt.Errorf("claim a lane: %w", err)}
	}
	d.store.goOn(ctx, d.Logger, now)
	results, failed := d.converge(ctx, s, lane, until)
	down := errors.Is(failed, ErrUnavailable)
	if !down && !isOurs(failed) && ctx.Err() == nil && g.open() {
		d.Logger.InfoContext(ctx, "sink answers again", "sink", s.Name())
		d.notice(ctx, SinkHealth{Name: s.Name()})
	}
	outcomes := d.outcomes(lane, results, failed)
	// The results are recorded even when we are told to stop: what is done is done.
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	if err := d.Lanes.Finish(finish, lane, outcomes); err != nil {
		return true, &storeError{fmt.Errorf("finish the lane: %w", err)}
	}
	if len(outcomes) > 0 {
		d.report(ctx, s, lane, outcomes, publicReason(results, failed), d.Now().Sub(now))
	}
	if len(outcomes) == len(lane.Keys) {
		p.took(limit, len(lane.Keys), d.Now().Sub(now))
	}
	if down { // a storeError, if that is what failed
		return true, failed
	}
	return true, nil
}

// converge calls the sink while the lease, which was got until then, is being kept. Losing
// the lease ends the call.
func (d *Dispatcher) converge(ctx context.Context, s Sink, lane Lane, until time.Time) ([]Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var keeper sync.WaitGroup
	defer keeper.Wait()
	working, stop := context.WithCancel(ctx)
	defer stop()
	keeper.Go(func() {
		if err := d.keep(working, lane, until); err != nil {
			cancel(fmt.Errorf("keep the lease: %w", err))
		}
	})
	keys := make([]Key, 0, len(lane.Keys))
	for _, k := range lane.Keys {
		keys = append(keys, k.Key)
	}
	return convergeSafely(ctx, s, ownView(d.Lanes.View(lane.Tenant)), keys)
}

// keep renews the lease until ctx ends, and returns nil then. A store that does not answer
// is asked again as long as the lease lasts. An error says that another process has the
// lane, or may have it a moment later.
func (d *Dispatcher) keep(ctx context.Context, lane Lane, until time.Time) error {
	margin := d.Lease / 6 // to end before another may begin
	end, pause := until.Add(-margin), d.Lease/3
	for {
		sleep(ctx, min(pause, end.Sub(d.Now())))
		if ctx.Err() != nil {
			return nil
		}
		now := d.Now()
		attempt, cancel := context.WithTimeout(ctx, end.Sub(now))
		err := d.Lanes.Renew(attempt, lane, now.Add(d.Lease))
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			end, pause = now.Add(d.Lease-margin), d.Lease/3
		case errors.Is(err, ErrNotFound) || !d.Now().Before(end):
			return err
		default:
			pause = d.Lease / 12
		}
	}
}

// convergeSafely makes an error of a panic, so that one tenant's data cannot end the
// process again and again.
func convergeSafely(ctx context.Context, s Sink, view View, keys []Key) (results []Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the sink broke down: %v\n%s", p, debug.Stack())
		}
	}()
	return s.Converge(ctx, view, keys)
}

// outcomes turns a sink's results into what is recorded. Keys without a result stay as
// they are when the sink did not answer; another error is theirs, so that one tenant's
// trouble is listed with its reason and delays nobody else.
func (d *Dispatcher) outcomes(lane Lane, results []Result, failed error) []Outcome {
	byKey := make(map[Key]Result, len(results))
	for _, r := range results {
		byKey[r.Key] = r
	}
	outcomes := make([]Outcome, 0, len(lane.Keys))
	for _, k := range lane.Keys {
		r, ok := byKey[k.Key]
		switch {
		case !ok && (errors.Is(failed, ErrUnavailable) || errors.Is(failed, context.Canceled)):
			continue
		case !ok && failed != nil:
			r.Err = failed
		case !ok:
			r.Err = errors.New("the sink said nothing about this key")
		}
		outcomes = append(outcomes, judgeKey(k, r, d.Now()))
	}
	return outcomes
}

func judgeKey(k OwedKey, r Result, now time.Time) Outcome {
	o := Outcome{Key: k.Key, Revision: k.Revision, Warnings: r.Warnings}
	switch {
	case r.Err == nil:
		o.Done = true
	case errors.Is(r.Err, ErrRejected):
		o.Dead = true
		o.Reason = clip(r.Err.Error())
	default:
		o.NextTry = now.Add(Backoff(k.Attempts, rand.Float64())) //nolint:gosec // spreading retries needs no secrecy
		o.Reason = clip(r.Err.Error())
	}
	return o
}

// Backoff is how long a key that failed attempts times before now waits: one second,
// doubled each time up to ten minutes, spread over its second half by jitter in [0, 1).
func Backoff(attempts int, jitter float64) time.Duration {
	full := 10 * time.Minute
	if attempts < 10 {
		full = min(full, time.Second<<max(attempts, 0))
	}
	return full/2 + time.Duration(jitter*float64(full/2))
}

const maxReason = 500 // bytes

func clip(s string) string {
	if len(s) <= maxReason {
		return s
	}
	n := maxReason
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// publicError is an error that can say what happened without naming anybody.
type publicError interface {
	error
	Public() string
}

// publicReason is the first reason why a key failed that may be logged. The whole of it,
// which names the key, is in the store.
func publicReason(results []Result, failed error) string {
	errs := []error{failed}
	for _, r := range results {
		errs = append(errs, r.Err)
	}
	for _, err := range errs {
		if e, ok := errors.AsType[publicError](err); ok {
			return e.Public()
		}
	}
	return "kitbridge status, kitbridge explain and the API's list of dead keys say why"
}

// report writes the one line of a delivery and tells the observer.
func (d *Dispatcher) report(ctx context.Context, s Sink, lane Lane, outcomes []Outcome, reason string, elapsed time.Duration) {
	sum := Delivery{Sink: s.Name(), Elapsed: elapsed}
	for _, o := range outcomes {
		switch {
		case o.Done:
			sum.Done++
		case o.Dead:
			sum.Dead++
		default:
			sum.Retry++
		}
		if len(o.Warnings) > 0 {
			sum.Warned++
		}
	}
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("sink", s.Name()), slog.String("tenant_id", string(lane.Tenant)), slog.Int("keys", len(lane.Keys)),
		slog.Int("done", sum.Done), slog.Int("dead", sum.Dead), slog.Int("retry", sum.Retry), slog.Int("warned", sum.Warned),
		slog.String("elapsed", elapsed.String()),
	}
	if sum.Dead+sum.Retry > 0 {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("reason", reason))
	}
	d.Logger.LogAttrs(ctx, level, "delivered", attrs...)
	if d.Observe != nil {
		d.Observe(sum)
	}
}
