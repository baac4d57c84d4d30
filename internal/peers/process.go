package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	readyWithin = 2 * time.Minute // a busy machine is slow, a broken server is slower
	stopWithin  = 15 * time.Second
	logTail     = 4000 // bytes of a server's output shown when something fails
)

// errExited is a program that ended before it was ready.
var errExited = errors.New("exited before it was ready")

// Program says how to run a server.
type Program struct {
	// Name is what messages call it.
	Name string
	// Args is the command line, the program's path first.
	Args []string
	// Dir is its working directory, where its output is kept in the file "log".
	Dir string
	// Ready answers nil as soon as the server serves; it is asked again and
	// again until then.
	Ready func(context.Context) error
	// StopSignal asks for an orderly end. Default SIGTERM.
	StopSignal syscall.Signal

	endStatus int            // the exit status of an orderly end, if not 0
	endSignal syscall.Signal // by which it may die at its end, a fault of its own, if not 0

	account string // runs it when we are root; "" is our own
	patient bool   // an early end may be the port's fault or a killed predecessor's: try again
}

// Process is a server that a test starts, stops and kills. It runs at most
// once at a time, always by the same [Program]. It is not safe for concurrent
// use. Its methods fail the test that made it, and must be called from a
// goroutine that may do so.
type Process struct {
	tb      testing.TB
	program Program
	running *child // nil while down
}

// Run starts a program and returns when it is ready. Its end is part of the
// test's cleanup, as a kill; a failed test logs the last of its output.
func Run(tb testing.TB, program Program) *Process {
	tb.Helper()
	p := newProcess(tb, program)
	p.Start()
	return p
}

func newProcess(tb testing.TB, program Program) *Process {
	if program.StopSignal == 0 {
		program.StopSignal = syscall.SIGTERM
	}
	p := &Process{tb: tb, program: program}
	tb.Cleanup(func() {
		if p.running != nil {
			p.running.kill()
		}
		if tb.Failed() {
			tb.Logf("the last of %s's output:\n%s", program.Name, tail(p.Log()))
		}
	})
	return p
}

// Start runs the program again with the same data and port, and returns when
// it is ready. It fails the test if it already runs.
func (p *Process) Start() {
	p.tb.Helper()
	launch := p.launch
	if p.program.patient {
		launch = func() error { return retry(p.launch) }
	}
	if err := launch(); err != nil {
		p.tb.Fatal(err)
	}
}

// Stop ends the program in its own orderly way and waits until it is gone. It
// fails the test if the program ended before, does not end within 15 seconds
// or reports a failure by its exit status.
func (p *Process) Stop() {
	p.tb.Helper()
	c := p.take("stop")
	if err := c.cmd.Process.Signal(p.program.StopSignal); err != nil {
		p.tb.Fatalf("stop %s: %v (%v)", p.program.Name, err, c.ended())
	}
	select {
	case <-c.done:
	case <-time.After(stopWithin):
		c.kill()
		p.tb.Fatalf("stop %s: still there after %v\n%s", p.program.Name, stopWithin, tail(p.Log()))
	}
	if err := c.ended(); err != nil && !p.program.endsSo(c.cmd.ProcessState) {
		p.tb.Fatalf("stop %s: %v\n%s", p.program.Name, err, tail(p.Log()))
	}
}

// endsSo says whether the program is known to end in that way when it is asked to.
func (p Program) endsSo(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	bySignal := p.endSignal != 0 && ok && status.Signaled() && status.Signal() == p.endSignal
	return bySignal || p.endStatus != 0 && state.ExitCode() == p.endStatus
}

// Kill ends the program by SIGKILL, as a crash would, and waits until it is gone.
func (p *Process) Kill() {
	p.tb.Helper()
	p.take("kill").kill()
}

// Freeze stops the program from running without ending it: it answers nobody, while the
// system still takes connections and bytes for it. Thaw lets it go on.
// It returns when no thread runs any more.
func (p *Process) Freeze() {
	p.tb.Helper()
	p.signal(syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.tb.Context()), stopWithin)
	defer cancel()
	for tick := time.NewTicker(time.Millisecond); !isFrozen(p.PID()); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.tb.Fatalf("%s does not freeze", p.program.Name)
		}
	}
}

