// SPDX-License-Identifier: Apache-2.0

// Package client is a runner's connection to masters elsewhere: a
// call.Dispatcher over one DEALER per master. What it does when is decided by
// session.Runner; here are the sockets, the frames, the clock and the callers.
//
// It is not for a master in this process: see internal/hub.
//
// # Who is at work
//
// Nobody owns the sockets for ever. Whoever has something to do leaves it in a
// combine.Queue, and whoever finds nobody at work does all that is there, in
// rounds (Client.work):
//
//	callers ── Submit, Cancel, Status ──┐
//	Waiter: libzmq has news ────────────┤
//	Timer: something is due ────────────┼──► combine.Queue ──► work: time, tasks,
//	pidwatch: a master's process ended ─┘                      send, receive, answer
//
// A lone caller so sends its job itself, without any hand-over; many callers
// find somebody at work and their jobs leave together, in one message if the
// master takes batches.
package client
