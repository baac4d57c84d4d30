package peers

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// PostgreSQL starts a PostgreSQL for the duration of the test, which takes
// about half a second: tests that can should share one and use
// [DatabaseServer.Fresh]. As root, which the server refuses to be, it runs as
// the account postgres of the Debian package.
func PostgreSQL(tb testing.TB) *DatabaseServer {
	tb.Helper()
	const account = "postgres"
	server := mustFind(tb, "postgres", "postgresql")
	initdb := mustFind(tb, "initdb", "postgresql")
	isReady := mustFind(tb, "pg_isready", "postgresql")
	psql := mustFind(tb, "psql", "postgresql")
	dir := mustDir(tb, "postgresql", account)
	data := filepath.Join(dir, "data")
	err := runTool(tb.Context(), account, dir, "", initdb, "-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
		"--auth-local=trust", "--auth-host=scram-sha-256")
	if err != nil {
		tb.Fatal(err)
	}
	s := &DatabaseServer{address: postgreSQLAddress}
	// Through the socket in our own directory, so it is surely our server.
	local := func(program string, args ...string) []string {
		return append([]string{program, "-h", dir, "-p", strconv.Itoa(s.port), "-U", "postgres", "-d", "postgres"}, args...)
	}
	s.Process = newProcess(tb, Program{
		Name: "postgres",
		Dir:  dir,
		Ready: func(ctx context.Context) error {
			return runTool(ctx, account, dir, "", local(isReady)...)
		},
		StopSignal: syscall.SIGINT, // fast shutdown; SIGTERM would wait for clients to leave
		account:    account,
		patient:    true, // a killed server's children hold its shared memory a little longer
	})
	s.administer = func(ctx context.Context, script string) error {
		return runTool(ctx, account, dir, script, local(psql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1")...)
	}
	s.create = func(ctx context.Context, database string) error {
		script := fmt.Sprintf("CREATE DATABASE %s OWNER %s;\n", database, DatabaseUser)
		if database == Product { // the first
			script = fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s';\n", DatabaseUser, DatabasePassword) + script
		}
		return s.administer(ctx, script)
	}
	s.createOn = func(ctx context.Context, database, disk string) error {
		return s.administer(ctx, fmt.Sprintf("CREATE TABLESPACE space_of_%[1]s LOCATION '%[2]s';\nCREATE DATABASE %[1]s OWNER %[3]s TABLESPACE space_of_%[1]s;\n",
			database, disk, DatabaseUser))
	}
	s.begin(func(port int) []string {
		return []string{
			server, "-D", data, "-k", dir, "-p", strconv.Itoa(port),
			"-c", "listen_addresses=" + loopback,
		}
	})
	return s
}

func postgreSQLAddress(port int, database string) Database {
	address := fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", DatabaseUser, DatabasePassword, hostPort(port), database)
	return Database{URL: address, DSN: address}
}
