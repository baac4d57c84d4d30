package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kitbridge/kitbridge/internal/keyring"
	"github.com/kitbridge/kitbridge/internal/store"
)

const keysLong = `The key ring (key_file) seals what is secret in the database, and cookies. Its first key
seals; every one of them opens, so no key is ever taken out.

One process:      kitbridge keys rotate
Several replicas: kitbridge keys rotate --prepare   then give the file to every replica,
                  kitbridge keys rotate --use       then give it to every replica again

A running serve takes a changed file over within seconds, and says so in its log
(configuration reloaded, key_file); wait for that on every replica between the two steps.
Cookies and assertions follow at the next restart. Back the file up after each step,
apart from the database.

What was sealed before stays sealed with the old key, which is as safe as that key is;
keys rotate --reseal seals it anew with the first one.`

func newKeysCommand(p process) *cobra.Command {
	group := &cobra.Command{
		Use:     "keys",
		Short:   "The keys that seal what is in the database",
		Long:    keysLong,
		Example: "  kitbridge keys list\n  kitbridge keys rotate\n  kitbridge keys rotate --reseal",
		GroupID: operating,
		Args:    cobra.ArbitraryArgs,
		RunE:    groupOnly,
	}
	group.AddCommand(newKeysListCommand(p), newKeysRotateCommand(p))
	return group
}

// ringKey is one key in the JSON form of keys list. Fields are only ever added.
type ringKey struct {
	Fingerprint string `json:"fingerprint"`
	// Use is seals for the first key of the file, opens for the others.
	Use string `json:"use"`
	// LearntAt is when the database learnt of the key; absent: not yet.
	LearntAt time.Time `json:"learnt_at,omitzero"`
	// Values is how many values it has sealed.
	Values int `json:"values"`
}

type keyList struct {
	Keys []ringKey `json:"keys"`
}

func newKeysListCommand(p process) *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "The keys, and how much each has sealed",
		Long: `List the keys of the key file by their fingerprints, the newest first, with when the
database learnt of each and how many values it has sealed: client secrets, and one key
for each tenant's messages. It shows no key.

It reads only, and works beside a running serve.`,
		Example: "  kitbridge keys list --json",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withDatabase(c.Context(), p, file, toRead, func(s *store.Store, cfg Config) error {
				l, err := readKeys(c.Context(), s, cfg)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(p.stdout, l)
				}
				rows := make([][]string, 0, len(l.Keys))
				for _, k := range l.Keys {
					learnt := "not yet"
					if !k.LearntAt.IsZero() {
						learnt = k.LearntAt.Format(time.RFC3339)
					}
					rows = append(rows, []string{k.Fingerprint, k.Use, learnt, decimal(int64(k.Values))})
				}
				columns(p.stdout, []string{"KEY", "USE", "LEARNT", "VALUES"}, rows)
				return nil
			})
		},
	}
	configFlag(c, &file)
	jsonFlag(c, &asJSON)
	return c
}

func readKeys(ctx context.Context, s *store.Store, cfg Config) (keyList, error) {
	l := keyList{Keys: []ringKey{}}
	ring, err := keyring.Load(cfg.KeyFile)
	if err != nil {
		return l, keyFault(cfg.KeyFile, err)
	}
	learnt, err := s.RingKeys(ctx)
	if err != nil {
		return l, err
	}
	sealed, err := s.CountSealed(ctx, keyring.SealedBy)
	if err != nil {
		return l, err
	}
	for n, print := range ring.Fingerprints() {
		k := ringKey{Fingerprint: print, Use: "opens", LearntAt: learnt[print], Values: sealed[print]}
		if n == 0 {
			k.Use = "seals"
		}
		l.Keys = append(l.Keys, k)
	}
	return l, nil
}

type rotateOptions struct {
	file                 string
	prepare, use, reseal bool
	asJSON               bool
}

// rotated is the JSON form of keys rotate. Fields are only ever added.
type rotated struct {
	// Seals is the key that seals now, Prepared the one that will, if any.
	Seals    string `json:"seals"`
	Prepared string `json:"prepared,omitempty"`
	Resealed int    `json:"resealed"`
}

