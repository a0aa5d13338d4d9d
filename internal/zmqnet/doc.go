// SPDX-License-Identifier: Apache-2.0

// Package zmqnet is the only package that talks to libzmq. It owns the process'
// one context and gives out ROUTER and DEALER sockets with the options, the
// error values and the wake-up rules that the rest of the project relies on.
//
// It is not for anything that knows what a message means: frames go in and out
// untouched.
//
// # Who may touch a socket
//
// A Socket is not safe for concurrent use. Its owner excludes others, either by
// being one goroutine (the stand-alone master, with a Poller) or by a mutex
// around every call (processes with many callers, with a Waiter). In race
// builds two calls at once panic.
//
// Nothing here blocks except Poller.Wait: sends and receives return ErrAgain.
//
// # Wake-ups are edges
//
// libzmq tells of news through a file descriptor that is signalled once, and
// any call on the socket may consume the signal: a send too. So the rule for an
// owner with a Waiter: the last call before giving up ownership is Readable, and
// if it says true, receive or Kick the Waiter. With a Poller the rule does not
// matter, since Wait asks the socket itself.
//
//	callers ──mutex──► Send, Recv until ErrAgain, Readable
//	                          ▲
//	Waiter goroutine ─mutex───┘  parked in Go's netpoller, no thread blocked
//
// A caller that is alone waits there himself, in the goroutine's place: see
// Waiter.Lead.
package zmqnet
