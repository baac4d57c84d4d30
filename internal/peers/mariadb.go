package peers

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
)

// MariaDB starts a MariaDB for the duration of the test, which takes about a
// second: tests that can should share one and use [DatabaseServer.Fresh]. As
// root it runs as the account mysql of the Debian package.
func MariaDB(tb testing.TB) *DatabaseServer {
	tb.Helper()
	const account = "mysql"
	server := mustFind(tb, "mariadbd", "mariadb-server")
	install := mustFind(tb, "mariadb-install-db", "mariadb-server")
	admin := mustFind(tb, "mariadb-admin", "mariadb-client")
	client := mustFind(tb, "mariadb", "mariadb-client")
	dir := mustDir(tb, "mariadb", account)
	data, socket := filepath.Join(dir, "data"), filepath.Join(dir, "socket")
	err := runTool(tb.Context(), account, dir, "",
		install, "--no-defaults", "--datadir="+data, "--tmpdir="+dir, "--auth-root-authentication-method=normal", "--skip-test-db")
	if err != nil {
		tb.Fatal(err)
	}
	// Through the socket in our own directory, so it is surely our server.
	asRoot := func(program string, args ...string) []string {
		return append([]string{program, "--no-defaults", "--user=root", "--socket=" + socket}, args...)
	}
	s := &DatabaseServer{address: mariaDBAddress}
	s.Process = newProcess(tb, Program{
		Name: "mariadbd",
		Dir:  dir,
		Ready: func(ctx context.Context) error {
			return runTool(ctx, account, dir, "", asRoot(admin, "ping")...)
		},
		account: account,
		patient: true,
	})
	s.administer = func(ctx context.Context, script string) error {
		return runTool(ctx, account, dir, script, asRoot(client)...)
	}
	s.create = func(ctx context.Context, database string) error {
		return s.administer(ctx, fmt.Sprintf(`
CREATE DATABASE %[1]s CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS '%[2]s'@'%%' IDENTIFIED BY '%[3]s';
GRANT ALL ON %[1]s.* TO '%[2]s'@'%%';
`, database, DatabaseUser, DatabasePassword))
	}
	// A directory of the data directory may be a link (MariaDB knowledge base, symbolic
	// links); the redo and undo logs stay where they are.
	s.createOn = func(ctx context.Context, database, disk string) error {
		if err := s.create(ctx, database); err != nil {
			return err
		}
		home, away := filepath.Join(data, database), filepath.Join(disk, database)
		return runTool(ctx, account, dir, "", "/bin/sh", "-ec", `cp -a "$0" "$1" && rm -r "$0" && ln -s "$1" "$0"`, home, away)
	}
	s.begin(func(port int) []string {
		return []string{
			server, "--no-defaults", "--datadir=" + data, "--tmpdir=" + dir, "--socket=" + socket, "--pid-file=" + filepath.Join(dir, "pid"),
			"--bind-address=" + loopback, "--port=" + strconv.Itoa(port),
			"--skip-log-bin", "--skip-name-resolve", "--innodb-buffer-pool-size=32M",
		}
	})
	return s
}

func mariaDBAddress(port int, database string) Database {
	return Database{
		URL: fmt.Sprintf("mysql://%s:%s@%s/%s", DatabaseUser, DatabasePassword, hostPort(port), database),
		DSN: fmt.Sprintf("%s:%s@tcp(%s)/%s?parseTime=true", DatabaseUser, DatabasePassword, hostPort(port), database),
	}
}
