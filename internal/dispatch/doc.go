// SPDX-License-Identifier: Apache-2.0

// Package dispatch decides which worker runs which job, and what every caller
// is told. It is a pure state machine: it has no sockets, no goroutines, no
// clock, no locks, no randomness and no logging. Events go in together with
// the time, actions come out:
//
//	out = core.Step(now, &event, out[:0])
//	for _, a := range out {
//		perform(a)
//	}
//	wait until core.NextDeadline(), then Step an EventTick
//
// The same events at the same times give the same actions, to the byte, which
// is what lets the simulation replay a run from its seed.
//
// # Who owns it
//
// A Core belongs to exactly one owner (internal/hub) that calls it from one
// place at a time. It keeps no reference to an Event or to the slice of
// actions, but it does keep the payload and headers of a job until that job's
// outcome is known: the owner must not change them.
//
// # The life of a job
//
//	        EventSubmit
//	             │ refused at once ─────────────► ActionReply (busy, no worker, closed)
//	             ▼
//	  ┌────── waiting ──── startBy passed ──────► ActionReply (timed out waiting, no worker)
//	  │          │  ▲ └─── EventCancel ─────────► ActionReply (cancelled)
//	  │          │  │ returned, or its worker was lost before it started,
//	  │          │  │ or it may be retried
//	  │          ▼  │
//	  │       assigned ─── EventResult ─────────► ActionReply (ok, job error)
//	  │          │    └─── worker lost ─────────► ActionReply (worker lost)
//	  │          │ deadline or EventCancel ─────► ActionReply (timed out running, cancelled)
//	  │          ▼
//	  │      abandoned: its caller has its answer, its worker has not finished;
//	  │          │ it keeps its place on the worker until a result, a return,
//	  ▼          ▼ or the end of the grace, when the worker is evicted
//	(gone)    (gone)
//
// # The life of a worker
//
//	EventWorkerUp ─► ready ─► draining (EventWorkerDrain) ─► ActionBye, gone
//	                   │           │
//	                   ▼           ▼
//	                evicting (ActionEvict) ─► EventWorkerDown, gone
//
// An eviction takes two steps because only the owner can fence a worker: it
// performs ActionEvict, learns from the worker's start ledger how many jobs can
// have started, and reports EventWorkerDown with that number.
package dispatch
