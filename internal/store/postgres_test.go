package store_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/kitbridge/kitbridge/internal/peers"
)

// shared PostgreSQL of TestPostgreSQL and BenchmarkPostgreSQL. Every database of a test is
// a schema there.
var (
	postgreSQL atomic.Pointer[peers.DatabaseServer]
	schemas    atomic.Int64
)

// newSchema is the URL of an empty database.
func newSchema(t testing.TB) string {
	t.Helper()
	address := postgreSQL.Load().Product().URL
	name := fmt.Sprintf("schema_%d", schemas.Add(1))
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), "CREATE SCHEMA "+name); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

// TestPostgreSQL runs the tests of what both databases must do on a real PostgreSQL.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	postgreSQL.Store(peers.PostgreSQL(t))
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"Store", TestStore},
		{"BackupOfServer", testBackupOfServer},
		{"History", TestHistory},
		{"HistoryOfMany", TestHistoryOfMany},
		{"Tenure", TestTenure},
		{"SinkClosed", TestSinkClosed},
		{"DeclareRestored", TestDeclareRestored},
		{"Sessions", TestSessions},
		{"StrandedSessions", TestStrandedSessions},
		{"SessionLiveness", TestSessionLiveness},
		{"ProvisionalSession", TestProvisionalSession},
		{"SessionNeedsCredential", TestSessionNeedsCredential},
		{"DeleteExpired", TestDeleteExpired},
		{"Account", TestAccount},
		{"WaitingStaysSealed", TestWaitingStaysSealed},
		{"WaitingOfAnOlderProgram", TestWaitingOfAnOlderProgram},
		{"RejectedKeepsNoBody", TestRejectedKeepsNoBody},
		{"Tenants", TestTenants},
		{"Credential", TestCredential},
		{"Status", TestStatus},
		{"Links", TestLinks},
		{"Claim", TestClaim},
		{"ClaimAtOnce", TestClaimAtOnce},
		{"TakeComparison", TestTakeComparison},
		{"OweTenant", TestOweTenant},
		{"BridgeIDStays", TestBridgeIDStays},
		{"SecretIsBound", TestSecretIsBound},
		{"DestroyedDataKey", TestDestroyedDataKey},
		{"Explain", TestExplain},
		{"ExplainOthers", TestExplainOthers},
		{"ExplainReadsNotForEver", TestExplainReadsNotForEver},
		{"ListsArePaged", TestListsArePaged},
		{"PageFaults", TestPageFaults},
		{"ListTexts", TestListTexts},
		{"NumbersOfTheLists", TestNumbersOfTheLists},
		{"WaitingScope", TestWaitingScope},
		{"RetryDead", TestRetryDead},
		{"EndSessions", TestEndSessions},
		{"ExpiredSessions", TestExpiredSessions},
		{"SessionsOf", TestSessionsOf},
		{"TurnOfReplicas", TestTurnOfReplicas},
		{"TokensAreSealed", TestTokensAreSealed},
		{"ListsAreNeverNull", TestListsAreNeverNull},
		{"ForgetBodies", TestForgetBodies},
		{"ForgottenBodies", TestForgottenBodies},
		{"Crash", TestCrash},
		{"NothingOwedIsLost", TestNothingOwedIsLost},
		{"PartsAreListed", TestPartsAreListed},
		{"PartsDoNotPileUp", TestPartsDoNotPileUp},
		{"PersonsOfAnOlderProgram", TestPersonsOfAnOlderProgram},
		{"PersonsAreWrittenTogether", TestPersonsAreWrittenTogether},
		{"TwoProcesses", TestTwoProcesses},
		{"NonceOnce", testNonceOnce},
		{"SharedLanes", testSharedLanes},
		{"TakeOver", testTakeOver},
		{"NoDoubleClaim", testNoDoubleClaim},
		{"NewSinkMissesNothing", testNewSinkMissesNothing},
		{"OpenSinksWaits", testOpenSinksWaits},
		{"RevocationIsSeen", testRevocationIsSeen},
		{"OtherTenantsDoNotWait", testOtherTenantsDoNotWait},
		{"ConflictsAreRetried", testConflictsAreRetried},
		{"Deadlock", testDeadlock},
		{"AnotherRing", testAnotherRing},
		{"StrangeTexts", testStrangeTexts},
		{"JournalReplay", TestJournalReplay},
	} {
		t.Run(test.name, test.run)
	}
}
