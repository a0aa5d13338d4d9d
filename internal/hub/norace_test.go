// SPDX-License-Identifier: Apache-2.0

//go:build !race

package hub

// memoryFactor is documented in the file for race builds.
const memoryFactor = 1
