// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/powerhose/powerhose/protocol"
)

// workerSim is a Worker, its edge, a link that breaks, and a master that gives
// jobs, takes them back, evicts and dies. It checks what the worker promises
// after every step, above all that no job is ever started twice, although the
// master gives jobs again that it knows have not started.
type workerSim struct {
	t   *rapid.T
	cfg WorkerConfig
	w   *Worker
	now time.Duration

	// The link. What is on its way is lost with it.
	linked   bool
	toWorker [][][]byte
	toMaster []simMessage

	// The edge.
	ledger  *simLedger
	running map[int]protocol.JobRef // by slot
	last    uint64                  // number started last in this registration
	ended   bool
	reason  WorkerReason
	drained bool // DRAIN was sent

	// The master. Its registration is of the current connection.
	up       bool
	grants   bool // whether it reads the ledger
	theirs   *simLedger
	draining bool
	order    []protocol.JobRef // sent in this registration, by number
	open     map[uint64]uint32 // not answered: attempt by id
	pending  []uint64          // to be given to somebody
	nextID   uint64
	attempts map[uint64]uint32
	starts   map[uint64]int // how often the handler was called
	trace    []string
	answered map[uint64]int
}

type simMessage struct {
	cmd    protocol.Command
	ref    protocol.JobRef
	ledger *simLedger
}

type simLedger struct {
	claimed uint64
	closed  bool
}

func newWorkerSim(t *rapid.T) *workerSim {
	cfg := WorkerConfig{
		Services: []string{""},
		Capacity: rapid.IntRange(1, 3).Draw(t, "capacity"), Prefetch: rapid.IntRange(0, 4).Draw(t, "prefetch"),
		Patience: protocol.Patience, DrainTimeout: time.Minute,
	}
	return &workerSim{
		t: t, cfg: cfg, w: NewWorker(0, cfg), grants: rapid.Bool().Draw(t, "ledger"),
		running: map[int]protocol.JobRef{}, open: map[uint64]uint32{},
		attempts: map[uint64]uint32{}, starts: map[uint64]int{}, answered: map[uint64]int{},
	}
}

// fail ends the run and shows the way there.
func (s *workerSim) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("%s, after:\n%s", fmt.Sprintf(format, args...), strings.Join(s.trace[max(0, len(s.trace)-60):], "\n"))
}

func (s *workerSim) note(format string, args ...any) {
	s.trace = append(s.trace, fmt.Sprintf("%v "+format, append([]any{s.now}, args...)...))
}

func (s *workerSim) step(ev WorkerEvent) {
	actions := s.w.Step(s.now, &ev, nil)
	for i := 0; i < len(actions); i++ {
		s.note("worker: %s", workerWords(&actions[i]))
		if s.ended {
			s.fail("an action after the end: %s", workerWords(&actions[i]))
		}
		if next := s.perform(&actions[i]); next != nil {
			actions = s.w.Step(s.now, next, actions)
		}
	}
	if at, ok := s.w.NextDeadline(); ok == s.ended {
		s.fail("a deadline at %v after the end, or none before it", at)
	}
}

// perform does what an edge would do, and returns the event that follows.
func (s *workerSim) perform(a *WorkerAction) *WorkerEvent {
	switch a.Kind {
	case WorkerRegister:
		if len(s.running) > 0 {
			s.fail("REGISTER while %d jobs run", len(s.running))
		}
		s.ledger, s.last = &simLedger{}, 0
		return s.sendToMaster(simMessage{cmd: protocol.CommandRegister, ledger: s.ledger})
	case WorkerSend:
		if a.Command == protocol.CommandDrain {
			if s.drained {
				s.fail("DRAIN was sent twice")
			}
			s.drained = true
		}
		return s.sendToMaster(simMessage{cmd: a.Command})
	case WorkerReturn:
		return s.sendToMaster(simMessage{cmd: protocol.CommandReturn, ref: a.Ref})
	case WorkerResult:
		return s.sendToMaster(simMessage{cmd: protocol.CommandResult, ref: a.Ref})
	case WorkerStart:
		return s.start(a)
	case WorkerReconnect:
		s.disconnect()
	case WorkerEnd:
		s.ended, s.reason = true, a.Reason
	case WorkerUp, WorkerDown, WorkerCancel, WorkerDropped:
	}
	return nil
}

func (s *workerSim) start(a *WorkerAction) *WorkerEvent {
	if _, ok := s.running[a.Slot]; ok || a.Slot >= s.cfg.Capacity {
		s.fail("job %d starts in slot %d, which is taken", a.Job.ID, a.Slot)
	}
	if a.Job.Number <= s.last {
		s.fail("job %d starts as number %d after %d", a.Job.ID, a.Job.Number, s.last)
	}
	s.last = a.Job.Number
	if s.grants {
		if s.ledger.closed {
			return &WorkerEvent{Kind: WorkerFenced, Slot: a.Slot}
		}
		s.ledger.claimed = a.Job.Number
	}
	s.running[a.Slot] = refOf(a.Job)
	s.starts[a.Job.ID]++
	if s.starts[a.Job.ID] > 1 {
		s.fail("job %d started twice", a.Job.ID)
	}
	return nil
}

