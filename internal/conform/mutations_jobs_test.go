// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/powerhose/powerhose/internal/session"
	"github.com/powerhose/powerhose/protocol"
)

// wrongReceivers take what they should drop.
var wrongReceivers = []mutation{
	{name: "dies of garbage", breaks: rules(20), hooks: hears(func(m *mutant, frames [][]byte) [][]byte {
		if len(frames[0]) > 0 && !strings.HasPrefix(string(frames[0]), "PHZ") {
			m.status = 7
			return nil
		}
		return frames
	})},
	{name: "takes any version", breaks: rules(7), hooks: hears(func(_ *mutant, frames [][]byte) [][]byte {
		if len(frames[0]) >= protocol.HeaderSize && string(frames[0][:3]) == "PHZ" {
			frames[0][3] = protocol.Version
		}
		return frames
	})},
	{name: "takes any role", breaks: rules(8), hooks: hears(func(_ *mutant, frames [][]byte) [][]byte {
		if len(frames[0]) >= protocol.HeaderSize && string(frames[0][:3]) == "PHZ" {
			frames[0][4] = byte(protocol.RoleWorker)
		}
		return frames
	})},
	{name: "takes no ERROR of the other role", breaks: rules(8), hooks: hears(func(_ *mutant, frames [][]byte) [][]byte {
		if head, _, err := protocol.ParseHeader(frames[0]); err == nil && head.Role == protocol.RoleRunner {
			return nil
		}
		return frames
	})},
	{name: "answers commands that it does not know", breaks: rules(9), strays: true, hooks: hears(func(m *mutant, frames [][]byte) [][]byte {
		if head, _, err := protocol.ParseHeader(frames[0]); err == nil && m.up && head.Role == protocol.RoleWorker && !head.Command.Known() {
			m.send("", command(protocol.CommandPong))
		}
		return frames
	})},
	{name: "does not count frames", breaks: rules(10), hooks: hears(func(_ *mutant, frames [][]byte) [][]byte {
		if isCommand(frames, protocol.CommandPing) {
			return frames[:1]
		}
		return frames
	})},
	{name: "reads no further than it must", breaks: rules(11), hooks: hears(func(_ *mutant, frames [][]byte) [][]byte {
		if isCommand(frames, protocol.CommandPing) && len(frames) == 1 {
			return [][]byte{frames[0][:protocol.HeaderSize]}
		}
		return frames
	})},
	{name: "returns jobs that are too large", breaks: rules(12), hooks: hears(func(m *mutant, frames [][]byte) [][]byte {
		if isCommand(frames, protocol.CommandJob) && len(frames) == 2 {
			job, err := protocol.ParseWorkerJob(frames[0][protocol.HeaderSize:])
			if err != nil && strings.Contains(err.Error(), "limit") {
				m.send("", protocol.JobRef{ID: job.ID, Attempt: job.Attempt}.Append(nil, protocol.CommandReturn))
			}
		}
		return frames
	})},
	{name: "returns jobs with impossible services", breaks: rules(38), hooks: hears(func(m *mutant, frames [][]byte) [][]byte {
		if isCommand(frames, protocol.CommandJob) && len(frames) == 2 {
			job, err := protocol.ParseWorkerJob(frames[0][protocol.HeaderSize:])
			if err != nil && strings.Contains(err.Error(), "service name: not printable") {
				m.send("", protocol.JobRef{ID: job.ID, Attempt: job.Attempt}.Append(nil, protocol.CommandReturn))
			}
		}
		return frames
	})},
	{name: "takes no large frames", breaks: rules(4), hooks: mutant{configure: func(m *mutant, _ *session.WorkerConfig) {
		m.options.MaxMessage = 2 << 20
	}}},
	{name: "takes a time beyond its numbers for one that is over", breaks: rules(39), hooks: hears(func(_ *mutant, frames [][]byte) [][]byte {
		if isCommand(frames, protocol.CommandJob) && len(frames[0]) > 26 && frames[0][18] == math.MaxUint8 {
			copy(frames[0][18:26], make([]byte, 8))
		}
		return frames
	})},
	{name: "goes on after a malformed record", breaks: rules(18), hooks: mutant{hear: func(m *mutant, frames [][]byte) [][]byte {
		return records(m, frames, math.MaxInt)
	}}},
	{name: "reads one record of a batch", breaks: rules(17), hooks: mutant{hear: func(m *mutant, frames [][]byte) [][]byte {
		return records(m, frames, 1)
	}}},
}

