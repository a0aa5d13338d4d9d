// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// keepSecrets makes this process leave no core dump.
func keepSecrets() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("cannot switch core dumps off (--core-dumps allows them): %w", err)
	}
	return nil
}
