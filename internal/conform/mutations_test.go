// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/powerhose/powerhose/internal/session"
	"github.com/powerhose/powerhose/protocol"
)

// mutation is one thing that a worker does wrong.
type mutation struct {
	name   string
	breaks []Rule // what the kit must find broken, and nothing else
	// strays says that what it sends too much may arrive late, in the middle of a
	// check of something else, which then finds itself broken too.
	strays bool
	hooks  mutant
}

func (x mutation) install(m *mutant) {
	h := x.hooks
	m.configure, m.hear, m.do, m.tell, m.round, m.told = h.configure, h.hear, h.do, h.tell, h.round, h.told
}

// isCommand tells whether a message is of this command.
func isCommand(frames [][]byte, cmd protocol.Command) bool {
	head, _, err := protocol.ParseHeader(frames[0])
	return err == nil && head.Role == protocol.RoleWorker && head.Command == cmd
}

func skips(kind session.WorkerActionKind, cmd protocol.Command) mutant {
	return mutant{do: func(_ *mutant, a *session.WorkerAction) bool { return a.Kind == kind && a.Command == cmd }}
}

func hears(change func(m *mutant, frames [][]byte) [][]byte) mutant { return mutant{hear: change} }

func does(kind session.WorkerActionKind, instead func(m *mutant, a *session.WorkerAction) bool) mutant {
	return mutant{do: func(m *mutant, a *session.WorkerAction) bool { return a.Kind == kind && instead(m, a) }}
}

func tells(change func(res *protocol.WorkerResult, payload []byte) []byte) mutant {
	return mutant{tell: func(_ *mutant, res *protocol.WorkerResult, payload []byte) []byte { return change(res, payload) }}
}

func onTerm(f func(m *mutant)) mutant {
	return mutant{told: func(m *mutant) bool { f(m); return true }}
}

// ownPings replaces the session's PINGs.
func ownPings(every func(m *mutant) time.Duration) mutant {
	h := skips(session.WorkerSend, protocol.CommandPing)
	h.round = func(m *mutant) {
		if !m.up {
			m.at = time.Now()
		} else if time.Since(m.at) >= every(m) {
			m.at = time.Now()
			m.send("", command(protocol.CommandPing))
		}
	}
	return h
}

var mutations = slices.Concat(rightOnes, wrongHeartbeats, wrongRegistrations, wrongReceivers, wrongWorkers, wrongLeavers)

// rightOnes break nothing, whatever they offer.
var rightOnes = []mutation{
	{name: "none"},
	{name: "offers echo, and nothing else", hooks: mutant{configure: func(m *mutant, cfg *session.WorkerConfig) {
		m.plain(cfg, "echo")
	}}},
	{name: "offers only the default service", hooks: mutant{configure: func(m *mutant, cfg *session.WorkerConfig) {
		m.plain(cfg, "")
	}}},
}

