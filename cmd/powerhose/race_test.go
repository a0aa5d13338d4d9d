// SPDX-License-Identifier: Apache-2.0

//go:build race

package main

// raceDetector says that the programs under test are to be built with -race,
// because the tests are.
const raceDetector = true
