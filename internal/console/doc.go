// Package console is the operator's side: the admin listener with health, readiness,
// metrics and the JSON API. It calls the functions it is given and decides nothing.
//
//	GET    /healthz                      the process answers
//	GET    /readyz                       may traffic come here, and what is degraded
//	GET    /metrics                      numbers for Prometheus, nobody's name in them
//	GET    /api/v1/status                counts per sink, tenant and verdict
//	GET    /api/v1/<list>                a page: ?tenant=&after=&limit=
//	POST   /api/v1/held/<id>/approve     a person says yes, or with /reject no
//	POST   /api/v1/dead/retry            ?sink=&tenant=
//	DELETE /api/v1/sessions/<id>         or, without an id, ?tenant=&user=
//
// Everything below /api wants the bearer token. Errors are JSON:
//
//	{"error":"bad_parameter","parameter":"limit","message":"limit is not …"}
//
// The listener is for loopback or a private network: the Host header is checked, so that
// a page in an operator's browser cannot reach it under a name of its own.
package console
