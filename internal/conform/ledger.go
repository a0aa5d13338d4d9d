// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/powerhose/powerhose/internal/ledger"
	"github.com/powerhose/powerhose/protocol"
)

// ledgerChecks are for workers with a start ledger.
var ledgerChecks = []check{
	{rule: 69, name: "the ledger is a file as it must be", costly: true, run: (*rig).checkLedgerFile},
	{rule: 69, name: "each REGISTER has a ledger of its own", costly: true, run: func(r *rig) string {
		r.needLedger()
		r.registered()
		before := r.reg.Ledger
		r.setUp(func() {
			r.evict()
			r.soon("REGISTER", is(protocol.CommandRegister))
		})
		if r.reg.Ledger == before {
			r.broken("expected another file for another registration, got %s again", before)
		}
		return "another file after ERROR 1"
	}},
	{rule: 70, name: "each job is claimed before it starts, returned ones in passing", costly: true, run: (*rig).checkClaims},
	{rule: 70, name: "jobs of a batch are counted one by one", costly: true, run: (*rig).checkBatchClaims},
	{rule: 70, name: "once the ledger is closed it starts no job", costly: true, run: (*rig).checkFence},
}

func (r *rig) needLedger() {
	if r.traits.reg.Ledger == "" {
		r.skip("it has no ledger")
	}
}

// ledger registers the worker and opens its ledger before it unlinks it.
func (r *rig) ledger() *ledger.Master {
	r.needLedger()
	r.registered(hold)
	var l *ledger.Master
	r.setUp(func() {
		var err error
		if l, err = ledger.Open(r.reg.Ledger); err != nil {
			r.broken("%v", err)
		}
	})
	r.master.hold = false
	r.sayWelcome()
	return l
}

func (r *rig) checkLedgerFile() string {
	r.needLedger()
	r.registered(hold)
	path := r.reg.Ledger
	l, err := ledger.Open(path)
	if err != nil {
		r.broken("%v", err)
	}
	defer func() { _ = l.Release() }()
	info, err := os.Lstat(path)
	must(err)
	dir, err := os.Stat(filepath.Dir(path))
	must(err)
	content, err := os.ReadFile(path)
	must(err)
	pid := 0
	_, _ = fmt.Sscanf(filepath.Base(path), "ledger-%d-", &pid)
	switch {
	case info.Mode().Perm() != 0o600:
		r.broken("expected mode 0600, got %v", info.Mode())
	case dir.Mode().Perm()&0o077 != 0:
		r.broken("expected a directory that only this user may enter, got mode %v", dir.Mode().Perm()|fs.ModeDir)
	case !r.prog.owns(pid):
		r.broken("expected a name that begins with ledger-, its pid and another -, got %s", filepath.Base(path))
	case strings.Trim(string(content), "\x00") != "":
		r.broken("expected zeros, got others")
	}
	return filepath.Base(path)
}

func (r *rig) checkClaims() string {
	l := r.ledger()
	defer func() { _ = l.Release() }()
	const n = 4
	for i := range n {
		service, text := r.needService(r.cfg.Services.Echo), "claimed"
		if i == 1 {
			service, text = r.unknownService(), "a job that is returned"
		}
		j := r.give(r.newJob(service), []byte("x"), text)
		r.setUp(func() { r.answer(j, r.timeout()) })
	}
	claimed, ok := l.CloseAndCount()
	if !ok || claimed != n {
		r.broken("expected %d claims after as many jobs, one of them returned, got %d", n, claimed)
	}
	return fmt.Sprintf("%d claims after as many jobs, one of them returned", n)
}

func (r *rig) checkBatchClaims() string {
	n := r.needBatch()
	l := r.ledger()
	defer func() { _ = l.Release() }()
	b := r.newBatch()
	for range n {
		b.add("in a batch")
	}
	b.send()
	r.setUp(func() { r.allDone(b.jobs) })
	claimed, ok := l.CloseAndCount()
	if !ok || claimed != uint64(n) {
		r.broken("expected %d claims after a batch of as many jobs, got %d", n, claimed)
	}
	return fmt.Sprintf("%d claims after a batch of as many jobs", n)
}

// checkFence: a job that is not started has no answer, and cannot have one after
// the registration.
func (r *rig) checkFence() string {
	l := r.ledger()
	defer func() { _ = l.Release() }()
	j := r.giveEcho("before")
	r.setUp(func() { r.done(j, r.timeout()) })
	l.CloseAndCount()
	late := r.giveEcho("after the end")
	r.sayPing()
	r.wait(r.timeout(), func() bool { return r.find(is(protocol.CommandPong)) != nil || late.answer != nil })
	r.pause(startTime)
	if late.answer != nil {
		r.broken("expected no answer to a job that must not start, got %v", late.answer)
	}
	r.setUp(func() {
		r.evict()
		r.soon("REGISTER after ERROR 1", is(protocol.CommandRegister))
	})
	r.settle()
	if late.answer != nil {
		r.broken("expected no answer to a job that must not start, got %v", late.answer)
	}
	return "no answer, then it registered again"
}
