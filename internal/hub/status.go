// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"time"

	"github.com/powerhose/powerhose/internal/dispatch"
	"github.com/powerhose/powerhose/internal/version"
	"github.com/powerhose/powerhose/protocol"
)

// status is a snapshot of the master. Only in turn.
func (h *Hub) status() protocol.MasterStatus {
	core := h.core.Stats()
	s := protocol.MasterStatus{
		Identity: h.out.Identity, PID: h.out.PID, Host: h.out.Host, Version: version.Version,
		Uptime:   time.Duration(h.clock()).Seconds(),
		Frontend: h.cfg.Frontend.String(), Backend: h.cfg.Backend.String(),
		Draining: core.Draining,
		Jobs: protocol.JobStatus{
			Waiting: core.Waiting, WaitingBytes: core.WaitingBytes,
			Running: core.Running, Abandoned: core.Abandoned,
			Submitted: core.Submitted, Outcomes: map[string]uint64{},
		},
		Runners:  len(h.runners),
		Workers:  []protocol.WorkerStatus{},
		Services: []protocol.ServiceStatus{},
		Counters: protocol.CounterStatus{
			Assigned: core.Assigned, Redispatched: core.Redispatched, Retried: core.Retried,
			Returned: core.Returned, Late: core.Late, WorkersSeen: core.WorkersSeen,
			WorkersLost: core.WorkersLost, Evicted: core.Evicted,
			Malformed: h.counters.malformed, Refused: h.counters.refused, Unknown: h.counters.unknown,
		},
	}
	for o, n := range core.Outcomes {
		if n > 0 {
			s.Jobs.Outcomes[dispatch.Outcome(o).String()] = n
		}
	}
	for _, cw := range core.Workers {
		w := h.byWorkerID[cw.Worker]
		if w == nil {
			continue
		}
		s.Workers = append(s.Workers, protocol.WorkerStatus{
			ID: w.reg.Identity, PID: w.reg.PID, Host: w.reg.Host,
			Language: w.reg.Language, Version: w.reg.LibraryVersion,
			Services: w.reg.Services, Capacity: w.reg.Capacity,
			Prefetch: w.prefetch, Endpoint: w.reg.Endpoint,
			Draining: cw.Draining, Running: cw.Running, Done: cw.Done, Failed: cw.Failed,
			Age: h.now.Sub(w.since).Seconds(),
		})
	}
	for _, cs := range core.Services {
		s.Services = append(s.Services, protocol.ServiceStatus{
			Name: cs.Name, Workers: cs.Workers, Capacity: cs.Capacity, Waiting: cs.Waiting,
			TypicalRun: float64(cs.TypicalRun) / float64(time.Millisecond),
		})
	}
	return s
}
