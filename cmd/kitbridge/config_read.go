package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

const (
	// maxConfigFile is far beyond a file that a person still reads.
	maxConfigFile = 256 << 10
	// maxSecretFile bounds what <key>_file may hold.
	maxSecretFile = 64 << 10
)

// loadConfig reads the configuration file at path. env looks variables up for
// ${NAME}. The error is a *configError with every fault of the file; then the
// Config must not be used. Warnings don't keep a bridge from starting.
func loadConfig(path string, env func(string) (string, bool)) (Config, []Warning, error) {
	text, err := readLimited(path, maxConfigFile)
	if errors.Is(err, errMissing) {
		err = errors.New("does not exist; kitbridge init makes one, or name yours with --config")
	}
	if err != nil {
		return Config{}, nil, newConfigError([]fault{{File: path, Text: err.Error()}})
	}
	return readConfig(path, text, env)
}

// readConfig is loadConfig for a text already read; relative paths in it begin
// at path's folder.
func readConfig(path string, text []byte, env func(string) (string, bool)) (Config, []Warning, error) {
	d := &decoder{file: path, dir: filepath.Dir(path), env: env, places: map[string]*place{}}
	cfg := defaultConfig()
	if body := d.parse(text); body != nil {
		d.value(body, reflect.ValueOf(&cfg).Elem(), field{}, "")
	}
	if len(d.faults) > 0 && d.unreadable {
		return Config{}, nil, newConfigError(d.faults)
	}
	d.finish(&cfg)
	d.check(&cfg)
	if len(d.faults) > 0 {
		return Config{}, nil, newConfigError(d.faults)
	}
	return cfg, d.warnings(&cfg), nil
}

// parse returns the document's root, or nil when there is none: an empty file,
// or one whose syntax is wrong (d.unreadable).
func (d *decoder) parse(text []byte) ast.Node {
	text = bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF")) // some editors begin UTF-8 with it
	if bytes.IndexByte(text, 0) >= 0 {
		d.unreadable = true
		d.faults = append(d.faults, fault{File: d.file, Text: "is not in UTF-8 (it holds NUL bytes, as UTF-16 does); save it as UTF-8"})
		return nil
	}
	// Duplicate keys are reported by us, all of them and in our own words.
	file, err := parseYAML(text)
	if err != nil {
		d.unreadable = true
		f := fault{File: d.file, Text: "not readable as YAML; look at the quotes, colons and indentation here"}
		if syntax, ok := errors.AsType[yaml.Error](err); ok {
			// Not err.Error(): it quotes the source, and with it secrets.
			f.Text = "not readable as YAML: " + syntax.GetMessage() + "; look at the quotes, colons and indentation here"
			if tk := syntax.GetToken(); tk != nil && tk.Position != nil {
				f.Line, f.Col = tk.Position.Line, tk.Position.Column
			}
		}
		d.faults = append(d.faults, f)
		return nil
	}
	var root ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.NullType {
			continue
		}
		if root != nil {
			d.unreadable = true
			d.faultAt(placeOf(doc.Body), "", "a second document begins here; remove the line ---")
			return nil
		}
		root = doc.Body
	}
	return root
}

// parseYAML turns a panic of the parser into an error: a text that it can't cope
// with is as unreadable as one that it refuses.
func parseYAML(text []byte) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("parser failed")
		}
	}()
	return parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
}

// errMissing is readLimited's error for a file that is not there.
var errMissing = errors.New("does not exist; create it or correct the path")

// readLimited reads a regular file of at most limit bytes. Its error says what
// is wrong and what to do, without the file's name.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's own choice of file
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errMissing
	case errors.Is(err, fs.ErrPermission):
		return nil, errors.New("may not be read by this user; change its owner or mode")
	case err != nil:
		return nil, errors.New("can't be opened; correct the path")
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return nil, errors.New("is a folder; name a file")
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, errors.New("can't be read; look at the disk")
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("is longer than %d bytes; is it the right file?", limit)
	}
	return text, nil
}
