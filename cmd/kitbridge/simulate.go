package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/market"
)

const simulateLong = `Play the marketplace against a production address: this bridge's, or that of any
other product for the marketplace. One made-up buyer does what the scenario says:

  bind      tenantSync, applicationSync, allOrgSync, authSync with all users
  edits     bind, then 60 changes of departments and users, one after the other
  shuffle   the messages of edits in any order: some twice in the same bytes, some
            sent anew, some held back to the end; 16 at once
  unbind    bind, then the end of the subscription
  load      bind, then one small change after the other at --rate for --duration

The same --seed is the same buyer. Its people are then really there: use a bridge
for trials, or end with --scenario unbind and the same --seed, --users and
--departments. Another play with the same buyer finds what the one before left: unbind
first, or take another seed.

applicationSync is sent only with --public-key, which encrypts the client secret: the
text that kitbridge init printed, or a file with it.

At the end it reports what was answered and how fast. With --verify it asks a bridge's
admin API, waits until the sinks are owed nothing, and compares what is there with
what the buyer is by then, person by person.

Secrets on a command line can be read by everybody on the machine; --key-file and
--token-file keep them from it.

Exit codes: 0 all was accepted, and equal if verified; 1 not; 2 the command line is
wrong.`

// The bounds of what simulate sends, so that a slip of the finger stays a small one.
const (
	maxSimulatedUsers       = 100_000
	maxSimulatedDepartments = 10_000
	maxSimulatedRate        = 1000
	maxSimulatedDuration    = time.Hour
	// simulateTimeout is how long the platform waits for an answer.
	simulateTimeout = 20 * time.Second
	verifyTimeout   = 10 * time.Second
)

// simulateFlags are what the command line says.
type simulateFlags struct {
	target, key, keyFile, scenario, generation, form, publicKey string
	users, departments                                          int
	rate                                                        float64
	duration, wait                                              time.Duration
	seed                                                        uint64
	awkward, mine, asJSON                                       bool
	verify, token, tokenFile                                    string
}

func newSimulateCommand(p process) *cobra.Command {
	var f simulateFlags
	c := &cobra.Command{
		Use:   "simulate --target URL --key-file FILE",
		Short: "Play the marketplace against a production address",
		Long:  simulateLong,
		Example: `  kitbridge simulate --target http://127.0.0.1:8080/marketplace --key "$KIT_ACCESS_KEY"
  kitbridge simulate --target http://127.0.0.1:8080/marketplace --key-file kit.key --scenario shuffle \
      --verify http://127.0.0.1:8081 --token-file token
  kitbridge simulate --target http://127.0.0.1:8080/marketplace --key-file kit.key --scenario load --rate 200 --duration 30s`,
		GroupID: operating,
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return simulate(c.Context(), p, f) },
	}
	flags := c.Flags()
	flags.StringVar(&f.target, "target", "", "the production address, such as http://127.0.0.1:8080/marketplace (required)")
	flags.StringVar(&f.key, "key", "", "the access key of the generation")
	flags.StringVar(&f.keyFile, "key-file", "", "a file with the access key")
	flags.StringVar(&f.scenario, "scenario", string(market.BindScenario), "bind, edits, shuffle, unbind or load")
	flags.StringVar(&f.generation, "generation", "v2", "of the interfaces: v2 or v1")
	flags.StringVar(&f.form, "form", "raw", "what v2 signs: the raw body, or its sorted form")
	flags.StringVar(&f.publicKey, "public-key", "", "the seller's public key, or a file with it; without it no credential is sent")
	flags.IntVar(&f.users, "users", 40, "how many users the buyer has")
	flags.IntVar(&f.departments, "departments", 12, "how many departments, on three levels")
	flags.BoolVar(&f.awkward, "awkward", false, "mix in names with commas, quotes, blanks and rare characters")
	flags.Float64Var(&f.rate, "rate", 0, "messages a second; 0 is as fast as they are answered (load: 50)")
	flags.DurationVar(&f.duration, "duration", 10*time.Second, "how long a load lasts")
	flags.Uint64Var(&f.seed, "seed", 1, "which buyer, and which play")
	flags.StringVar(&f.verify, "verify", "", "the bridge's admin address, such as http://127.0.0.1:8081")
	flags.StringVar(&f.token, "token", "", "the token of the admin API")
	flags.StringVar(&f.tokenFile, "token-file", "", "a file with that token")
	flags.DurationVar(&f.wait, "wait", time.Minute, "how long the sinks may take before the comparison")
	flags.BoolVar(&f.mine, "yes-this-is-mine", false, "allow a load on an address that is not this machine")
	jsonFlag(c, &f.asJSON)
	return c
}

