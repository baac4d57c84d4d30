// Package integration tests kitbridge from outside: the built binary, told
// what to do by a configuration file, pushed to by signed HTTP requests and
// looked at through the directories and databases it keeps.
//
//	go test -tags integration ./integration/...
//
// It imports nothing of kitbridge but internal/peers, which runs the servers:
// in particular it signs pushes by its own reading of the marketplace access
// guide, so a misreading in the program does not agree with itself here. A
// server or a container engine that is missing is a failure, never a skip; the
// script .ci/test installs and starts them all.
//
// The harness, one file each: main_test.go builds the binary, bridge_test.go
// runs it, market_test.go signs and sends, openldap_docker_test.go makes an
// OpenLDAP image and runs it, directory_test.go and database_test.go read what
// was written, status_sync_test.go asks for the counts. What the sync half must
// hold is in organisation_sync_test.go, a model of a buyer that says what it
// does, and expected_sync_test.go, which says by the documentation alone what
// directory and tables then hold; scene_sync_test.go compares. The other files are
// scenarios. Some repeat what they do to the bridge as often as an environment
// variable says: KITBRIDGE_CRASHES (TestCrash), KITBRIDGE_BLACKOUTS (TestPowerLoss),
// KITBRIDGE_REPLICA_KILLS and _RATE (TestReplicas), KITBRIDGE_SERVER_CRASHES
// (TestServersCrash).
//
// The sign-in half: signin_scene_test.go is a bridge and its visitors, signin_centre_test.go an auth centre of the marketplace's
// kind, provider_test.go walks through the pages of real providers (LemonLDAP::NG, node-oidc-provider), and the files that
// end with browser_test.go look at it in Chromium; what they see is kept in $KITBRIDGE_ARTEFACTS. trial_browser_test.go types
// the commands of docs/sign-in.md. fronts_test.go and nginx_test.go run the web servers of that page, fronts_played_test.go
// plays those that Debian does not have.
//
// The files that begin with history hold random ones: history_random_test.go makes
// up what a marketplace might say, history_model_test.go says by the rules alone
// what the tables then hold, directory_model_test.go what directories do; the variable
// KITBRIDGE_DIRECTORY_HISTORIES says how many of these are played. A test prints the seeds that it plays;
// KITBRIDGE_HISTORY_SEED in the environment plays one again.
package integration
