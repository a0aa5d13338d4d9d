// SPDX-License-Identifier: Apache-2.0

// Package master is the stand-alone master: workers register at its backend,
// runners connect to its frontend, and it load-balances the runners' jobs over
// the workers. It is for several processes that share workers, and for several
// machines; a program with workers of its own embeds the master instead
// (jobrunner.Start).
//
// A Master owns two ZeroMQ ROUTER sockets and one goroutine. What it decides it
// decides in internal/dispatch, a pure state machine.
package master
