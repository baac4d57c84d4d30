//go:build integration

package peers

import (
	"archive/tar"
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/ory/dockertest/v3"
	"github.com/ory/dockertest/v3/docker"
)

// openLDAPImage is what testdata/openldap becomes.
const openLDAPImage = "kitbridge-test-openldap"

//go:embed testdata/openldap
var openLDAPContext embed.FS

// buildOpenLDAP makes the image, once for all tests of a process.
var buildOpenLDAP = sync.OnceValue(func() error { //nolint:gochecknoglobals // the image is the machine's
	pool, err := dockertest.NewPool("")
	if err != nil {
		return err
	}
	files, err := buildContext()
	if err != nil {
		return err
	}
	var log bytes.Buffer
	err = pool.Client.BuildImage(docker.BuildImageOptions{
		Name:           openLDAPImage,
		InputStream:    files,
		Dockerfile:     "Dockerfile",
		NetworkMode:    "host", // apt must reach Debian also where containers have no way out
		OutputStream:   &log,
		RmTmpContainer: true,
	})
	if err != nil {
		return fmt.Errorf("build image %s: %w\n%s", openLDAPImage, err, &log)
	}
	return nil
})

// buildContext is testdata/openldap as a tar archive.
func buildContext() (*bytes.Buffer, error) {
	root, err := fs.Sub(openLDAPContext, "testdata/openldap")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.AddFS(root); err != nil {
		return nil, err
	}
	return &b, w.Close()
}

// SlapdContainer runs an OpenLDAP as Debian packages it, in a container, for the duration of
// the test. It holds what [Slapd] with MemberOf does. It can be neither stopped nor killed
// nor made read-only. A container that a killed test leaves behind ends by itself in half an
// hour. No container engine is a failure.
func SlapdContainer(tb testing.TB) *Directory {
	tb.Helper()
	pool, err := dockertest.NewPool("")
	if err != nil {
		tb.Fatalf("reach the container engine: %v", err)
	}
	if err := pool.Client.Ping(); err != nil {
		tb.Fatalf("no container engine answers; .ci/test starts one: %v", err)
	}
	if err := buildOpenLDAP(); err != nil {
		tb.Fatal(err)
	}
	pool.MaxWait = time.Minute
	const port = "389/tcp"
	container, err := pool.RunWithOptions(
		&dockertest.RunOptions{
			Repository:   openLDAPImage,
			Tag:          "latest",
			ExposedPorts: []string{port},
			PortBindings: map[docker.Port][]docker.PortBinding{port: {{HostIP: loopback}}},
		},
		func(host *docker.HostConfig) { host.AutoRemove = true },
	)
	if err != nil {
		tb.Fatalf("run the OpenLDAP image: %v", err)
	}
	tb.Cleanup(func() {
		if err := pool.Purge(container); err != nil {
			tb.Errorf("remove the OpenLDAP container: %v", err)
		}
	})
	number, err := strconv.Atoi(container.GetPort(port))
	if err != nil {
		tb.Fatalf("the port of the OpenLDAP container: %v", err)
	}
	d := &Directory{host: loopback, port: number, Process: &Process{tb: tb, program: Program{Name: "the OpenLDAP container"}}}
	err = pool.Retry(func() error {
		conn, err := ldap.DialURL(d.URL())
		if err != nil {
			return err
		}
		defer conn.Close() //nolint:errcheck // it has served its purpose
		return conn.Bind(AdminDN, AdminPassword)
	})
	if err != nil {
		tb.Fatalf("bind at %s: %v", d.URL(), err)
	}
	return d
}
