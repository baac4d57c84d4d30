// Package console is the operator's side: the admin listener with health, readiness and
// the JSON API. It reads through the functions it is given and decides nothing.
//
//	GET /healthz          the process answers
//	GET /readyz           may traffic come here, and what is degraded
//	GET /api/v1/status    counts per sink, tenant and verdict (bearer token)
//
// The listener is for loopback or a private network: the Host header is checked, so that
// a page in an operator's browser cannot reach it under a name of its own.
package console
