// SPDX-License-Identifier: Apache-2.0

// Package version holds the version of this library and its programs.
package version

// Version is the release, as in CHANGELOG.md; the wire protocol has a number
// of its own.
const Version = "0.1.0"