// isFrozen says whether all threads of a process are stopped; true where /proc does not tell.
func isFrozen(pid int) bool {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid)) // the pattern is good
	for _, task := range tasks {
		text, err := os.ReadFile(task) //nolint:gosec // a file of the system
		if err != nil {
			continue // that thread has ended
		}
		// The state follows the name in parentheses, proc(5).
		if i := strings.LastIndexByte(string(text), ')'); i >= 0 && !strings.HasPrefix(string(text[i:]), ") T") {
			return false
		}
	}
	return true
}

// Thaw ends Freeze.
func (p *Process) Thaw() { p.tb.Helper(); p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) {
	p.tb.Helper()
	if err := syscall.Kill(p.PID(), s); err != nil {
		p.tb.Fatalf("signal %s: %v", p.program.Name, err)
	}
}

// PID returns the process id of the running program.
func (p *Process) PID() int {
	p.tb.Helper()
	if p.running == nil {
		p.tb.Fatalf("%s is not running", p.program.Name)
	}
	return p.running.cmd.Process.Pid
}

// Log returns what the program has written to its standard output and standard
// error so far, in all its runs.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.logFile())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (p *Process) logFile() string { return filepath.Join(p.program.Dir, "log") }

// take hands over the running child, which from then on counts as down.
func (p *Process) take(purpose string) *child {
	p.tb.Helper()
	c := p.running
	if c == nil {
		p.tb.Fatalf("%s %s: not running", purpose, p.program.Name)
	}
	p.running = nil
	return c
}

// launch runs the program once and waits until it is ready.
func (p *Process) launch() error {
	if p.running != nil {
		return fmt.Errorf("start %s: already running", p.program.Name)
	}
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.program.Name, err)
	}
	defer log.Close() //nolint:errcheck // the child has its own handle
	attr, err := sysProcAttr(p.program.account)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.program.Name, err)
	}
	// Not the test's own context: that one ends before the test's cleanups,
	// some of which still want the server.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.tb.Context()), readyWithin)
	defer cancel()
	cmd := exec.Command(p.program.Args[0], p.program.Args[1:]...) //nolint:gosec,noctx // the test chose the program; it outlives ctx
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = p.program.Dir, log, log, attr
	c, err := startChild(cmd)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.program.Name, err)
	}
	if err := c.awaitReady(ctx, p.program.Ready); err != nil {
		c.kill()
		return fmt.Errorf("start %s: %w\n%s\n%s", p.program.Name, err, strings.Join(p.program.Args, " "), tail(p.Log()))
	}
	p.running = c
	return nil
}

// child is one run of a program.
type child struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it is gone
	err  error         // how it ended; readable once done is closed
}

// startChild starts the command on an operating system thread of its own and
// keeps that thread until the command has ended, because the death signal of
// Linux is sent when the parent *thread* ends (prctl(2), PR_SET_PDEATHSIG). The
// goroutine ends with the command.
func startChild(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		c.err = cmd.Wait()
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

// awaitReady returns when ready answers nil, the command has ended, or ctx has.
func (c *child) awaitReady(ctx context.Context, ready func(context.Context) error) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-c.done:
			return fmt.Errorf("%w: %w", errExited, errors.Join(c.err, err))
		case <-ctx.Done():
			return fmt.Errorf("not ready after %v: %w", readyWithin, err)
		}
	}
}

// ended waits until the command is gone and returns how it ended, nil for
// status 0.
func (c *child) ended() error {
	<-c.done
	return c.err
}

// kill ends the command at once and waits until it is gone.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // fails only if it has ended, which is what we want
	<-c.done
}

// retry repeats an attempt that failed with [errExited], six times in three
// seconds.
func retry(attempt func() error) error {
	const longest = 1600 * time.Millisecond
	for pause := 50 * time.Millisecond; ; pause *= 2 {
		err := attempt()
		if !errors.Is(err, errExited) || pause > longest {
			return err
		}
		<-time.After(pause)
	}
}

func tail(text string) string {
	if len(text) > logTail {
		return "…" + text[len(text)-logTail:]
	}
	return text
}