// simulationReport is the JSON form of the outcome. Fields are only ever added.
type simulationReport struct {
	market.Report
	Verified bool `json:"verified"`
	// Differences are what the admin API has other than the model.
	Differences []string `json:"differences"`
	OK          bool     `json:"ok"`
}

func simulate(ctx context.Context, p process, f simulateFlags) error {
	simulation, err := f.simulation()
	if err != nil {
		return &usageError{fmt.Errorf("simulate: %w", err)}
	}
	token, err := secretOf(f.token, f.tokenFile, "token", f.verify != "")
	if err != nil {
		return &usageError{fmt.Errorf("simulate: %w", err)}
	}
	report := simulationReport{Differences: []string{}}
	var failed error
	report.Report, failed = simulation.Run(ctx)
	if u, err := url.Parse(f.target); errors.Is(failed, market.ErrNotThere) && err == nil && strings.Trim(u.Path, "/") == "" {
		failed = fmt.Errorf("%w; --target has no path: did you mean %s?", failed, visible(u.JoinPath("marketplace").String()))
	}
	if f.verify != "" && failed == nil {
		var differences []string
		differences, failed = market.Verification{
			Admin: f.verify, Token: token, Wait: f.wait, HTTP: &http.Client{Timeout: verifyTimeout},
		}.Verify(ctx, simulation.Buyer)
		report.Verified = failed == nil
		report.Differences = append(report.Differences, differences...)
	}
	report.OK = failed == nil && report.Report.OK() && len(report.Differences) == 0
	if f.asJSON {
		err = writeJSON(p.stdout, report)
	} else {
		printSimulation(p, report)
	}
	switch {
	case failed != nil:
		return errors.Join(failed, err)
	case err == nil && !report.OK:
		return errors.New("not all was as it should be; the report says what")
	}
	return err
}

// simulation checks the flags and makes what they ask for.
func (f simulateFlags) simulation() (*market.Simulation, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	key, err := secretOf(f.key, f.keyFile, "key", true)
	if err != nil {
		return nil, err
	}
	cfg := market.Config{Target: f.target, Key: key, Now: time.Now, HTTP: simulateClient()}
	if f.generation == "v1" {
		cfg.Generation = market.V1
	}
	if f.form == "sorted" {
		cfg.Form = market.SortedBody
	}
	if f.publicKey != "" {
		if cfg.PublicKey, err = market.ParsePublicKey(textOrFile(f.publicKey)); err != nil {
			return nil, fmt.Errorf("--public-key: %w", err)
		}
	}
	client, err := market.NewClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("--target: %w", err)
	}
	s := &market.Simulation{
		Client: client, Scenario: market.Scenario(f.scenario), Seed: f.seed, Rate: f.rate, Duration: f.duration, Now: time.Now,
		Buyer: market.Generate(market.Spec{Seed: f.seed, Departments: f.departments, Users: f.users, Awkward: f.awkward}),
	}
	if s.Scenario == market.LoadScenario && s.Rate == 0 {
		s.Rate = 50
	}
	return s, nil
}

