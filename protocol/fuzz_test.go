// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/protocol"
)

// Every target is seeded with the fields of the vectors of its message, good
// and bad, and asks for three things: no panic, what is accepted keeps the
// limits, and what is accepted survives encoding and decoding.

func seed(f *testing.F, role protocol.Role, cmds ...protocol.Command) {
	f.Helper()
	for _, v := range loadVectors(f) {
		h, fields, err := protocol.ParseHeader(v.frames[0])
		for _, cmd := range cmds {
			if err == nil && h.Role == role && h.Command == cmd {
				f.Add(fields)
			}
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	for _, v := range loadVectors(f) {
		f.Add(v.frames[0])
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		h, fields, err := protocol.ParseHeader(frame)
		if err != nil {
			require.Contains(t, []string{"malformed", "version"}, errorKind(err))
			return
		}
		require.Len(t, fields, len(frame)-protocol.HeaderSize)
		for _, d := range []protocol.Direction{0, protocol.ToMaster, protocol.FromMaster} {
			require.LessOrEqual(t, h.Frames(d), 2)
		}
	})
}

// FuzzMessage gives a whole message to the receiver of each role and side.
func FuzzMessage(f *testing.F) {
	for _, v := range loadVectors(f) {
		f.Add(v.frames[0], len(v.frames) > 1)
	}
	f.Fuzz(func(t *testing.T, frame []byte, payload bool) {
		frames := [][]byte{frame}
		if payload {
			frames = append(frames, []byte("p"))
		}
		for _, role := range []protocol.Role{protocol.RoleWorker, protocol.RoleRunner} {
			for _, d := range []protocol.Direction{protocol.ToMaster, protocol.FromMaster} {
				m := decode(role, d, frames)
				if m.err != "" || m.encode == nil {
					continue
				}
				header, err := m.encode()
				require.NoError(t, err)
				again := decode(role, d, append([][]byte{header}, frames[1:]...))
				require.Empty(t, again.err)
				require.Equal(t, m.lines, again.lines)
			}
		}
	})
}

func FuzzWorkerJob(f *testing.F) {
	seed(f, protocol.RoleWorker, protocol.CommandJob)
	f.Fuzz(func(t *testing.T, fields []byte) {
		m, err := protocol.ParseWorkerJob(fields)
		if err != nil {
			require.Contains(t, []string{"malformed", "too-large"}, errorKind(err))
			return
		}
		requireJobLimits(t, m.Service, m.Headers)
		require.Equal(t, len(fields), m.FieldsLen())
		frame, err := m.Append(nil)
		require.NoError(t, err)
		again, err := protocol.ParseWorkerJob(fieldsOf(t, frame))
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

func FuzzRunnerJob(f *testing.F) {
	seed(f, protocol.RoleRunner, protocol.CommandJob)
	f.Fuzz(func(t *testing.T, fields []byte) {
		m, err := protocol.ParseRunnerJob(fields)
		if err != nil {
			require.Contains(t, []string{"malformed", "too-large"}, errorKind(err))
			return
		}
		requireJobLimits(t, m.Service, m.Headers)
		require.Equal(t, len(fields), m.FieldsLen())
		frame, err := m.Append(nil)
		require.NoError(t, err)
		again, err := protocol.ParseRunnerJob(fieldsOf(t, frame))
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

func requireJobLimits(t *testing.T, service []byte, headers protocol.Headers) {
	t.Helper()
	require.NoError(t, protocol.CheckService(service))
	require.LessOrEqual(t, len(headers), protocol.MaxHeaders)
	n := 0
	for name, value := range headers.All() {
		require.NotEmpty(t, name)
		n += 1 + len(name) + 2 + len(value)
	}
	require.Len(t, headers, n, "the iterator reaches the end")
}

func FuzzResult(f *testing.F) {
	seed(f, protocol.RoleWorker, protocol.CommandResult)
	seed(f, protocol.RoleRunner, protocol.CommandResult)
	f.Fuzz(func(t *testing.T, fields []byte) {
		if m, err := protocol.ParseWorkerResult(fields); err == nil {
			require.Equal(t, fields, fieldsOf(t, m.Append(nil)))
		}
		if m, err := protocol.ParseRunnerResult(fields); err == nil {
			require.Equal(t, fields, fieldsOf(t, m.Append(nil)))
		}
	})
}

func FuzzReference(f *testing.F) {
	seed(f, protocol.RoleWorker, protocol.CommandCancel, protocol.CommandRecall, protocol.CommandReturn)
	seed(f, protocol.RoleRunner, protocol.CommandCancel, protocol.CommandPing)
	f.Fuzz(func(t *testing.T, fields []byte) {
		if m, err := protocol.ParseJobRef(fields); err == nil {
			require.Equal(t, fields, fieldsOf(t, m.Append(nil, protocol.CommandRecall)))
		}
		if id, err := protocol.ParseRunnerCancel(fields); err == nil {
			require.Equal(t, fields, fieldsOf(t, protocol.AppendRunnerCancel(nil, id)))
		}
		require.Equal(t, len(fields) == 0, protocol.ParseEmpty(fields) == nil)
	})
}

func FuzzError(f *testing.F) {
	seed(f, protocol.RoleWorker, protocol.CommandError)
	f.Fuzz(func(t *testing.T, fields []byte) {
		m, err := protocol.ParsePeerError(fields)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(m.Text), protocol.MaxErrorText)
		require.NotZero(t, m.Code)
		require.Equal(t, fields, fieldsOf(t, m.Append(nil, protocol.RoleWorker)))
	})
}

func FuzzRegistration(f *testing.F) {
	seed(f, protocol.RoleWorker, protocol.CommandRegister)
	seed(f, protocol.RoleRunner, protocol.CommandRegister)
	f.Fuzz(func(t *testing.T, fields []byte) {
		for _, role := range []protocol.Role{protocol.RoleWorker, protocol.RoleRunner} {
			m, err := protocol.ParseRegistration(role, fields)
			if err != nil {
				require.Contains(t, []string{"malformed", "too-large"}, errorKind(err))
				continue
			}
			require.NotEmpty(t, m.Identity)
			require.LessOrEqual(t, len(m.Services), protocol.MaxServices)
			require.LessOrEqual(t, m.Capacity, protocol.MaxCapacity)
			require.LessOrEqual(t, m.Prefetch, protocol.MaxPrefetch)
			require.LessOrEqual(t, m.Batch, protocol.MaxBatch)
			frame, err := protocol.AppendRegister(nil, role, m)
			require.NoError(t, err)
			again, err := protocol.ParseRegistration(role, fieldsOf(t, frame))
			require.NoError(t, err)
			require.Equal(t, m, again)
		}
	})
}

func FuzzWelcome(f *testing.F) {
	seed(f, protocol.RoleWorker, protocol.CommandWelcome)
	seed(f, protocol.RoleRunner, protocol.CommandWelcome)
	f.Fuzz(func(t *testing.T, fields []byte) {
		m, err := protocol.ParseWelcome(fields)
		if err != nil {
			require.Contains(t, []string{"malformed", "too-large"}, errorKind(err))
			return
		}
		require.GreaterOrEqual(t, m.Heartbeat, protocol.MinHeartbeat)
		require.LessOrEqual(t, m.Heartbeat, protocol.MaxHeartbeat)
		require.GreaterOrEqual(t, m.Liveness, protocol.MinLiveness)
		require.GreaterOrEqual(t, m.MaxMessage, int64(protocol.MinMessage))
		frame, err := m.Append(nil, protocol.RoleWorker)
		require.NoError(t, err)
		again, err := protocol.ParseWelcome(fieldsOf(t, frame))
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

func FuzzBatch(f *testing.F) {
	seed(f, protocol.RoleWorker, protocol.CommandBatch)
	seed(f, protocol.RoleRunner, protocol.CommandBatch)
	f.Fuzz(func(t *testing.T, fields []byte) {
		out := protocol.AppendBatchHeader(nil, protocol.RoleWorker)
		r := protocol.ReadBatch(fields)
		n := 0
		for {
			cmd, fields, payload, ok := r.Next()
			if !ok {
				break
			}
			n++
			var err error
			out, err = protocol.AppendBatchRecord(out, cmd, fields, payload)
			require.NoError(t, err)
		}
		require.LessOrEqual(t, n, protocol.MaxBatch)
		require.True(t, bytes.HasPrefix(fields, out[protocol.HeaderSize:]), "the same octets, up to the break")
		if r.Err() == nil {
			require.Positive(t, n)
			require.Len(t, fields, len(out)-protocol.HeaderSize)
		}
		_, _, _, ok := r.Next()
		require.False(t, ok, "the end stays the end")
	})
}

func FuzzHeaders(f *testing.F) {
	f.Add([]byte("\x01k\x00\x01v\x01l\x00\x00"), "k")
	f.Add([]byte("\x00\x00\x00"), "")
	f.Fuzz(func(t *testing.T, octets []byte, name string) {
		h := protocol.Headers(octets)
		_, found := h.Get(name)
		if h.Check() != nil {
			return
		}
		var again protocol.Headers
		var err error
		named := false
		for n, v := range h.All() {
			named = named || string(n) == name
			again, err = protocol.AppendHeader(again, string(n), v)
			require.NoError(t, err)
		}
		require.Equal(t, []byte(h), append([]byte{}, again...))
		require.Equal(t, named, found)
	})
}
