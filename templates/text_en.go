package templates

func englishTexts() *texts {
	return &texts{
		User:              "User",
		Organisation:      "Organisation",
		RequestID:         "Request ID",
		Code:              "Code",
		Check:             "Failed check",
		Retry:             "Try again",
		OtherOrganisation: "Choose another organisation",
		Cancel:            "Cancel",
		SignInAgain:       "Sign in",

		ChooserTitle:   "Which organisation are you from?",
		ChooserIntro:   "You will sign in at your own organisation. Enter its name or its short name (the part after @ in your login name).",
		ChooserLabel:   "Organisation",
		ChooserSearch:  "Search",
		ChooserResults: "Choose your organisation",
		ChooserMore:    "There are more. Type a little more of the name.",
		ChooserNothing: "No organisation of that name uses this product. Check the spelling, or ask your administrator for the short name.",
		ChooserUnified: "Not sure? Sign in through the marketplace",

		ConfirmSignInTitle: "Sign in with this account?",
		ConfirmSignInIntro: "This sign-in was not started from here. Go on only if it was you.",
		ConfirmSwitchIntro: "Somebody else is signed in on this browser. Go on only if you started this sign-in yourself; it signs them out first.",
		ConfirmCurrent:     "Signed in now",
		ConfirmSignInYes:   "Yes, sign in",

		ConfirmSignOutTitle: "Sign out?",
		ConfirmSignOutIntro: "You will be signed out of this product and of your organisation's sign-in on this browser.",
		ConfirmSignOutYes:   "Sign out",

		PendingTitle: "Your account is being prepared",
		PendingWait:  "You have signed in. Your organisation is still sending us your account; this usually takes a few seconds. This page goes on by itself.",
		PendingLong:  "You have signed in, but your account has not arrived yet. Ask your organisation's administrator whether you have been authorised for this product, then try again.",
		PendingAgain: "Check again",

		ResendTitle:    "You are signed in again",
		ResendIntro:    "The form that you sent had to wait for your sign-in, and nothing has happened yet. Send it now, in the name of:",
		ResendYes:      "Send the form",
		SignedOutTitle: "You are signed out",
		SignedOutText:  "On a shared computer, close all windows of the browser as well.",

		problem: englishProblem,
	}
}

const (
	enAskAdmin  = "Ask your organisation's administrator."
	enAskVendor = "Tell the product's support and give them the request ID below."
)

func englishProblem(r Reason) problemText {
	switch r {
	case TenantMissing, UnknownTenant, TenantGone, TenantMismatch, IssuerMismatch, TestTenant, AppNotBound, AmbiguousApp:
		return englishTenantProblem(r)
	case UserUnknown, UserDisabled, UserRemoved, AccessRevoked, IdentityIncomplete, Forbidden:
		return englishUserProblem(r)
	case ProviderRefused, CodeSpent, CredentialRejected, ProviderError, TokenRejected, TwoPeople, ProviderElsewhere, AnswerTooLong,
		ProviderUnreachable, InsecureAuthCentre, HeldHost:
		return englishProviderProblem(r)
	case BadRequest:
		return problemText{"This request cannot be understood", "The link is incomplete or damaged.", "Start again from the product's home page."}
	case NotFound:
		return problemText{"There is no such page", "The address leads nowhere.", "Start again from the product's home page."}
	case RateLimited:
		return problemText{"Too many attempts", "Too many sign-ins from your network have failed in a short time.", "Wait a minute, then try again."}
	case Unavailable:
		return problemText{"Sign-in is not available right now", "A part of this service did not answer, so nobody is let in for the moment.", "Try again in a minute. If it lasts, tell the product's support and give them the request ID below."}
	case ProductUnreachable:
		return problemText{"The product does not answer right now", "Your sign-in is in order; the product itself could not be reached.", "Try again in a minute. If it lasts, tell the product's support."}
	case AttemptLost:
		return problemText{"This sign-in does not belong to this browser", "The browser did not bring back the cookie that was set when the sign-in began. Perhaps it began in another browser or window, or cookies are blocked.", "Allow cookies for this site and start again here."}
	case AttemptExpired:
		return problemText{"This sign-in took too long", "It was begun more than ten minutes ago, or has been completed already.", "Start again."}
	case Loop:
		return problemText{"The sign-in goes round in circles", "Your browser was sent to sign in several times without arriving. Usually cookies are blocked, or the product is opened under another address than the one it is set up for.", "Allow cookies for this site and wait a minute before you try again."}
	default: // Internal
		return problemText{"Something went wrong here", "This is a fault of ours, not yours.", enAskVendor}
	}
}

