// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// FuzzStep turns bytes into events, sensible or not, and checks the core and
// what it does after each.
func FuzzStep(f *testing.F) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		data := make([]byte, 50*seed)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		f.Add(data)
	}
	// Two workers, a measured service, prefetch, a stuck worker, a recall.
	busy := []byte{0, 1, 0, 1, 2, 1}
	for range enough {
		busy = append(busy, 8, 1, 0, 3, 3, 5, 0, 0)
	}
	for range 6 {
		busy = append(busy, 8, 1, 0, 3, 3)
	}
	f.Add(append(busy, 13, 4, 1, 2, 0, 13, 4, 6, 2, 4, 2, 1, 5, 0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 2000 {
			return
		}
		fz := &fuzzer{data: data}
		cfg := Config{
			Grace: time.Second, MaxWaiting: 1 + int(fz.byte())%32, MaxKills: 1 + int(fz.byte())%4,
			MaxWaitingBytes: 1 + int64(fz.byte())*4,
		}
		core, seen := New(cfg), newObserver(t, cfg)
		for len(fz.data) > 0 {
			ev := fz.event()
			if ev.Kind == EventSubmit {
				seen.prepare(&ev)
			}
			out := core.Step(fz.now, &ev, nil)
			check(t, core)
			seen.see(fz.now, ev, out)
			for _, a := range out {
				if a.Kind == ActionAssign {
					fz.given = append(fz.given, a)
				}
			}
		}
	})
}

type fuzzer struct {
	data  []byte
	now   Time
	given []Action
}

// byte takes the next byte; there are always more zeros.
func (fz *fuzzer) byte() byte {
	if len(fz.data) == 0 {
		return 0
	}
	b := fz.data[0]
	fz.data = fz.data[1:]
	return b
}

func (fz *fuzzer) event() Event {
	switch op := fz.byte() % 16; op {
	case 0:
		return Event{Kind: EventRunnerUp, Runner: fz.runner(), Local: fz.byte()%2 == 0}
	case 1, 2:
		b := fz.byte()
		return Event{
			Kind: EventWorkerUp, Worker: fz.worker(), Services: fz.services(),
			Capacity: int(b%4) + int(b/128)*20, Prefetch: int(b / 4 % 8),
		}
	case 3, 4, 5, 6, 7:
		return fz.answer(op)
	case 8, 9, 10:
		return fz.submit()
	case 11:
		return Event{
			Kind: EventWorkerDown, Worker: fz.worker(), Started: int64(fz.byte()) - 1,
		}
	case 12:
		return Event{Kind: EventCancel, Runner: fz.runner(), Tag: uint64(fz.byte() % 16)}
	case 13, 14:
		// From 1 µs to 9 s, mostly with a tick.
		b := fz.byte()
		fz.now = fz.now.Add(time.Microsecond << (b % 24))
		if b < 200 {
			return Event{Kind: EventTick}
		}
		return Event{Kind: EventWorkerBeat, Worker: fz.worker()}
	}
	switch b := fz.byte(); {
	case b < 80:
		return Event{Kind: EventWorkerDrain, Worker: fz.worker()}
	case b < 160:
		return Event{Kind: EventRunnerDown, Runner: fz.runner()}
	case b < 250:
		return Event{Kind: EventRunnerBeat, Runner: fz.runner()}
	default:
		return Event{Kind: EventDrain, Deadline: fz.now.Add(time.Second)}
	}
}

func (fz *fuzzer) runner() RunnerID { return RunnerID(fz.byte()%4 + 1) }
func (fz *fuzzer) worker() WorkerID { return WorkerID(fz.byte()%8 + 1) }

func (fz *fuzzer) services() []string {
	b := fz.byte()
	var names []string
	for i, name := range []string{"", "a", "b", "c"} {
		if b>>i&1 == 1 {
			names = append(names, name)
		}
	}
	if b&16 != 0 {
		slices.Reverse(names)
	}
	return names
}

// answer is for one of the latest assignments, changed a bit now and then.
func (fz *fuzzer) answer(op byte) Event {
	ev := Event{Kind: EventResult, Run: time.Duration(op-3) * time.Microsecond, Payload: []byte("x")}
	back, b := int(fz.byte())%16+1, fz.byte()
	if back <= len(fz.given) {
		a := fz.given[len(fz.given)-back]
		ev.Worker, ev.Job, ev.Attempt = a.Worker, a.Job, a.Attempt
	}
	switch b % 32 {
	case 1:
		ev.Worker = WorkerID(fz.byte() % 8)
	case 2:
		ev.Attempt += uint32(b / 32)
	case 3:
		ev.Job += JobID(b/32) << 32
	case 4:
		ev.Job += JobID(b / 32)
	case 5, 6, 7, 8, 9:
		ev.Kind, ev.Run, ev.Payload = EventReturned, 0, nil
	case 10, 11:
		ev.Run = time.Millisecond << (b / 32)
	case 12, 13:
		ev.Failed = true
	}
	return ev
}

func (fz *fuzzer) submit() Event {
	ev := Event{
		Kind: EventSubmit, Runner: fz.runner(), Tag: uint64(fz.byte() % 16),
		Service: []string{"", "a", "b", "c", "nobody's"}[fz.byte()%5],
	}
	b := fz.byte()
	if ev.Deadline = fz.now.Add(time.Millisecond << (b % 16)); b >= 240 {
		ev.Deadline = Never
	}
	ev.StartBy = ev.Deadline
	switch b / 16 % 4 {
	case 1:
		ev.StartBy = fz.now
	case 2:
		ev.StartBy = fz.now.Add(time.Millisecond)
	}
	ev.Retries = b / 64
	return ev
}
