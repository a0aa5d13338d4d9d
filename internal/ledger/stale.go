// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// CleanStale removes the files in dir that workers left which died before they
// could unlink their ledger, and returns how many. A missing directory has none.
// Where pids of other containers are not visible it may remove the file of a
// living worker that is just registering; that one is then served without a
// ledger.
func CleanStale(dir string) (removed int, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		return 0, fmt.Errorf("ledger: %w", err)
	}
	var failed []error
	for _, entry := range entries {
		pid, ok := pidOf(entry.Name())
		if !ok || !entry.Type().IsRegular() || isAlive(pid) {
			continue
		}
		err := os.Remove(filepath.Join(dir, entry.Name()))
		switch {
		case err == nil:
			removed++
		case !errors.Is(err, fs.ErrNotExist): // another one may clean too
			failed = append(failed, fmt.Errorf("ledger: %w", err))
		}
	}
	return removed, errors.Join(failed...)
}

// pidOf reads the pid in the name of a ledger's file.
func pidOf(name string) (int, bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0, false
	}
	digits, random, ok := strings.Cut(rest, "-")
	if !ok || random == "" {
		return 0, false
	}
	pid, err := strconv.Atoi(digits)
	return pid, err == nil && pid > 0
}

// isAlive: only "no such process" is a death; "not permitted" is somebody else's
// living process.
func isAlive(pid int) bool {
	return !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}
