// SPDX-License-Identifier: Apache-2.0

// Package protocol encodes and decodes the messages of the Powerhose wire
// protocol, version 1. docs/protocol.md is the authority; the numbers R-1,
// R-2, … in comments are its requirements.
//
// A message as a DEALER sees it is a header frame and, for JOB, RESULT and the
// answer to STATUS, a payload frame. This package reads and writes header
// frames; payloads are the caller's and are never looked at:
//
//	+-----+---------+------+---------+--------+   +---------+
//	| PHZ | version | role | command | fields |   | payload |
//	+-----+---------+------+---------+--------+   +---------+
//	  3        1       1        1       0..n          0..n
//
// Receiving: [ParseHeader] splits a frame, [Header.Frames] says whether the
// command may come from that side and how many frames it has, and the Parse
// function of the message reads the fields. Sending: the Append method of the
// message writes a whole header frame to the end of a buffer of the caller.
//
// Decoders return slices into their input, copy nothing and, for JOB, RESULT
// and BATCH, allocate nothing. No input makes them panic, and they look at no
// octet twice because a peer asked for it: the work is bounded by the length
// of the input. Errors are [ErrMalformed], [ErrTooLarge] or [ErrVersion].
//
// The package has no state. Everything in it may be used from any number of
// goroutines, except one [BatchReader] by two of them. It does no I/O, keeps
// no sessions and measures no time: see the packages above it for those.
package protocol
