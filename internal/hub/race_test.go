// SPDX-License-Identifier: Apache-2.0

//go:build race

package hub

// memoryFactor is how much more memory the race detector takes.
const memoryFactor = 8
