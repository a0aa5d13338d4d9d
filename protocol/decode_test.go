// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// decoded is a message as the vectors describe it, and the way back.
type decoded struct {
	command protocol.Command
	lines   []string
	err     string
	encode  func() ([]byte, error)
}

func (m *decoded) add(key string, value any) {
	m.lines = append(m.lines, fmt.Sprintf("%s: %v", key, value))
}

func (m *decoded) addText(key, value string) {
	if value != "" {
		m.add(key, value)
	}
}

func (m *decoded) addNumber(key string, n int) {
	if n != 0 {
		m.add(key, n)
	}
}

func errorKind(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, protocol.ErrMalformed):
		return "malformed"
	case errors.Is(err, protocol.ErrTooLarge):
		return "too-large"
	case errors.Is(err, protocol.ErrVersion):
		return "version"
	}
	return "unexpected: " + err.Error()
}

// decode does with a message what its receiver must do, in the order of
// docs/protocol.md.
func decode(role protocol.Role, d protocol.Direction, frames [][]byte) (m decoded) {
	h, fields, err := protocol.ParseHeader(frames[0])
	m.command = h.Command
	want := h.Frames(d)
	switch {
	case err != nil:
		m.err = errorKind(err)
	case h.Role != role:
		m.err = "wrong-role"
	case want == 0:
		m.err = "unknown-command"
	case want != len(frames):
		m.err = "malformed"
	case h.Command == protocol.CommandBatch:
		m.batch(role, d, fields)
	default:
		m.err = errorKind(m.message(role, h.Command, fields))
	}
	if m.err == "" && len(frames) == 2 {
		m.add("payload", fmt.Sprintf("%x", frames[1]))
	}
	return m
}

// message adds nothing when it returns an error.
func (m *decoded) message(role protocol.Role, cmd protocol.Command, fields []byte) error {
	switch cmd {
	case protocol.CommandRegister:
		return m.register(role, fields)
	case protocol.CommandWelcome:
		return m.welcome(role, fields)
	case protocol.CommandError:
		e, err := protocol.ParsePeerError(fields)
		if err == nil {
			m.add("code", byte(e.Code))
			m.add("text", e.Text)
			m.encode = func() ([]byte, error) { return e.Append(nil, role), nil }
		}
		return err
	case protocol.CommandJob, protocol.CommandResult:
		_, err := m.jobOrResult(role, cmd, fields)
		return err
	case protocol.CommandCancel, protocol.CommandRecall, protocol.CommandReturn:
		return m.reference(role, cmd, fields)
	}
	m.encode = func() ([]byte, error) { return appendEmpty(role, cmd), nil }
	return protocol.ParseEmpty(fields)
}

func appendEmpty(role protocol.Role, cmd protocol.Command) []byte {
	switch cmd {
	case protocol.CommandPing:
		return protocol.AppendPing(nil, role)
	case protocol.CommandPong:
		return protocol.AppendPong(nil, role)
	case protocol.CommandDrain:
		return protocol.AppendDrain(nil, role)
	case protocol.CommandBye:
		return protocol.AppendBye(nil, role)
	}
	return protocol.AppendStatus(nil)
}

func (m *decoded) reference(role protocol.Role, cmd protocol.Command, fields []byte) error {
	if role == protocol.RoleRunner {
		id, err := protocol.ParseRunnerCancel(fields)
		if err == nil {
			m.add("job-id", jobID(id))
			m.encode = func() ([]byte, error) { return protocol.AppendRunnerCancel(nil, id), nil }
		}
		return err
	}
	ref, err := protocol.ParseJobRef(fields)
	if err == nil {
		m.add("job-id", jobID(ref.ID))
		m.add("attempt", ref.Attempt)
		m.encode = func() ([]byte, error) { return ref.Append(nil, cmd), nil }
	}
	return err
}

func jobID(id uint64) string { return fmt.Sprintf("%016x", id) }

// recorder encodes a JOB or a RESULT into a BATCH.
type recorder func(dst, payload []byte) ([]byte, error)

