// SPDX-License-Identifier: Apache-2.0

// Package conform tells whether a program is a worker as docs/protocol.md wants
// it. It plays the master: it starts the program, again and again, says to it
// what masters say and what none should, and reports rule by rule what holds.
//
//	kit ─── group ─── rig ──ROUTER──► program under test
//	 │        │        └ one master, one process at a time
//	 │        └ checks, one after the other; groups run beside each other
//	 └ what the worker offers (traits), findings, and what is watched always
//
// A check is about one rule and ends in a verdict with its evidence. Some rules
// are no check of their own but are watched in every message that comes, in
// receive.go.
//
// The kit itself keeps to the master's part of the protocol, except where a
// check is about what a worker makes of nonsense: it never gives a worker more
// jobs than it may have, and answers its heartbeats. What a worker does between
// its socket and its handlers cannot be seen: a worker that computes in its only
// thread reads nothing meanwhile, and the protocol allows that. Checks that make
// no sense there are not applicable.
//
// It is not for masters and runners, and not for what handlers compute.
package conform
