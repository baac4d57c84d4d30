// Command kitbridge lets an existing SaaS product be sold on the Huawei Cloud
// Marketplace as a joint-operation product: it takes the marketplace's signed
// messages, keeps directories and tables equal to them, and signs people in
// through their own company's auth centre.
//
// This package is the program's outermost layer: subcommands, configuration and
// wiring. It is the only one that touches the process (arguments, environment,
// signals, exit codes) and the only one that knows all the others.
//
// # Map
//
//	main.go      the process: os.Args, os.Environ, signals, os.Exit
//	root.go      the command tree, run(), errors to exit codes
//	init.go      kitbridge init          version.go   kitbridge version
//	operator.go  what the commands for operators share: status.go, explain.go,
//	             export*.go, held.go, import*.go, sessions.go, migrate.go
//	simulate.go  kitbridge simulate      sql.go       kitbridge sql
//	usage.go     what is wrong with a command line, and what was probably meant
//	screen.go    buyers' texts on terminals and in JSON
//	config.go    the Config tree, one field per key of kitbridge.yaml
//	config_*.go  how it is read: parse, substitute, decode, validate, warn
//
// # Configuration
//
// loadConfig is a pure pipeline over one file: parse YAML to a tree, walk the
// tree beside the Config type, replace ${NAME} inside scalars, convert, then
// check what concerns more than one key. Faults are collected, never returned
// early, so that one run tells everything that is wrong.
package main