// records hands on the first records of a batch as messages of their own.
func records(m *mutant, frames [][]byte, most int) [][]byte {
	if !isCommand(frames, protocol.CommandBatch) {
		return frames
	}
	batch := protocol.ReadBatch(frames[0][protocol.HeaderSize:])
	for range most {
		cmd, fields, payload, ok := batch.Next()
		if !ok {
			break
		}
		m.step(session.WorkerEvent{Kind: session.WorkerReceived, Frames: [][]byte{append(command(cmd), fields...), payload}})
	}
	return nil
}

// wrongWorkers do jobs in a wrong way.
var wrongWorkers = []mutation{
	{name: "echoes another attempt", breaks: rules(36), hooks: tells(func(res *protocol.WorkerResult, payload []byte) []byte {
		res.Attempt++
		return payload
	})},
	{name: "answers twice", breaks: rules(36), strays: true, hooks: does(session.WorkerResult, func(m *mutant, a *session.WorkerAction) bool {
		m.box = append(m.box, m.slots[a.Slot])
		return false
	})},
	{name: "drops empty jobs", breaks: rules(36), hooks: hears(func(_ *mutant, frames [][]byte) [][]byte {
		if isCommand(frames, protocol.CommandJob) && len(frames) == 2 && len(frames[1]) == 0 {
			return nil
		}
		return frames
	})},
	{name: "drops jobs that are over", breaks: rules(36), hooks: hears(func(_ *mutant, frames [][]byte) [][]byte {
		if isCommand(frames, protocol.CommandJob) && len(frames[0]) > 26 && bytes.Equal(frames[0][18:26], make([]byte, 8)) {
			return nil
		}
		return frames
	})},
	{name: "works with texts", breaks: rules(4, 40), hooks: tells(func(_ *protocol.WorkerResult, payload []byte) []byte {
		if !utf8.Valid(payload) {
			return []byte(strings.ToValidUTF8(string(payload), "?"))
		}
		return payload
	})},
	{name: "says that failures are results", breaks: rules(40, 41), hooks: tells(func(res *protocol.WorkerResult, payload []byte) []byte {
		res.Status = protocol.StatusOK
		return payload
	})},
	{name: "counts in other units", breaks: rules(40), hooks: tells(func(res *protocol.WorkerResult, payload []byte) []byte {
		res.Run /= 1000
		return payload
	})},
	{name: "sends results that are too long", breaks: rules(4, 41), hooks: mutant{configure: func(m *mutant, _ *session.WorkerConfig) {
		m.number = keepLong
	}}},
	{name: "sends results in one frame", breaks: rules(10), hooks: does(session.WorkerResult, func(m *mutant, a *session.WorkerAction) bool {
		s := m.slots[a.Slot]
		m.send(a.Peer, s.res.Append(nil))
		return true
	})},
	{name: "fails jobs of unknown services", breaks: rules(42), hooks: mutant{
		hear: func(m *mutant, frames [][]byte) [][]byte {
			if isCommand(frames, protocol.CommandJob) && len(frames) == 2 {
				job, err := protocol.ParseWorkerJob(frames[0][protocol.HeaderSize:])
				m.number = 0
				if err == nil && !slices.Contains(m.reg.Services, string(job.Service)) {
					m.number = 1
				}
			}
			return frames
		},
		do: func(m *mutant, a *session.WorkerAction) bool {
			if a.Kind != session.WorkerReturn || m.number == 0 {
				return false
			}
			m.number = 0
			m.flush()
			m.send(a.Peer, protocol.WorkerResult{ID: a.Ref.ID, Attempt: a.Ref.Attempt, Status: protocol.StatusError}.Append(nil), []byte("no such service"))
			return true
		},
	}},
	{name: "runs jobs backwards", breaks: rules(35), hooks: backwards()},
	{name: "runs one job at a time", breaks: rules(35), hooks: mutant{configure: func(_ *mutant, cfg *session.WorkerConfig) {
		cfg.Capacity, cfg.Prefetch = 1, cfg.Prefetch+cfg.Capacity-1
	}}},
	{name: "runs more jobs than its capacity", breaks: rules(35), hooks: mutant{configure: func(_ *mutant, cfg *session.WorkerConfig) {
		cfg.Capacity, cfg.Prefetch = cfg.Capacity+cfg.Prefetch, 0
	}}},
	{name: "sends no result of a cancelled job", breaks: rules(43), hooks: does(session.WorkerCancel, func(m *mutant, a *session.WorkerAction) bool {
		if a.Reason == session.WorkerCancelled {
			m.slots[a.Slot].silent = true
		}
		return false
	})},
	{name: "returns running jobs that are recalled", breaks: rules(44), hooks: hears(func(m *mutant, frames [][]byte) [][]byte {
		if isCommand(frames, protocol.CommandRecall) && len(frames) == 1 {
			ref, err := protocol.ParseJobRef(frames[0][protocol.HeaderSize:])
			for i := range m.slots {
				if s := &m.slots[i]; err == nil && s.running && s.res.ID == ref.ID && s.res.Attempt == ref.Attempt {
					m.send("", ref.Append(nil, protocol.CommandReturn))
					s.silent = true
				}
			}
		}
		return frames
	})},
	{name: "returns whatever is called off", breaks: rules(36, 43, 44), strays: true, hooks: hears(func(m *mutant, frames [][]byte) [][]byte {
		if isCommand(frames, protocol.CommandCancel) || isCommand(frames, protocol.CommandRecall) {
			if ref, err := protocol.ParseJobRef(frames[0][protocol.HeaderSize:]); err == nil && ref.ID == 1 {
				m.send("", ref.Append(nil, protocol.CommandReturn))
			}
		}
		return frames
	})},
	{name: "sends batches that nobody granted", breaks: rules(19), hooks: does(session.WorkerResult, func(m *mutant, a *session.WorkerAction) bool {
		s := m.slots[a.Slot]
		if len(s.payload) > 1000 {
			return false
		}
		frame, err := s.res.AppendRecord(command(protocol.CommandBatch), s.payload)
		check0(err)
		m.send(a.Peer, frame)
		return true
	})},

	// Ledger and own socket.
	{name: "starts jobs although its ledger is closed", breaks: rules(70), hooks: does(session.WorkerStart, func(m *mutant, a *session.WorkerAction) bool {
		if !m.claim(a.Job.Number) {
			m.dropLedger()
		}
		return false
	})},
	{name: "claims nothing", breaks: rules(70), hooks: does(session.WorkerUp, func(m *mutant, a *session.WorkerAction) bool {
		m.registered(a)
		m.welcome.Ledger = false
		return true
	})},
	{name: "counts started jobs only", breaks: rules(70), hooks: does(session.WorkerStart, func(m *mutant, a *session.WorkerAction) bool {
		a.Job.Number = m.claimed + 1
		return false
	})},
	{name: "has a ledger that others may read", breaks: rules(69), hooks: mutant{configure: func(m *mutant, _ *session.WorkerConfig) {
		m.ledgerMode = 0o644
	}}},
	{name: "listens at the same endpoint again", breaks: rules(74), hooks: does(session.WorkerRegister, func(m *mutant, _ *session.WorkerAction) bool {
		m.listening = 0
		return false
	})},
	{name: "sends results over the wrong connection", breaks: rules(75), hooks: does(session.WorkerResult, func(m *mutant, a *session.WorkerAction) bool {
		m.slots[a.Slot].peer = ""
		return false
	})},
}

