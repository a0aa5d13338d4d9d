// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"fmt"

	"github.com/powerhose/powerhose/internal/hub"
)

// ledgerFile is a start ledger: the memory that a worker and its master share,
// whoever of them is still there.
type ledgerFile struct {
	word   uint64
	linked bool // it can still be opened
	broken bool // it was shortened: it cannot be read any more
}

const closedBit = uint64(1) << 63

// newLedger makes a ledger for a registration of p.
func (w *world) newLedger(p *process, n int) (string, *ledgerFile) {
	path := fmt.Sprintf("/run/ledger-%d-%d", p.pid, n)
	f := &ledgerFile{linked: true}
	w.files[path] = f
	return path, f
}

func (w *world) removeLedger(path string) {
	if f := w.files[path]; f != nil {
		f.linked = false
		delete(w.files, path)
	}
}

// claim is the worker's compare-and-swap.
func (f *ledgerFile) claim(n uint64) bool {
	if f.word != n-1 {
		return false
	}
	f.word = n
	return true
}

// masterLedger is a master's side. It implements hub.Ledger.
type masterLedger struct {
	f       *ledgerFile
	closed  bool
	claimed uint64
	ok      bool
}

func (w *world) openLedger(path string) (hub.Ledger, error) {
	f := w.files[path]
	if f == nil || !f.linked || f.broken {
		return nil, errors.New("no such file")
	}
	return &masterLedger{f: f}, nil
}

// CloseAndCount implements hub.Ledger.
func (l *masterLedger) CloseAndCount() (uint64, bool) {
	if !l.closed {
		l.closed, l.ok = true, !l.f.broken
		if l.ok {
			l.claimed = l.f.word &^ closedBit
			l.f.word |= closedBit
		}
	}
	return l.claimed, l.ok
}

// Release implements hub.Ledger.
func (l *masterLedger) Release() error { return nil }
