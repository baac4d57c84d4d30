// Package push is the endpoint that the marketplace calls: it verifies what comes in,
// decodes it and answers in the marketplace's form.
//
// # Protocol
//
// The five sync interfaces ("kit") of the marketplace access guide, interface
// descriptions V2.0 and V1.0 (the same without v2), below the production address:
//
//	POST {address}/produceAPI/v2/tenantSync        an enterprise is bound, changed, unbound
//	POST {address}/produceAPI/v2/applicationSync   the OAuth client of an enterprise
//	POST {address}/produceAPI/v2/authSync          up to 500 users
//	POST {address}/produceAPI/v2/singleOrgSync     one department
//	POST {address}/produceAPI/v2/allOrgSync        all departments
//
// Each carries a JSON body and is signed: in V2 by the headers x-sign, x-timestamp and
// x-nonce ([Verifier]), in V1 by authToken ([TokenVerifier]). The answer is HTTP 200 with
// resultCode and resultMsg; V1's is signed by Body-Sign. docs/protocol.md tells the same
// to the other side's developers, with worked examples.
//
// # Flow
//
//	read (limit) ─▶ verify by generation ─▶ Decode ─▶ Opener.Open ─▶ Acceptor.Accept ─▶ ResultOf
//	                       pure               pure       pure           durable            pure
//
// Nothing of a request is believed, decrypted or remembered before its signature was
// found good. What was signed and cannot be understood is handed to the [Acceptor] too,
// with Push.Refused set, so that the journal counts it.
//
// # Tolerance
//
// The guide's pages contradict each other and its sample code. Every spelling that one
// of them has is accepted and named in wire.go with its source; a meaning is never
// guessed: a required field that is missing or an unknown flag is refused.
//
// # What it does not do
//
// It keeps nothing, sends nothing and knows no rule about what a push does; that is
// package orgsync. The base (lifecycle) interfaces, which share the address, are handed to
// Config.Base as they come – those of V2, if Settings.Base has keys, once their signature
// was found good – or refused.
package push
