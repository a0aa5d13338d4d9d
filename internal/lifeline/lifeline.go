// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package lifeline is the worker's end of what internal/supervise holds: a pipe
// whose other end only the parent has. It tells of the parent's death even where
// the kernel's signal does not reach, as through a wrapper script.
package lifeline

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"

	"github.com/powerhose/powerhose/internal/workerenv"
)

// Hold calls gone, from a goroutine of its own, when the parent has ended. It
// does nothing if the environment names no lifeline. It removes the name from
// the environment and closes the descriptor on exec, so that what this process
// starts does not hold it.
func Hold(gone func()) error {
	number := os.Getenv(workerenv.LifelineFD)
	if number == "" {
		return nil
	}
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 0 {
		return fmt.Errorf("%s is %q: not the number of a descriptor", workerenv.LifelineFD, number)
	}
	syscall.CloseOnExec(fd)
	// A pipe cannot be made non-blocking for one process alone, so the reading
	// may cost a thread.
	f := os.NewFile(uintptr(fd), "lifeline")
	if _, err := f.Stat(); err != nil {
		return fmt.Errorf("%s is %q: %w", workerenv.LifelineFD, number, err)
	}
	if err := os.Unsetenv(workerenv.LifelineFD); err != nil {
		return err
	}
	go func() { // ends with the parent, or with the process
		_, _ = io.Copy(io.Discard, f)
		gone()
	}()
	return nil
}
