// SPDX-License-Identifier: Apache-2.0

//go:build !race

package sim

// seeds is documented in the file for race builds.
const seeds = 80