// backwards lets the session start what it likes, and takes what waits from the
// end.
func backwards() mutant {
	return mutant{
		configure: func(_ *mutant, cfg *session.WorkerConfig) {
			cfg.Capacity, cfg.Prefetch = cfg.Capacity+cfg.Prefetch, 0
		},
		do: func(m *mutant, a *session.WorkerAction) bool {
			busy := 0
			for i := range m.slots {
				if m.slots[i].running {
					busy++
				}
			}
			switch {
			case a.Kind == session.WorkerStart && busy == m.reg.Capacity:
				m.slots[a.Slot] = answer{res: protocol.WorkerResult{ID: a.Job.ID, Attempt: a.Job.Attempt}, peer: a.Peer}
				m.queue = append(m.queue, *a)
				return true
			case a.Kind == session.WorkerResult && len(m.queue) > 0:
				last := m.queue[len(m.queue)-1]
				m.queue = m.queue[:len(m.queue)-1]
				m.start(&last)
			case a.Kind == session.WorkerCancel:
				m.unqueue(a.Slot)
			}
			return false
		},
		hear: func(m *mutant, frames [][]byte) [][]byte {
			if isCommand(frames, protocol.CommandCancel) || isCommand(frames, protocol.CommandRecall) {
				ref, err := protocol.ParseJobRef(frames[0][protocol.HeaderSize:])
				for i := range m.slots {
					if res := m.slots[i].res; err == nil && res.ID == ref.ID && res.Attempt == ref.Attempt && m.unqueue(i) {
						m.slots[i].silent = true
						m.send("", ref.Append(nil, protocol.CommandReturn))
						return nil
					}
				}
			}
			return frames
		},
	}
}

