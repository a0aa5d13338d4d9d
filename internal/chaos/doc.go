// SPDX-License-Identifier: Apache-2.0

// Package chaos runs masters, workers of two languages and runners as real
// processes under load, and breaks them: kill -9, stop and continue, restart,
// networks that swallow, delay and reset, a full disk, no descriptors left. Every
// job that a runner executes is written down before and after, and so is every
// start of one in a worker; Check compares the two.
//
//	driver ──starts, signals──► master a (ipc)  ◄── workers 0–3, runners
//	   │                        master b (tcp)  ◄─┐
//	   └── proxies, network namespace ────────────┴─ workers 4–7, runners
//
// One seed gives one schedule of faults; what they hit is up to the machine.
package chaos
