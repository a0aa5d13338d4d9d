// SPDX-License-Identifier: Apache-2.0

//go:build race

package sim

// seeds is how many TestSeeds plays: the race detector takes ten times as long,
// and there is not much for it where each seed has one goroutine.
const seeds = 12