// unqueue ends a job that waits, as if its handler had returned.
func (m *mutant) unqueue(slot int) bool {
	i := slices.IndexFunc(m.queue, func(a session.WorkerAction) bool { return a.Slot == slot })
	if i < 0 {
		return false
	}
	m.queue = slices.Delete(m.queue, i, i+1)
	m.done <- outcome{slot: slot}
	return true
}

// wrongLeavers leave in a wrong way.
var wrongLeavers = []mutation{
	{name: "ignores SIGTERM", breaks: rules(59), hooks: onTerm(func(*mutant) {})},
	{name: "exits without DRAIN", breaks: rules(59), hooks: onTerm(func(m *mutant) { m.status = 0 })},
	{name: "says BYE in place of DRAIN", breaks: rules(22, 59), hooks: onTerm(func(m *mutant) {
		m.send("", command(protocol.CommandBye))
		m.status = 0
	})},
	{name: "leaves before BYE", breaks: rules(59), hooks: does(session.WorkerSend, func(m *mutant, a *session.WorkerAction) bool {
		if a.Command == protocol.CommandDrain {
			m.send(a.Peer, command(a.Command))
			m.status = 0
		}
		return false
	})},
	{name: "does not leave at BYE", breaks: rules(59, 60), hooks: mutant{
		do: func(m *mutant, a *session.WorkerAction) bool {
			if a.Kind == session.WorkerSend && a.Command == protocol.CommandDrain {
				m.number = 1
			}
			return false
		},
		hear: func(m *mutant, frames [][]byte) [][]byte {
			if m.number == 1 && isCommand(frames, protocol.CommandBye) {
				return nil
			}
			return frames
		},
	}},
	{name: "leaves with a status that is not 0", breaks: rules(59, 60), hooks: does(session.WorkerEnd, func(m *mutant, _ *session.WorkerAction) bool {
		m.status = 4
		return true
	})},
	{name: "ignores BYE", breaks: rules(21, 59, 60, 62), hooks: hears(func(_ *mutant, frames [][]byte) [][]byte {
		if isCommand(frames, protocol.CommandBye) {
			return nil
		}
		return frames
	})},
	{name: "sends results after BYE", breaks: rules(62), strays: true, hooks: mutant{
		hear: func(m *mutant, frames [][]byte) [][]byte {
			if isCommand(frames, protocol.CommandBye) && m.session.Running() > 0 {
				m.number = 1
			}
			return frames
		},
		round: func(m *mutant) {
			for i := range m.slots {
				if s := &m.slots[i]; m.number == 1 && s.finished && m.up {
					m.number = 0
					m.sendResult(*s)
				}
			}
		},
	}},
}