func (f simulateFlags) check() error {
	target, err := url.Parse(f.target)
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(f.target == "" || err != nil || target.Scheme != "http" && target.Scheme != "https" || target.Host == "",
		"--target: wants the production address, such as http://127.0.0.1:8080/marketplace")
	fault(!slices.Contains(market.Scenarios(), market.Scenario(f.scenario)), "--scenario: %q is none of %v", f.scenario, market.Scenarios())
	fault(f.generation != "v1" && f.generation != "v2", "--generation: %q is neither v2 nor v1", f.generation)
	fault(f.form != "raw" && f.form != "sorted", "--form: %q is neither raw nor sorted", f.form)
	fault(f.users < 2 || f.users > maxSimulatedUsers, "--users: wants 2 to %d", maxSimulatedUsers)
	fault(f.departments < 1 || f.departments > maxSimulatedDepartments, "--departments: wants 1 to %d", maxSimulatedDepartments)
	fault(!(f.rate >= 0 && f.rate <= maxSimulatedRate), "--rate: wants 0 to %d", maxSimulatedRate)
	fault(f.duration <= 0 || f.duration > maxSimulatedDuration, "--duration: wants up to %s", maxSimulatedDuration)
	fault(f.wait < 0 || f.wait > maxSimulatedDuration, "--wait: wants up to %s", maxSimulatedDuration)
	if len(faults) == 0 {
		fault(f.scenario == string(market.LoadScenario) && !f.mine && !isLoopback(target.Hostname()),
			"%s is another machine; a load on it wants --yes-this-is-mine", visible(target.Host))
	}
	return errors.Join(faults...)
}

// secretOf is the secret that one of two flags gives.
func secretOf(value, file, name string, wanted bool) (string, error) {
	switch {
	case value != "" && file != "":
		return "", fmt.Errorf("--%s and --%s-file: give one of them", name, name)
	case file != "":
		text, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			return "", fmt.Errorf("--%s-file: %w", name, err)
		}
		value = strings.TrimSpace(string(text))
	}
	if value == "" && wanted {
		return "", fmt.Errorf("--%s or --%s-file is required", name, name)
	}
	return value, nil
}

// textOrFile is what stands in the file of that name, or the text itself.
func textOrFile(text string) string {
	if content, err := os.ReadFile(filepath.Clean(text)); err == nil {
		return string(content)
	}
	return text
}

// simulateClient keeps a connection for every message that is under way.
func simulateClient() *http.Client {
	return &http.Client{
		Timeout:       simulateTimeout,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func printSimulation(p process, r simulationReport) {
	fmt.Fprintf(p.stdout, "%s, tenant %s: %d messages in %s", r.Scenario, r.TenantID, r.Sent, r.Elapsed.Round(time.Millisecond))
	if r.Elapsed > 0 {
		fmt.Fprintf(p.stdout, " (%.1f a second)", float64(r.Sent)/r.Elapsed.Seconds())
	}
	fmt.Fprintf(p.stdout, ", %d of them retries\n", r.Retries)
	codes := make([]string, 0, len(r.Answers))
	for code := range r.Answers {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	for _, code := range codes {
		fmt.Fprintf(p.stdout, "  answered %s: %d\n", visible(code), r.Answers[code])
	}
	if r.Unanswered > 0 {
		fmt.Fprintf(p.stdout, "  not answered: %d\n", r.Unanswered)
	}
	fmt.Fprintf(p.stdout, "  answer after: p50 %s, p99 %s, slowest %s\n",
		r.P50.Round(10*time.Microsecond), r.P99.Round(10*time.Microsecond), r.Slowest.Round(10*time.Microsecond))
	for _, why := range r.Faults {
		fmt.Fprintf(p.stdout, "  fault: %s\n", visible(why))
	}
	if more := r.FaultCount - len(r.Faults); more > 0 {
		fmt.Fprintf(p.stdout, "  %d faults in all\n", r.FaultCount)
	}
	for _, d := range r.Differences {
		fmt.Fprintf(p.stdout, "  differs: %s\n", visible(d))
	}
	if r.Verified && len(r.Differences) == 0 {
		fmt.Fprintln(p.stdout, "  verified: the bridge holds exactly what was sent")
	}
}
