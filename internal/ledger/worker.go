// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Worker is the worker's side of a ledger. Claim may be called from several
// goroutines, the rest by the owner only.
type Worker struct {
	path string
	mem  []byte
	word *uint64
}

// Create makes a new ledger in dir, which exists and should be in memory and
// ours alone (endpoint.RuntimeDir). The file has mode 0600.
func Create(dir string) (*Worker, error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	name := prefix + strconv.Itoa(os.Getpid()) + "-" + hex.EncodeToString(random[:])
	path, err := filepath.Abs(filepath.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	defer f.Close() // the mapping stays
	w, err := fill(f, path)
	if err != nil {
		_ = os.Remove(path)
		return nil, err
	}
	return w, nil
}

// fill writes the zeros instead of only setting the size, so that a full file
// system is an error now and not a SIGBUS at the first job.
func fill(f *os.File, path string) (*Worker, error) {
	if _, err := f.Write(make([]byte, Size)); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	mem, err := mapFile(f)
	if err != nil {
		return nil, err
	}
	return &Worker{path: path, mem: mem, word: word(mem)}, nil
}

// Path returns the absolute path of the file, for the registration.
func (w *Worker) Path() string { return w.path }

// Claim claims the n-th job received since the registration, counting from 1,
// right before it is started. Jobs are claimed in the order they were received.
// False means that the job must not be started: the master has closed the
// ledger, or job n-1 was not the last one claimed.
func (w *Worker) Claim(n uint64) bool {
	return n > 0 && n < closedBit && atomic.CompareAndSwapUint64(w.word, n-1, n)
}

// Unlink removes the file; the shared memory stays. For when the master has
// accepted or declined the ledger. Unlinking twice is harmless.
func (w *Worker) Unlink() error {
	if err := os.Remove(w.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// Close removes the file and unmaps the memory. No Claim may be in progress or
// follow. Closing twice is harmless.
func (w *Worker) Close() error {
	if w.mem == nil {
		return nil
	}
	err := w.Unlink()
	if uerr := unix.Munmap(w.mem); err == nil && uerr != nil {
		err = fmt.Errorf("ledger: unmap: %w", uerr)
	}
	w.mem, w.word = nil, nil
	return err
}