func (m *decoded) jobOrResult(role protocol.Role, cmd protocol.Command, fields []byte) (recorder, error) {
	switch {
	case role == protocol.RoleWorker && cmd == protocol.CommandJob:
		j, err := protocol.ParseWorkerJob(fields)
		if err != nil {
			return nil, err
		}
		m.add("job-id", jobID(j.ID))
		m.add("attempt", j.Attempt)
		m.add("time-left-us", j.TimeLeft.Microseconds())
		m.serviceHeaders(j.Service, j.Headers)
		m.encode = func() ([]byte, error) { return j.Append(nil) }
		return j.AppendRecord, nil
	case cmd == protocol.CommandJob:
		j, err := protocol.ParseRunnerJob(fields)
		if err != nil {
			return nil, err
		}
		wait := uint64(j.Wait.Microseconds())
		if j.Wait == protocol.WaitForever {
			wait = 1<<64 - 1
		}
		m.add("job-id", jobID(j.ID))
		m.add("time-left-us", j.TimeLeft.Microseconds())
		m.add("wait-us", wait)
		m.add("retries", j.Retries)
		m.serviceHeaders(j.Service, j.Headers)
		m.encode = func() ([]byte, error) { return j.Append(nil) }
		return j.AppendRecord, nil
	case role == protocol.RoleWorker:
		r, err := protocol.ParseWorkerResult(fields)
		if err != nil {
			return nil, err
		}
		m.add("job-id", jobID(r.ID))
		m.add("attempt", r.Attempt)
		m.add("status", r.Status)
		m.add("run-us", r.Run.Microseconds())
		m.encode = func() ([]byte, error) { return r.Append(nil), nil }
		return r.AppendRecord, nil
	}
	r, err := protocol.ParseRunnerResult(fields)
	if err != nil {
		return nil, err
	}
	mayHaveRun := 0
	if r.MayHaveRun {
		mayHaveRun = 1
	}
	m.add("job-id", jobID(r.ID))
	m.add("outcome", byte(r.Outcome))
	m.add("may-have-run", mayHaveRun)
	m.add("retry-after-ms", r.RetryAfter.Milliseconds())
	m.encode = func() ([]byte, error) { return r.Append(nil), nil }
	return r.AppendRecord, nil
}

func (m *decoded) serviceHeaders(service []byte, headers protocol.Headers) {
	m.add("service", string(service))
	for name, value := range headers.All() {
		m.lines = append(m.lines, strings.TrimSuffix(fmt.Sprintf("header: %x %x", name, value), " "))
	}
}

func (m *decoded) register(role protocol.Role, fields []byte) error {
	r, err := protocol.ParseRegistration(role, fields)
	if err != nil {
		return err
	}
	m.add("identity", r.Identity)
	if role == protocol.RoleWorker {
		for _, s := range r.Services {
			m.add("service", s)
		}
		m.add("capacity", r.Capacity)
		m.addNumber("prefetch", r.Prefetch)
	}
	m.addNumber("batch", r.Batch)
	m.addText("endpoint", r.Endpoint)
	m.addText("ledger", r.Ledger)
	m.addNumber("pid", r.PID)
	m.addText("host", r.Host)
	m.addText("language", r.Language)
	m.addText("version", r.LibraryVersion)
	m.encode = func() ([]byte, error) { return protocol.AppendRegister(nil, role, r) }
	return nil
}

func (m *decoded) welcome(role protocol.Role, fields []byte) error {
	w, err := protocol.ParseWelcome(fields)
	if err != nil {
		return err
	}
	m.add("identity", w.Identity)
	m.addNumber("pid", w.PID)
	m.addText("host", w.Host)
	m.addText("version", w.Version)
	m.add("heartbeat", int64(w.Heartbeat/time.Millisecond))
	m.add("liveness", w.Liveness)
	m.add("max-message", w.MaxMessage)
	m.addNumber("batch", w.Batch)
	m.addNumber("prefetch", w.Prefetch)
	if w.Ledger {
		m.add("ledger", 1)
	}
	m.encode = func() ([]byte, error) { return w.Append(nil, role) }
	return nil
}

// batch stops at the first record that a receiver must drop.
func (m *decoded) batch(role protocol.Role, d protocol.Direction, fields []byte) {
	out := protocol.AppendBatchHeader(nil, role)
	m.encode = func() ([]byte, error) { return out, nil }
	r := protocol.ReadBatch(fields)
	for {
		cmd, fields, payload, ok := r.Next()
		if !ok {
			m.err = errorKind(r.Err())
			return
		}
		if (protocol.Header{Role: role, Command: cmd}).Frames(d) == 0 {
			m.err = "malformed"
			return
		}
		var one decoded
		record, err := one.jobOrResult(role, cmd, fields)
		if err == nil {
			out, err = record(out, payload)
		}
		if err != nil {
			m.err = errorKind(err)
			return
		}
		m.add("record", cmd)
		m.lines = append(m.lines, one.lines...)
		m.add("payload", fmt.Sprintf("%x", payload))
	}
}
