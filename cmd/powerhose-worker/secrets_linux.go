// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// keepSecrets makes this process leave no core dump, and forbids others of the
// same user to trace it or to read its memory. The start ledger, the lifeline
// and a supervisor's pidfd do not depend on /proc, so they go on working.
func keepSecrets() error {
	// Both: what a core dump is piped to does not obey the limit, and being
	// dumpable comes back with some system calls.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("cannot switch core dumps off (--core-dumps allows them): %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot switch core dumps off (--core-dumps allows them): %w", err)
	}
	return nil
}
