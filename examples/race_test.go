// SPDX-License-Identifier: Apache-2.0

//go:build race

package examples

// buildFlags makes the examples look for races as well when the tests do.
var buildFlags = []string{"-race"}