func englishTenantProblem(r Reason) problemText {
	switch r {
	case TenantMissing:
		return problemText{"Which organisation is this for?", "The sign-in does not say which organisation it belongs to.", "Start again and choose your organisation."}
	case TenantGone:
		return problemText{"This organisation no longer uses the product", "Its subscription was unbound or has ended.", enAskAdmin}
	case TenantMismatch:
		return problemText{"This sign-in mixes two organisations", "Its parts name different organisations, so it was refused.", "Start again. If it happens once more, tell the product's support and give them the request ID below."}
	case IssuerMismatch:
		return problemText{"This answer came from another sign-in", "It was not sent by the sign-in of your organisation, so nothing was sent back to it.", "Start again from the product's home page. If it happens once more, tell the product's support and give them the request ID below."}
	case TestTenant:
		return problemText{"Test organisations cannot sign in here", "This organisation exists for trying out the connection only.", "Sign in with an account of a real organisation."}
	case AppNotBound:
		return problemText{"This product is not connected to your organisation", "Your organisation has not bound the product yet, or the binding was taken back.", "Ask your organisation's administrator to bind it again in the marketplace."}
	case AmbiguousApp:
		return problemText{"This product is connected more than once", "Your organisation has several connections to it, and none was chosen for signing in.", enAskVendor}
	default: // UnknownTenant
		return problemText{"This organisation is not known here", "No organisation of that name or number uses this product.", "Check the link, or start again and search for your organisation."}
	}
}

func englishUserProblem(r Reason) problemText {
	switch r {
	case UserDisabled:
		return problemText{"Your account is switched off", "Your organisation has disabled it for this product.", enAskAdmin}
	case UserRemoved:
		return problemText{"Your account was removed", "Your organisation has removed it from this product.", enAskAdmin}
	case AccessRevoked:
		return problemText{"You may no longer use this product", "Your organisation has withdrawn your authorisation.", enAskAdmin}
	case IdentityIncomplete:
		return problemText{"Your organisation did not say who you are", "Its sign-in succeeded, but sent no user name.", enAskVendor}
	case Forbidden:
		return problemText{"You may not open this page", "You are signed in, but your role does not allow it.", enAskAdmin}
	default: // UserUnknown
		return problemText{"You have not been authorised for this product", "Your organisation uses it, but has not given you an account.", enAskAdmin}
	}
}

func englishProviderProblem(r Reason) problemText {
	switch r {
	case ProviderRefused:
		return problemText{"The sign-in was cancelled", "Your organisation's sign-in page sent you back without signing you in.", "Start again, or ask your organisation's administrator."}
	case CodeSpent:
		return problemText{"This sign-in can no longer be used", "It was used already or is too old, for example after the page was loaded again.", "Start again."}
	case CredentialRejected:
		return problemText{"Your organisation does not accept this product", "The credential that connects the two is not valid at your organisation's sign-in.", "Ask your organisation's administrator to bind the product again in the marketplace."}
	case TokenRejected:
		return problemText{"Your organisation's proof of who you are is not valid", "Its sign-in sent a proof that did not pass the check named below, so it was refused.", "Start again. If it lasts, tell the product's support: give them the request ID and the name of the check."}
	case TwoPeople:
		return problemText{"Your organisation's sign-in named two people", "Its answers are about different people, so nobody was signed in.", "Start again. If it lasts, tell the product's support: give them the request ID and the name of the check."}
	case ProviderElsewhere:
		return problemText{"Your organisation's sign-in points to another address", "It wanted to be asked at an address that is not its own, so nothing was sent there.", "Tell the product's support: give them the request ID and the name of the check."}
	case AnswerTooLong:
		return problemText{"Your organisation's sign-in said too much", "Its answer was longer than any proper one, so it was not read to the end.", "Try again. If it lasts, tell the product's support: give them the request ID and the name of the check."}
	case ProviderUnreachable:
		return problemText{"Your organisation's sign-in does not answer", "It could not be reached in time.", "Try again in a minute."}
	case InsecureAuthCentre:
		return problemText{"Your organisation's sign-in is not safe to use", "Its address is not an acceptable https address, so nothing was sent to it.", enAskVendor}
	case HeldHost:
		return problemText{"Your organisation's sign-in has a new address", "Before it is used, somebody at the product has to approve it.", "Try again later, or tell the product's support and give them the request ID below."}
	default: // ProviderError
		return problemText{"Your organisation's sign-in gave an unusable answer", "It answered with an error or with something unexpected.", "Try again. If it lasts, tell the product's support and give them the request ID below."}
	}
}
