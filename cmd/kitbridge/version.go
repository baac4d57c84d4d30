package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// buildVersion tells which build this is. Its JSON form is a stable interface;
// fields are only ever added.
type buildVersion struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Time     string `json:"time"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersionCommand(p process) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Tell which build this is",
		Long: `Tell which build this is: module version, commit, whether the working copy
was changed, Go version and platform. Put it in every bug report.`,
		Example: "  kitbridge version --json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			return printVersion(p.stdout, versionOf(info), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// versionOf reads what the Go tool recorded; info may be nil. What is not
// recorded (a build outside a repository) is "unknown".
func versionOf(info *debug.BuildInfo) buildVersion {
	v := buildVersion{
		Version:  "unknown",
		Revision: "unknown",
		Time:     "unknown",
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if info == nil {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func printVersion(w io.Writer, v buildVersion, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	_, err := io.WriteString(w, v.String())
	return err
}

// String is v for a person: two lines.
func (v buildVersion) String() string {
	changed := ""
	if v.Modified {
		changed = ", modified"
	}
	return fmt.Sprintf("kitbridge %s (commit %s of %s%s)\n%s %s\n", v.Version, v.Revision, v.Time, changed, v.Go, v.Platform)
}
