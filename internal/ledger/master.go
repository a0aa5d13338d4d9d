// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Master is the master's side of a ledger. It may be used from several
// goroutines.
type Master struct {
	mu      sync.Mutex // guards everything below
	mem     []byte     // nil after Release
	closed  bool
	claimed uint64
	ok      bool
}

// Open maps the ledger that a worker named. Since the path is what a peer says,
// it is refused unless it is absolute, has the name of a ledger, and leads to a
// regular file (no symbolic link at its end) of this user with exactly Size
// octets. Callers open ledgers only of peers on this machine that run as this
// user.
func Open(path string) (*Master, error) {
	if !filepath.IsAbs(path) || !strings.HasPrefix(filepath.Base(path), prefix) {
		return nil, fmt.Errorf("ledger: %q is not the absolute path of a file called %sPID-RANDOM", path, prefix)
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	defer f.Close() // the mapping stays
	if err := check(f); err != nil {
		return nil, err
	}
	mem, err := mapFile(f)
	if err != nil {
		return nil, err
	}
	return &Master{mem: mem}, nil
}

func check(f *os.File) error {
	fi, err := f.Stat()
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	switch {
	case !fi.Mode().IsRegular():
		return fmt.Errorf("ledger: %s is not a regular file", f.Name())
	case !ok || int(st.Uid) != os.Geteuid():
		return fmt.Errorf("ledger: %s is not a file of user %d", f.Name(), os.Geteuid())
	case fi.Size() != Size:
		return fmt.Errorf("ledger: %s has %d octets, not %d", f.Name(), fi.Size(), Size)
	}
	return nil
}

// CloseAndCount closes the ledger and returns how many jobs the worker has
// claimed: from now on it can claim no other. Later calls return the same. The
// number is the worker's word: compare it with what it was given. ok is false if
// the ledger cannot be read any more (the worker shortened the file, or Release
// came first): then any job may have started.
func (m *Master) CloseAndCount() (claimed uint64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		if m.mem != nil {
			m.claimed, m.ok = closeWord(m.mem)
		}
	}
	return m.claimed, m.ok
}

// closeWord sets the closed bit. Touching a mapping whose file was shortened is
// a SIGBUS, which ends the process unless it is turned into a panic.
func closeWord(mem []byte) (claimed uint64, ok bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if !isFault(r) {
				panic(r)
			}
			claimed, ok = 0, false
		}
	}()
	return atomic.OrUint64(word(mem), closedBit) &^ closedBit, true
}

// isFault tells whether a panic is a memory fault: those know an address.
func isFault(r any) bool {
	err, ok := r.(runtime.Error)
	if !ok {
		return false
	}
	_, ok = err.(interface{ Addr() uintptr })
	return ok
}

// Release unmaps the memory without closing the ledger: CloseAndCount comes
// before. Releasing twice is harmless.
func (m *Master) Release() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mem == nil {
		return nil
	}
	err := unix.Munmap(m.mem)
	m.mem = nil
	if err != nil {
		return fmt.Errorf("ledger: unmap: %w", err)
	}
	return nil
}
