package sso

import (
	"net/http"

	"github.com/kitbridge/kitbridge/templates"
)

// verdict is the answer to: may this verified identity come in?
type verdict int

// The verdicts. The zero value refuses.
const (
	refused verdict = iota
	admitted
	admittedProvisionally
	pending
	tenantGone
	testTenant
	appNotBound
	userUnknown
	userDisabled
	userRemoved
	accessRevoked
)

// admits reports whether a verdict lets a person in, now or once they are named.
func (v verdict) admits() bool {
	return v == admitted || v == admittedProvisionally || v == pending
}

// admit decides over the state as it is now. It is pure, and asks the widest thing first: a tenant that is gone says
// nothing about its users.
func admit(t Tenant, c Credential, a Account, unknownUser string, allowTest bool) verdict {
	switch {
	case !t.Live:
		return tenantGone
	case t.Test && !allowTest:
		return testTenant
	case !c.Live:
		return appNotBound
	}
	switch a.Status {
	case AccountActive:
		return admitted
	case AccountDisabled:
		return userDisabled
	case AccountRevoked:
		return accessRevoked
	case AccountRemoved:
		return userRemoved // a tombstone: jit must not bring the user back
	case AccountUnknown:
	default:
		return refused
	}
	switch unknownUser {
	case "jit":
		return admittedProvisionally
	case "pending":
		return pending
	default:
		return userUnknown
	}
}

// outcome returns what a browser is told about a verdict that lets nobody in.
func (v verdict) outcome() outcome {
	switch v {
	case tenantGone:
		return outcome{templates.TenantGone, http.StatusForbidden}
	case testTenant:
		return outcome{templates.TestTenant, http.StatusForbidden}
	case appNotBound:
		return outcome{templates.AppNotBound, http.StatusForbidden}
	case userUnknown:
		return outcome{templates.UserUnknown, http.StatusForbidden}
	case userDisabled:
		return outcome{templates.UserDisabled, http.StatusForbidden}
	case userRemoved:
		return outcome{templates.UserRemoved, http.StatusForbidden}
	case accessRevoked:
		return outcome{templates.AccessRevoked, http.StatusForbidden}
	case refused, admitted, admittedProvisionally, pending:
	}
	return outcome{templates.Internal, http.StatusInternalServerError}
}

// String returns the verdict's stable name in the log.
func (v verdict) String() string {
	switch v {
	case admitted:
		return "admitted"
	case admittedProvisionally:
		return "admitted_provisionally"
	case pending:
		return "pending"
	case tenantGone:
		return "tenant_gone"
	case testTenant:
		return "test_tenant"
	case appNotBound:
		return "app_not_bound"
	case userUnknown:
		return "user_unknown"
	case userDisabled:
		return "user_disabled"
	case userRemoved:
		return "user_removed"
	case accessRevoked:
		return "access_revoked"
	case refused:
	}
	return "refused"
}