var wrongHeartbeats = []mutation{
	{name: "never pings", breaks: rules(52), hooks: skips(session.WorkerSend, protocol.CommandPing)},
	{name: "pings each second, whatever WELCOME says", breaks: rules(30, 52), hooks: ownPings(func(*mutant) time.Duration { return time.Second })},
	{name: "pings far too often", breaks: rules(30, 52), hooks: ownPings(func(*mutant) time.Duration { return 20 * time.Millisecond })},
	{name: "does not answer PING", breaks: rules(53), hooks: skips(session.WorkerSend, protocol.CommandPong)},
	{name: "pings only while it is idle", breaks: rules(52), hooks: mutant{do: func(m *mutant, a *session.WorkerAction) bool {
		return a.Kind == session.WorkerSend && a.Command == protocol.CommandPing && m.session.Running() > 0
	}}},
	{name: "does not mind silence", breaks: rules(58), hooks: does(session.WorkerReconnect, func(_ *mutant, a *session.WorkerAction) bool {
		return a.Reason == session.WorkerSilent || a.Reason == session.WorkerUnanswered
	})},
	{name: "takes computing for silence", breaks: rules(56, 58), hooks: does(session.WorkerResult, func(m *mutant, a *session.WorkerAction) bool {
		s := m.slots[a.Slot]
		if s.res.Run < time.Second || m.welcome.Heartbeat >= time.Second {
			return false
		}
		m.sendResult(s)
		m.step(session.WorkerEvent{Kind: session.WorkerUnsent})
		m.perform(&session.WorkerAction{Kind: session.WorkerReconnect})
		return true
	})},
	{name: "never gives up", breaks: rules(58), hooks: mutant{configure: func(_ *mutant, cfg *session.WorkerConfig) {
		cfg.Patience = time.Hour
	}}},
	{name: "gives up too soon", breaks: rules(58), hooks: mutant{configure: func(_ *mutant, cfg *session.WorkerConfig) {
		cfg.Patience = 2 * time.Second
	}}},
	{name: "waits for WELCOME for ever", breaks: rules(25), hooks: does(session.WorkerReconnect, func(_ *mutant, a *session.WorkerAction) bool {
		return a.Reason == session.WorkerUnanswered
	})},
}