func (s *workerSim) sendToMaster(m simMessage) *WorkerEvent {
	if !s.linked {
		return &WorkerEvent{Kind: WorkerUnsent}
	}
	s.toMaster = append(s.toMaster, m)
	return nil
}

func (s *workerSim) sendToWorker(frames [][]byte) {
	if s.linked {
		s.toWorker = append(s.toWorker, frames)
	}
}

func (s *workerSim) connect() {
	s.note("link")
	s.linked = true
	s.sendToWorker(probe())
}

// disconnect breaks the link, which the master notices at once or, if it is
// slow, with the next connection: either way before it talks to it.
func (s *workerSim) disconnect() {
	s.note("unlink")
	s.linked, s.toWorker, s.toMaster = false, nil, nil
	s.loseWorker()
}

// loseWorker is what a master does with a worker that is gone.
func (s *workerSim) loseWorker() {
	if !s.up {
		return
	}
	s.note("master loses the worker")
	s.up = false
	started := uint64(len(s.order))
	if s.theirs != nil {
		s.theirs.closed = true
		started = min(started, s.theirs.claimed)
	}
	for i, ref := range s.order {
		if attempt, ok := s.open[ref.ID]; ok && attempt == ref.Attempt && uint64(i) >= started {
			s.pending = append(s.pending, ref.ID)
		}
	}
	clear(s.open)
	s.order = nil
}

// master handles one message of the worker.
func (s *workerSim) master(m simMessage) {
	s.note("master gets %s %d", m.cmd, m.ref.ID)
	if !s.up && m.cmd != protocol.CommandRegister {
		if m.cmd != protocol.CommandBye {
			s.sendToWorker(peerError(protocol.CodeUnregistered))
		}
		return
	}
	switch m.cmd {
	case protocol.CommandRegister:
		s.loseWorker()
		s.up, s.draining, s.theirs = true, false, nil
		if s.grants {
			s.theirs = m.ledger
		}
		s.sendToWorker(welcome())
	case protocol.CommandPing:
		s.sendToWorker(pong())
	case protocol.CommandResult:
		if s.close(m.ref) {
			s.answered[m.ref.ID]++
		}
	case protocol.CommandReturn:
		if s.starts[m.ref.ID] > 0 {
			s.fail("job %d was started and returned", m.ref.ID)
		}
		if s.close(m.ref) {
			s.pending = append(s.pending, m.ref.ID)
		}
	case protocol.CommandDrain:
		s.draining = true
	case protocol.CommandBye:
		s.loseWorker()
	}
	if s.draining && len(s.open) == 0 {
		s.draining, s.up = false, false
		s.sendToWorker(bye())
	}
}

func (s *workerSim) close(ref protocol.JobRef) bool {
	if attempt, ok := s.open[ref.ID]; !ok || attempt != ref.Attempt {
		return false
	}
	delete(s.open, ref.ID)
	return true
}

// give sends jobs to the worker: waiting ones first.
func (s *workerSim) give(n int) {
	var refs []protocol.JobRef
	for range n {
		if !s.up || s.draining || len(s.open) >= s.cfg.Capacity+s.cfg.Prefetch {
			break
		}
		var id uint64
		if len(s.pending) > 0 {
			id, s.pending = s.pending[0], s.pending[1:]
		} else {
			s.nextID++
			id = s.nextID
		}
		s.attempts[id]++
		ref := protocol.JobRef{ID: id, Attempt: s.attempts[id]}
		s.open[id] = ref.Attempt
		s.order = append(s.order, ref)
		refs = append(refs, ref)
		s.note("master sends job %d/%d", ref.ID, ref.Attempt)
	}
	switch len(refs) {
	case 0:
	case 1:
		s.sendToWorker(jobWith(protocol.WorkerJob{ID: refs[0].ID, Attempt: refs[0].Attempt, TimeLeft: time.Minute}))
	default:
		frame := protocol.AppendBatchHeader(nil, protocol.RoleWorker)
		for _, ref := range refs {
			frame, _ = protocol.WorkerJob{ID: ref.ID, Attempt: ref.Attempt, TimeLeft: time.Minute}.AppendRecord(frame, nil)
		}
		s.sendToWorker([][]byte{frame})
	}
}

func (s *workerSim) receiveOne() {
	if len(s.toWorker) > 0 && !s.ended {
		frames := s.toWorker[0]
		s.toWorker = s.toWorker[1:]
		s.step(WorkerEvent{Kind: WorkerReceived, Frames: frames})
	}
}

func (s *workerSim) masterOne() {
	if len(s.toMaster) > 0 {
		m := s.toMaster[0]
		s.toMaster = s.toMaster[1:]
		s.master(m)
	}
}

