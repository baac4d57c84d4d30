// Package market is the marketplace's side, simulated: it signs and sends the
// pushes that a bridge receives, and its buyers sign in at an auth centre. The
// demonstration, the simulate command and tests use it.
//
//	Buyer ──messages──► Client.Prepare ──Push──► Client.Deliver ──► Result
//	  │                 stamp, encode,            one HTTP request,
//	  │                 encrypt, sign             bounded
//	  └── NewAuthCentre (package ssotest): the people's passwords
//
// It is an independent peer: encoding and signing are written from the
// marketplace's access guide alone and share no code with the receiving side,
// so that a misunderstanding cannot cancel out. Both generations are spoken,
// V2 (x-sign) and V1 (authToken, answered with Body-Sign).
//
// A [Buyer] is a model of an enterprise. Its methods change the model and
// return the message that the marketplace would send for the change; nothing
// is sent until a [Client] is given the message. [Generate] makes buyers of
// any size, always the same ones for the same seed; [DemoBuyers] are two made
// by hand.
//
// A [Simulation] plays a scenario with a buyer against a production address and reports
// the answers; a [Verification] then asks a bridge's admin API whether it holds what the
// buyer has become. Both know the outside only: what a push means to a receiver is
// written here once more, as the buyer's methods.
package market