var wrongRegistrations = []mutation{
	{name: "registers twice", breaks: rules(21), strays: true, hooks: does(session.WorkerRegister, func(m *mutant, _ *session.WorkerAction) bool {
		m.register()
		frame, err := protocol.AppendRegister(nil, protocol.RoleWorker, m.reg)
		check0(err)
		m.send("", frame)
		return true
	})},
	{name: "does not register after ERROR 1", breaks: rules(8, 21), hooks: hears(func(m *mutant, frames [][]byte) [][]byte {
		head, fields, err := protocol.ParseHeader(frames[0])
		if err == nil && head.Command == protocol.CommandError && len(fields) > 0 && fields[0] == byte(protocol.CodeUnregistered) {
			return nil
		}
		return frames
	})},
	{name: "registers on the same connection again", breaks: rules(21), strays: true, hooks: hears(func(m *mutant, frames [][]byte) [][]byte {
		if len(frames[0]) == 0 && len(frames) == 1 && m.waiting {
			m.register()
			return nil
		}
		return frames
	})},
	{name: "pings before WELCOME", breaks: rules(22), strays: true, hooks: does(session.WorkerRegister, func(m *mutant, _ *session.WorkerAction) bool {
		m.register()
		m.send("", command(protocol.CommandPing))
		return true
	})},
	{name: "registers while a handler runs", breaks: rules(23), strays: true, hooks: mutant{
		hear: func(m *mutant, frames [][]byte) [][]byte {
			switch {
			case isCommand(frames, protocol.CommandError) && m.session.Running() > 0:
				m.register()
				m.number = 1
			case isCommand(frames, protocol.CommandWelcome) && m.number == 1:
				m.kept = append(m.kept, frames)
				return nil
			}
			return frames
		},
		do: func(m *mutant, a *session.WorkerAction) bool {
			if a.Kind != session.WorkerRegister || m.number == 0 {
				return false
			}
			m.number = 0
			for _, frames := range m.kept { // the session hears it when it is ready to
				m.step(session.WorkerEvent{Kind: session.WorkerReceived, Frames: frames})
			}
			m.kept = nil
			return true
		},
	}},
	{name: "does jobs that come before WELCOME", breaks: rules(24), hooks: mutant{
		hear: func(m *mutant, frames [][]byte) [][]byte {
			if isCommand(frames, protocol.CommandJob) && !m.up {
				m.kept = append(m.kept, frames)
			}
			return frames
		},
		do: func(m *mutant, a *session.WorkerAction) bool {
			if a.Kind == session.WorkerUp {
				m.registered(a)
				answerKept(m)
				return true
			}
			return false
		},
	}},
	{name: "does waiting jobs after its registration", breaks: rules(24), hooks: mutant{
		hear: func(m *mutant, frames [][]byte) [][]byte {
			if isCommand(frames, protocol.CommandJob) && m.session.Running() == m.reg.Capacity {
				m.kept = append(m.kept, frames)
			}
			return frames
		},
		do: func(m *mutant, a *session.WorkerAction) bool {
			switch a.Kind {
			case session.WorkerUp:
				m.registered(a)
				answerKept(m)
				return true
			case session.WorkerStart, session.WorkerReturn:
				m.kept = nil
			}
			return false
		},
	}},
	{name: "has the same identity always", breaks: rules(29), hooks: mutant{configure: func(m *mutant, _ *session.WorkerConfig) {
		m.reg.Identity = "me"
	}}},
	{name: "has another identity each time", breaks: rules(29), hooks: does(session.WorkerRegister, func(m *mutant, _ *session.WorkerAction) bool {
		m.number++
		m.reg.Identity = fmt.Sprintf("%.50s-%d", m.reg.Identity, m.number)
		return false
	})},
	{name: "tells another pid", breaks: rules(26), hooks: mutant{configure: func(m *mutant, _ *session.WorkerConfig) {
		m.reg.PID = os.Getppid()
	}}},
	{name: "takes any WELCOME", breaks: rules(31), hooks: func() mutant {
		h := ownPings(func(m *mutant) time.Duration { return m.welcome.Heartbeat })
		h.hear = func(m *mutant, frames [][]byte) [][]byte {
			if m.up && isCommand(frames, protocol.CommandWelcome) {
				if w, err := protocol.ParseWelcome(frames[0][protocol.HeaderSize:]); err == nil {
					m.welcome = w
				}
			}
			return frames
		}
		return h
	}()},
	{name: "takes malformed WELCOMEs", breaks: rules(14, 15, 30), hooks: hears(func(_ *mutant, frames [][]byte) [][]byte {
		if isCommand(frames, protocol.CommandWelcome) && len(frames) == 1 {
			if _, err := protocol.ParseWelcome(frames[0][protocol.HeaderSize:]); err != nil {
				return [][]byte{properties("identity", "good-enough", "heartbeat", "60000")}
			}
		}
		return frames
	})},
	{name: "exits with 0 when it is refused", breaks: rules(27, 32), hooks: does(session.WorkerEnd, func(m *mutant, a *session.WorkerAction) bool {
		m.status = 0
		return a.Reason == session.WorkerRefused || a.Reason == session.WorkerDrained
	})},
	{name: "goes on when it is refused", breaks: rules(27, 32), hooks: hears(func(_ *mutant, frames [][]byte) [][]byte {
		if isCommand(frames, protocol.CommandError) && len(frames[0]) > protocol.HeaderSize && frames[0][protocol.HeaderSize] != 1 {
			return nil
		}
		return frames
	})},
	{name: "answers ERRORs", breaks: rules(32), strays: true, hooks: hears(func(m *mutant, frames [][]byte) [][]byte {
		if isCommand(frames, protocol.CommandError) && len(frames[0]) > protocol.HeaderSize && frames[0][protocol.HeaderSize] == 3 {
			m.send("", command(protocol.CommandPong))
		}
		return frames
	})},
	{name: "prints what the master says", breaks: rules(78), hooks: does(session.WorkerEnd, func(_ *mutant, a *session.WorkerAction) bool {
		fmt.Fprintln(os.Stderr, a.Text)
		return false
	})},
}

// answerKept sends results of jobs that were kept.
func answerKept(m *mutant) {
	for _, frames := range m.kept {
		if job, err := protocol.ParseWorkerJob(frames[0][protocol.HeaderSize:]); err == nil && len(frames) == 2 {
			m.sendResult(answer{res: protocol.WorkerResult{ID: job.ID, Attempt: job.Attempt}, payload: frames[1]})
		}
	}
	m.kept = nil
}

func rules(all ...Rule) []Rule { return all }
