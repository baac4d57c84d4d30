// Package ssotest is an auth centre for tests and demonstrations, unpleasant
// on demand.
//
// A [Centre] plays the OAuth 2.0 providers of several buyers at once, in the
// form that the marketplace's access guide gives them (chapters "OAuth2.0
// protocol API", "token", "userinfo" and "logout"): each [Tenant] has a base
// address of its own, {domain}, and below it
//
//	{domain}/api/v1/oauth2/authorize   login form, then code (and state)
//	{domain}/api/v1/oauth2/token       code or refresh token -> access token
//	{domain}/api/v1/oauth2/userinfo    access token -> who it is
//	{domain}/api/v1/logout             ends the browser's session there
//	{domain}/api/v1/cas/login          the same for CAS: a ticket for a service
//	{domain}/api/v1/cas/p3/serviceValidate  ticket -> who it is, XML or JSON
//	{domain}/api/v1/cas/logout
//
// A client that asks for scope openid gets OpenID Connect on top: discovery and
// keys below {domain}/api/v1/oauth2, an ID token, a sub in userinfo, PKCE, and
// iss in the response (RFC 9207).
//
// Beside them stands a stub of the marketplace's unified login page, which
// asks for name@tenantCode and sends the browser to the registered address
// with a code and a tenant, but no state.
//
// It is strict where the guide is: states of letters and digits only, client
// secret in the body only, codes for one use, one client and 60 seconds. It
// becomes wrong in exactly one way at a time by [Centre.SetDefect], and counts
// what was asked of it ([Centre.Calls]).
//
// There is no protection against guessing passwords: do not put it on a
// network that strangers can reach.
package ssotest