func (s *workerSim) finish(pick int) {
	slots := make([]int, 0, len(s.running))
	for slot := range s.running {
		slots = append(slots, slot)
	}
	if len(slots) == 0 {
		return
	}
	slices.Sort(slots)
	slot := slots[pick%len(slots)]
	delete(s.running, slot)
	s.step(WorkerEvent{Kind: WorkerDone, Slot: slot})
}

// pass lets time pass, with a tick at every deadline unless the worker sleeps.
func (s *workerSim) pass(d time.Duration, asleep bool) {
	end := s.now + d
	for !asleep {
		at, ok := s.w.NextDeadline()
		if !ok || at > end {
			break
		}
		s.now = max(s.now, at) // it may be overdue after a sleep
		s.step(WorkerEvent{Kind: WorkerTick})
		if next, ok := s.w.NextDeadline(); ok && next <= s.now {
			s.fail("a tick at %v leads to one at %v", s.now, next)
		}
	}
	s.now = end
}

func (s *workerSim) chance(op, pick int) {
	switch op {
	case 0:
		if s.linked {
			s.disconnect()
		}
	case 1, 2:
		if !s.linked {
			s.connect()
		}
	case 3: // the master evicts, or comes back without memory
		s.loseWorker()
	case 4, 5, 6, 7:
		s.give(pick%4 + 1)
	case 8, 9, 10, 11:
		s.receiveOne()
	case 12, 13, 14:
		s.masterOne()
	case 15, 16, 17:
		s.finish(pick)
	case 18:
		s.pass(time.Duration(pick)*ms, false)
	case 19:
		s.pass(time.Duration(pick)*10*ms, true)
	case 20, 21:
		if s.up && len(s.order) > 0 {
			cmd := []protocol.Command{protocol.CommandCancel, protocol.CommandRecall}[op-20]
			ref := s.order[pick%len(s.order)]
			s.sendToWorker(reference(cmd, ref.ID, ref.Attempt))
		}
	case 22:
		if s.up {
			s.sendToWorker(ping())
		}
	case 23:
		if pick == 0 {
			s.step(WorkerEvent{Kind: WorkerDrain})
		}
	}
}

// settle lets the link and all handlers work until everything is quiet.
func (s *workerSim) settle() {
	for range 10_000 {
		if !s.linked && !s.ended {
			s.connect()
		}
		quiet := len(s.toWorker)+len(s.toMaster)+len(s.running) == 0
		if s.ended && len(s.running) == 0 || quiet && s.up && s.w.Registered() {
			return
		}
		s.receiveOne()
		s.masterOne()
		s.finish(0)
		s.pass(ms, false)
	}
	s.fail("it never settles")
}

func TestWorkerSimulation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newWorkerSim(t)
		for i, draw := range rapid.SliceOfN(rapid.Uint64(), 300, 1000).Draw(t, "ops") {
			// rapid prefers small numbers, which shrinks well and explores badly.
			r := rand.New(rand.NewPCG(draw, uint64(i)))
			s.chance(r.IntN(24), r.IntN(300))
			if len(s.running) > s.cfg.Capacity || s.w.Running() != len(s.running) {
				t.Fatalf("%d jobs run, the worker says %d", len(s.running), s.w.Running())
			}
		}
		s.settle()
		if s.ended {
			return
		}
		// It works again: a new job is done, then it drains.
		s.give(1)
		s.settle()
		if id := s.order[len(s.order)-1].ID; s.answered[id] != 1 {
			t.Fatalf("job %d was answered %d times", id, s.answered[id])
		}
		s.step(WorkerEvent{Kind: WorkerDrain})
		s.settle()
		if !s.ended || s.reason != WorkerDrained {
			t.Fatalf("a drain without the end, or with a bad one: %s", s.reason)
		}
	})
}

// Whatever a master sends, a worker keeps its invariants.
func FuzzWorkerReceives(f *testing.F) {
	for _, seed := range [][][]byte{
		probe(), welcome(), job(1), batchOf(2, 3), reference(protocol.CommandCancel, 1, 1),
		peerError(protocol.CodeUnregistered), ping(), bye(),
	} {
		second := []byte(nil)
		if len(seed) == 2 {
			second = seed[1]
		}
		f.Add(seed[0], second, len(seed))
	}
	f.Fuzz(func(t *testing.T, first, second []byte, frames int) {
		w := NewWorker(0, testWorker)
		fuzzed := [][]byte{first, second, nil}[:min(max(frames, 1), 3)]
		for i, message := range [][][]byte{probe(), welcome(), fuzzed, job(9)} {
			w.Step(time.Duration(i)*ms, &WorkerEvent{Kind: WorkerReceived, Frames: message}, nil)
			if w.Running() > 1 || w.Waiting() > testWorker.Prefetch {
				t.Fatalf("%d run and %d wait", w.Running(), w.Waiting())
			}
		}
	})
}
