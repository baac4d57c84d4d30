//go:build integration

package integration_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/ory/dockertest/v3"
	"github.com/ory/dockertest/v3/docker"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// image is what testdata/openldap becomes, once for all tests.
const image = "kitbridge-test-openldap"

var buildImage = sync.OnceValue(func() error {
	pool, err := dockertest.NewPool("")
	if err != nil {
		return err
	}
	var log bytes.Buffer
	err = pool.Client.BuildImage(docker.BuildImageOptions{
		Name:           image,
		ContextDir:     "testdata/openldap",
		Dockerfile:     "Dockerfile",
		NetworkMode:    "host", // apt must reach Debian also where containers have no way out
		OutputStream:   &log,
		RmTmpContainer: true,
	})
	if err != nil {
		return fmt.Errorf("build image %s: %w\n%s", image, err, &log)
	}
	return nil
})

// openLDAPInDocker runs the image of testdata/openldap for the duration of the
// test and returns its URL. The seed is that of peers.Slapd with MemberOf, so
// the names and passwords of package peers open it too. A container that a
// killed test leaves behind ends by itself in half an hour.
func openLDAPInDocker(t *testing.T) (url string) {
	t.Helper()
	pool, err := dockertest.NewPool("")
	if err != nil {
		t.Fatalf("reach the container engine: %v", err)
	}
	if err := pool.Client.Ping(); err != nil {
		t.Fatalf("no container engine answers; .ci/test starts one: %v", err)
	}
	if err := buildImage(); err != nil {
		t.Fatal(err)
	}
	pool.MaxWait = time.Minute
	const port = "389/tcp"
	container, err := pool.RunWithOptions(
		&dockertest.RunOptions{
			Repository:   image,
			Tag:          "latest",
			ExposedPorts: []string{port},
			PortBindings: map[docker.Port][]docker.PortBinding{port: {{HostIP: "127.0.0.1"}}},
		},
		func(host *docker.HostConfig) { host.AutoRemove = true },
	)
	if err != nil {
		t.Fatalf("run the OpenLDAP image: %v", err)
	}
	t.Cleanup(func() {
		if err := pool.Purge(container); err != nil {
			t.Errorf("remove the OpenLDAP container: %v", err)
		}
	})
	url = "ldap://" + container.GetHostPort(port)
	err = pool.Retry(func() error {
		conn, err := ldap.DialURL(url)
		if err != nil {
			return err
		}
		defer conn.Close() //nolint:errcheck // it has served its purpose
		return conn.Bind(peers.AdminDN, peers.AdminPassword)
	})
	if err != nil {
		t.Fatalf("bind at %s: %v", url, err)
	}
	return url
}
