// SPDX-License-Identifier: Apache-2.0

//go:build race

package e2e

// memoryFactor is how much more the race detector's shadow takes.
const memoryFactor = 20
