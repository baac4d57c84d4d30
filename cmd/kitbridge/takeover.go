package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/store"
	"github.com/kitbridge/kitbridge/orgsync"
)

const takeOverLong = `Make a sink this bridge's own although another one keeps it, or although it holds
what this bridge's database does not know. Until then nothing is written to it:
kitbridge status and /readyz say that it is closed, and what it is owed waits.

It belongs to another bridge: stop that one for good first. Of two bridges that
write one sink each undoes the other's work.

It holds what this database does not know: the database was restored from an older
copy, or a copy of it is in use. Stop the copy; or first have the marketplace push
again what was pushed since the copy was made, so that nobody who was removed
since is let in again. kitbridge status says since when.

Every tenant, department and user that this bridge knows is then written to the
sink again. What it does not know stays there as it is: taking over deletes
nothing.

It works beside a running serve, which notices within seconds. serve --take-over
SINK does the same at start.`

func newTakeOverCommand(p process) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:     "take-over SINK --config FILE",
		Short:   "Make a sink this bridge's own",
		Long:    takeOverLong,
		Example: "  kitbridge take-over corp --config /etc/kitbridge/kitbridge.yaml",
		GroupID: operating,
		Args:    someArgs("SINK"),
		RunE: func(c *cobra.Command, args []string) error {
			return withDatabase(c.Context(), p, file, toWrite, func(s *store.Store, cfg Config) error {
				if err := checkSinkNames("SINK", cfg, args); err != nil {
					return err
				}
				log := newLogger(p.stderr, Log{Level: "error", Format: "text"})
				taken, err := takeOver(c.Context(), cfg, s, args[0], log)
				switch {
				case err != nil:
					return err
				case !taken:
					fmt.Fprintf(p.stdout, "Sink %s is this bridge's already; nothing was changed.\n", args[0])
				default:
					fmt.Fprintf(p.stdout, "Sink %s is this bridge's now. Everything that this bridge knows is owed to it again; serve delivers it.\n", args[0])
				}
				return nil
			})
		},
	}
	configFlag(c, &file)
	return c
}

// takeOver makes one sink ours and says whether it was not before.
func takeOver(ctx context.Context, cfg Config, s *store.Store, name string, log *slog.Logger) (taken bool, err error) {
	cfg.Sinks = slices.DeleteFunc(slices.Clone(cfg.Sinks), func(c Sink) bool { return c.Name != name })
	keepers := newKeepers(cfg, s, log)
	k := keepers[name]
	k.takeOver.Store(true)
	sinks, closeAll, err := openSinks(ctx, cfg, s, keepers, log)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	r, ok := sinks[0].(orgsync.Reachable)
	if !ok {
		return false, fmt.Errorf("sink %s cannot be taken over: it does not remember whose it is", name)
	}
	ctx, cancel := context.WithTimeout(ctx, takeOverTimeout)
	defer cancel()
	err = r.Reach(ctx)
	return k.took.Load(), err
}

// takeOverTimeout is how long a sink may take to answer the command.
const takeOverTimeout = time.Minute

// checkSinkNames refuses names that the configuration does not have; what says where they
// were written.
func checkSinkNames(what string, cfg Config, names []string) error {
	known := make([]string, 0, len(cfg.Sinks))
	for _, s := range cfg.Sinks {
		known = append(known, s.Name)
	}
	for _, name := range names {
		switch {
		case slices.Contains(known, name):
		case len(known) == 0:
			return &usageError{fmt.Errorf("%s: the configuration has no sinks", what)}
		default:
			return &usageError{fmt.Errorf("%s: there is no sink %q; known are %s", what, visible(name), oneOf(known))}
		}
	}
	return nil
}
