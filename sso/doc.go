// Package sso is the relying party of every buyer's auth centre: it signs people in, keeps their session, and tells a
// product who they are.
//
// # Words
//
// A tenant is a buyer enterprise; its auth centre is the OpenID or OAuth provider that knows its people. A credential is
// the client id and secret this product has at that auth centre. An account is what the marketplace's pushes say about a
// user. Admission asks whether a verified identity may come in; a decision is the answer to one request.
//
// # Flow
//
//	/sso/login ──► tenant? ──► attempt (sealed cookie) ──► auth centre ──► /sso/callback
//	                 │ no                                                       │ state, browser, tenant, iss
//	                 ▼                                                          ▼ and only then
//	     chooser or unified page                              token call, userinfo (by profile)
//	                                                                            ▼
//	               decision ◄── session (new id) ◄── admission (pure) ◄── identity (pure)
//
// Three profiles stand behind one two-step interface: kit, the marketplace's OAuth 2.0 with userinfo, oidc, OpenID
// Connect with an ID token, and cas. What differs between them beyond that is a row of settings.
//
// # Faces
//
// Five ways lead to one decision: Go middleware ([RelyingParty.Require]), the reverse proxy ([RelyingParty.Proxy]) and the
// endpoints for nginx, for Traefik, Caddy and HAProxy, and for Envoy. Each only says which request is meant; rules
// ([Settings].Rules) are applied to the path as it will be forwarded, and a path that can be read in two ways is refused.
//
// # Hosts
//
// The auth centres know one callback, that of the public address. Further hosts ([Settings].Hosts) have sessions of their own: a
// sign-in that begins on one passes through the public address, and comes back in a sealed ticket that only the browser that began
// can use, once. A host may be bound to a tenant; then no other's session counts there.
//
// # Sessions
//
// Of a session the browser holds an opaque random id and nothing else; the store holds its SHA-256. A session is live iff it is
// unexpired, its tenant, application and grant are live, and the revocation marks that were read when it was created are
// unchanged. The [Sessions] port asks all of this in one query, and a decision may be reused for half a second counted from
// before that query began. A store that does not answer is a 503, never a sign-in.
//
// With [Settings].Refresh the tokens of a sign-in are kept by the store, sealed, and the auth centre is asked about the person
// again, by one request of all that use the session, in any number of processes: whoever moves the session's Due on has the
// turn ([Sessions].TakeTurn). The others are answered by what is known. A no ends the session, what is said of the person takes
// the place of what was said before, and no answer changes nothing.
//
// # What it does not do
//
// It never writes organisation data: what an auth centre says about a user fills blanks of that session only. It knows no
// database and no marketplace message; both come through the ports in ports.go. It starts no goroutine of
// its own but timers while requests that were let through run, and keeps no token after userinfo was read unless it is told to.
//
// Go packages of this module are not promised to stay as they are before version 1.
package sso