func newKeysRotateCommand(p process) *cobra.Command {
	var o rotateOptions
	c := &cobra.Command{
		Use:     "rotate",
		Short:   "A new key in the key file",
		Long:    "Put a new key into the key file; the old ones stay, to open what they have sealed.\n\n" + keysLong,
		Example: "  kitbridge keys rotate\n  kitbridge keys rotate --prepare\n  kitbridge keys rotate --use\n  kitbridge keys rotate --reseal",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if slices.Index([]bool{o.prepare, o.use, o.reseal}, true) != lastTrue(o.prepare, o.use, o.reseal) {
				return &usageError{errors.New("--prepare, --use and --reseal are steps of their own: give one of them, or none")}
			}
			return withDatabase(c.Context(), p, o.file, toWrite, func(s *store.Store, cfg Config) error {
				r, err := rotateKeys(c.Context(), s, cfg, o)
				if err != nil {
					return err
				}
				if o.asJSON {
					return writeJSON(p.stdout, r)
				}
				_, err = fmt.Fprintln(p.stdout, r.text(o, cfg.KeyFile))
				return err
			})
		},
	}
	configFlag(c, &o.file)
	c.Flags().BoolVar(&o.prepare, "prepare", false, "several replicas, step 1: a new key that only opens")
	c.Flags().BoolVar(&o.use, "use", false, "several replicas, step 2: the key that was prepared seals")
	c.Flags().BoolVar(&o.reseal, "reseal", false, "no new key: seal everything anew with the first one")
	jsonFlag(c, &o.asJSON)
	return c
}

func lastTrue(flags ...bool) int {
	for n, f := range slices.Backward(flags) {
		if f {
			return n
		}
	}
	return -1
}

func (r rotated) text(o rotateOptions, file string) string {
	switch {
	case o.reseal:
		return fmt.Sprintf("%d values are sealed anew; all are with key %s", r.Resealed, r.Seals)
	case o.prepare:
		return fmt.Sprintf("key %s is prepared in %s; give that file to every replica, wait for \"configuration reloaded\" in each log, then run keys rotate --use", r.Prepared, file)
	case o.use:
		return fmt.Sprintf("key %s seals now; give %s to every replica, and back it up", r.Seals, file)
	}
	return fmt.Sprintf("key %s seals now; back %s up, apart from the database", r.Seals, file)
}

func rotateKeys(ctx context.Context, s *store.Store, cfg Config, o rotateOptions) (rotated, error) {
	ring, err := keyring.Load(cfg.KeyFile)
	if err != nil {
		return rotated{}, keyFault(cfg.KeyFile, err)
	}
	if o.reseal {
		return resealAll(ctx, s, ring)
	}
	next, err := nextRing(ctx, s, cfg, ring, o)
	if err != nil {
		return rotated{}, err
	}
	// 1. The file, whole or not at all. A key that nobody has sealed with is of no harm.
	if err := next.Replace(cfg.KeyFile); err != nil {
		return rotated{}, keyFault(cfg.KeyFile, err)
	}
	// 2. The database learns the keys. After a crash before that serve does so itself,
	//    before it seals with them.
	if err := s.LearnKeys(ctx, next); err != nil {
		return rotated{}, databaseFault(cfg, err)
	}
	prints := next.Fingerprints()
	r := rotated{Seals: prints[0]}
	if o.prepare {
		r.Prepared = prints[len(prints)-1]
	}
	return r, nil
}

// nextRing is what the key file is to hold.
func nextRing(ctx context.Context, s *store.Store, cfg Config, ring *keyring.Ring, o rotateOptions) (*keyring.Ring, error) {
	prints := ring.Fingerprints()
	last := prints[len(prints)-1]
	sealed, err := s.CountSealed(ctx, keyring.SealedBy)
	if err != nil {
		return nil, err
	}
	learnt, err := s.RingKeys(ctx)
	if err != nil {
		return nil, err
	}
	// A prepared key stands last, is the youngest and has sealed nothing.
	prepared := len(prints) > 1 && sealed[last] == 0
	for _, print := range prints {
		prepared = prepared && !learnt[print].After(learnt[last])
	}
	switch {
	case o.use && !prepared:
		return nil, errors.New("no key is prepared: run keys rotate --prepare first, and give the file to every replica")
	case o.use:
		return ring.Promoted(), nil
	case o.prepare && prepared:
		return nil, fmt.Errorf("key %s is prepared already: run keys rotate --use when every replica has it", last)
	case o.prepare:
		return ring.Added(false)
	case !strings.HasPrefix(cfg.Database.Reveal(), sqlitePrefix):
		return nil, &usageError{errors.New("several replicas may share this database, and a key that one seals with must be known to all: run keys rotate --prepare, then --use")}
	}
	return ring.Added(true)
}

func resealAll(ctx context.Context, s *store.Store, ring *keyring.Ring) (rotated, error) {
	first := ring.Fingerprints()[0]
	n, err := s.Reseal(ctx, func(sealed []byte) bool { return keyring.SealedBy(sealed) != first })
	return rotated{Seals: first, Resealed: n}, err
}
