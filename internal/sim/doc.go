// SPDX-License-Identifier: Apache-2.0

// Package sim runs whole systems of masters, runners and workers in one
// goroutine on a simulated network and clock, with faults, and checks after
// every step that no promise is broken. The hub, the dispatch core and the
// sessions are the real ones; sockets, processes and start ledgers are
// simulated. One seed gives one run, to the byte.
package sim
