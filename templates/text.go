package templates

// texts are all the words of the pages in one language. A test sees that none
// is empty.
type texts struct {
	// Used on several pages.
	User, Organisation, RequestID, Code, Check string
	Retry, Cancel, SignInAgain                 string
	OtherOrganisation                          string

	ChooserTitle, ChooserIntro, ChooserLabel, ChooserSearch     string
	ChooserResults, ChooserMore, ChooserNothing, ChooserUnified string
	ConfirmSignInTitle, ConfirmSignInIntro, ConfirmSignInYes    string
	ConfirmSwitchIntro, ConfirmCurrent                          string
	ConfirmSignOutTitle, ConfirmSignOutIntro, ConfirmSignOutYes string
	PendingTitle, PendingWait, PendingLong, PendingAgain        string
	ResendTitle, ResendIntro, ResendYes                         string
	SignedOutTitle, SignedOutText                               string

	// problem returns the texts of a reason. It is total.
	problem func(Reason) problemText
}

// problemText is what a person is told about one [Reason].
type problemText struct {
	Title       string // what happened, in a few words
	Explanation string // why, without a name of a mechanism
	Advice      string // what the reader can do, or who can
}
