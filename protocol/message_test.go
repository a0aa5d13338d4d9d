// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/protocol"
)

const us, ms = time.Microsecond, time.Millisecond

// fieldsOf returns what ParseHeader returns for a frame that must be good.
func fieldsOf(t testing.TB, frame []byte) []byte {
	t.Helper()
	_, fields, err := protocol.ParseHeader(frame)
	require.NoError(t, err)
	return fields
}

// a deadline may come early on the wire, never late.
func TestTimesAreRoundedAndClamped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, out time.Duration }{
		{-1, 0},
		{0, 0},
		{1, 0},
		{us - 1, 0},
		{us, us},
		{us + 999, us},
		{time.Hour + 1, time.Hour},
		{math.MaxInt64, protocol.MaxTime},
		{math.MinInt64, 0},
	} {
		frame, err := protocol.WorkerJob{TimeLeft: c.in}.Append(nil)
		require.NoError(t, err)
		w, err := protocol.ParseWorkerJob(fieldsOf(t, frame))
		require.NoError(t, err)
		require.Equal(t, c.out, w.TimeLeft, "time left %d", c.in)

		frame, err = protocol.RunnerJob{TimeLeft: c.in, Wait: c.in}.Append(nil)
		require.NoError(t, err)
		r, err := protocol.ParseRunnerJob(fieldsOf(t, frame))
		require.NoError(t, err)
		require.Equal(t, c.out, r.TimeLeft, "time left %d", c.in)
		if c.in < 0 {
			c.out = protocol.WaitForever
		}
		require.Equal(t, c.out, r.Wait, "wait %d", c.in)
	}
	for _, c := range []struct{ in, out time.Duration }{
		{-us, 0},
		{0, 0},
		{1, us},
		{us, us},
		{us + 1, 2 * us},
		{time.Second, time.Second},
		{protocol.MaxRun, protocol.MaxRun},
		{protocol.MaxRun + 1, protocol.MaxRun},
		{math.MaxInt64, protocol.MaxRun},
	} {
		r, err := protocol.ParseWorkerResult(fieldsOf(t, protocol.WorkerResult{Run: c.in}.Append(nil)))
		require.NoError(t, err)
		require.Equal(t, c.out, r.Run, "run %d", c.in)
	}
	for _, c := range []struct{ in, out time.Duration }{
		{-1, 0}, {0, 0}, {1, ms}, {ms, ms}, {ms + 1, 2 * ms}, {math.MaxInt64, protocol.MaxRetryAfter},
	} {
		r, err := protocol.ParseRunnerResult(fieldsOf(t, protocol.RunnerResult{RetryAfter: c.in}.Append(nil)))
		require.NoError(t, err)
		require.Equal(t, c.out, r.RetryAfter, "retry after %d", c.in)
	}
}

// what cannot be sent is refused by the encoder, which then leaves the
// caller's buffer as it was.
func TestEncodersRefuseAndLeaveTheBuffer(t *testing.T) {
	t.Parallel()
	long := []byte(strings.Repeat("s", protocol.MaxServiceName+1))
	spaced := []byte("a b")
	headers := protocol.Headers(make([]byte, protocol.MaxHeaders+1))
	worker := protocol.RoleWorker
	ok := protocol.Registration{Identity: "w"}
	register := func(change func(*protocol.Registration)) func([]byte) ([]byte, error) {
		r := ok
		change(&r)
		return func(dst []byte) ([]byte, error) { return protocol.AppendRegister(dst, worker, r) }
	}
	welcome := func(w protocol.Welcome) func([]byte) ([]byte, error) {
		return func(dst []byte) ([]byte, error) { return w.Append(dst, worker) }
	}
	record := func(a func(dst, payload []byte) ([]byte, error)) func([]byte) ([]byte, error) {
		return func(dst []byte) ([]byte, error) { return a(dst, []byte("p")) }
	}
	for name, c := range map[string]struct {
		encode func(dst []byte) ([]byte, error)
		want   error
	}{
		"long service":        {protocol.WorkerJob{Service: long}.Append, protocol.ErrTooLarge},
		"service with space":  {protocol.WorkerJob{Service: spaced}.Append, protocol.ErrMalformed},
		"long headers":        {protocol.RunnerJob{Headers: headers}.Append, protocol.ErrTooLarge},
		"bad headers":         {protocol.RunnerJob{Headers: headers[:1]}.Append, protocol.ErrMalformed},
		"record long service": {record(protocol.WorkerJob{Service: long}.AppendRecord), protocol.ErrTooLarge},
		"record bad headers":  {record(protocol.RunnerJob{Headers: headers[:1]}.AppendRecord), protocol.ErrMalformed},
		"record of PING": {func(dst []byte) ([]byte, error) {
			return protocol.AppendBatchRecord(dst, protocol.CommandPing, nil, nil)
		}, protocol.ErrMalformed},
		"record of much": {func(dst []byte) ([]byte, error) {
			return protocol.AppendBatchRecord(dst, protocol.CommandJob, make([]byte, 65536), nil)
		}, protocol.ErrTooLarge},
		"no identity":       {register(func(r *protocol.Registration) { r.Identity = "" }), protocol.ErrMalformed},
		"negative capacity": {register(func(r *protocol.Registration) { r.Capacity = -1 }), protocol.ErrMalformed},
		"huge capacity":     {register(func(r *protocol.Registration) { r.Capacity = 1025 }), protocol.ErrMalformed},
		"bad service":       {register(func(r *protocol.Registration) { r.Services = []string{"a b"} }), protocol.ErrMalformed},
		"257 services": {
			register(func(r *protocol.Registration) { r.Services = make([]string, 257) }), protocol.ErrTooLarge,
		},
		"relative ledger":    {register(func(r *protocol.Registration) { r.Ledger = "l" }), protocol.ErrMalformed},
		"long endpoint":      {register(func(r *protocol.Registration) { r.Endpoint = strings.Repeat("e", 114) }), protocol.ErrTooLarge},
		"nobody's welcome":   {welcome(protocol.Welcome{}), protocol.ErrMalformed},
		"slow heartbeat":     {welcome(protocol.Welcome{Identity: "m", Heartbeat: time.Hour}), protocol.ErrMalformed},
		"endless heartbeat":  {welcome(protocol.Welcome{Identity: "m", Heartbeat: math.MaxInt64}), protocol.ErrMalformed},
		"negative heartbeat": {welcome(protocol.Welcome{Identity: "m", Heartbeat: -1}), protocol.ErrMalformed},
		"liveness of one":    {welcome(protocol.Welcome{Identity: "m", Liveness: 1}), protocol.ErrMalformed},
		"tiny messages":      {welcome(protocol.Welcome{Identity: "m", MaxMessage: 1}), protocol.ErrMalformed},
	} {
		dst := []byte("before")
		out, err := c.encode(dst)
		require.ErrorIs(t, err, c.want, name)
		require.Equal(t, "before", string(out), name)
	}
}

// the master must be able to answer a job that is too large.
func TestTooLargeJobKeepsItsID(t *testing.T) {
	t.Parallel()
	var found int
	for _, v := range loadVectors(t) {
		if v.err != "too-large" || v.role != protocol.RoleRunner || len(v.frames) != 2 {
			continue
		}
		found++
		j, err := protocol.ParseRunnerJob(fieldsOf(t, v.frames[0]))
		require.ErrorIs(t, err, protocol.ErrTooLarge)
		require.EqualValues(t, 9, j.ID, v.name)
	}
	require.Equal(t, 2, found)
}

func TestDecodedSlicesCannotGrowIntoTheirNeighbours(t *testing.T) {
	t.Parallel()
	headers, err := protocol.AppendHeader(nil, "k", []byte("v"))
	require.NoError(t, err)
	batch, err := protocol.WorkerJob{Service: []byte("s"), Headers: headers}.
		AppendRecord(protocol.AppendBatchHeader(nil, protocol.RoleWorker), []byte("p"))
	require.NoError(t, err)
	before := bytes.Clone(batch)
	r := protocol.ReadBatch(fieldsOf(t, batch))
	_, fields, payload, ok := r.Next()
	require.True(t, ok)
	j, err := protocol.ParseWorkerJob(fields)
	require.NoError(t, err)
	value, _ := j.Headers.Get("k")
	for _, s := range [][]byte{fields, payload, j.Service, j.Headers, value} {
		_ = append(s, "overwritten"...)
	}
	require.Equal(t, before, batch)
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	var h protocol.Headers
	for _, nv := range [][2]string{{"a", "1"}, {"b", ""}, {"a", "2"}} {
		var err error
		h, err = protocol.AppendHeader(h, nv[0], []byte(nv[1]))
		require.NoError(t, err)
	}
	value, ok := h.Get("a")
	require.True(t, ok)
	require.Equal(t, "1", string(value), "the first of equal names")
	value, ok = h.Get("b")
	require.True(t, ok)
	require.Empty(t, value)
	_, ok = h.Get("c")
	require.False(t, ok)

	_, err := protocol.AppendHeader(h, "", nil)
	require.ErrorIs(t, err, protocol.ErrMalformed)
	_, err = protocol.AppendHeader(h, strings.Repeat("n", 256), nil)
	require.ErrorIs(t, err, protocol.ErrTooLarge)
	_, err = protocol.AppendHeader(h, "big", make([]byte, protocol.MaxHeaders))
	require.ErrorIs(t, err, protocol.ErrTooLarge)

	for n := range h {
		_, _ = h[:n].Get("not there") // ends without a panic, wherever h is cut
	}
}

func TestPeerErrorTextIsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	m := protocol.PeerError{Code: protocol.CodeRefused, Text: "x" + strings.Repeat("é", protocol.MaxErrorText)}
	got, err := protocol.ParsePeerError(fieldsOf(t, m.Append(nil, protocol.RoleRunner)))
	require.NoError(t, err)
	require.Len(t, got.Text, protocol.MaxErrorText-1)
	require.True(t, strings.HasPrefix(m.Text, got.Text))

	m.Text = strings.Repeat("\x80", 2*protocol.MaxErrorText)
	got, err = protocol.ParsePeerError(fieldsOf(t, m.Append(nil, protocol.RoleRunner)))
	require.NoError(t, err, "not UTF-8 at all")
	require.NotEmpty(t, got.Text)
}

func TestRegistrationDefaults(t *testing.T) {
	t.Parallel()
	frame, err := protocol.AppendRegister(nil, protocol.RoleWorker, protocol.Registration{Identity: "w"})
	require.NoError(t, err)
	r, err := protocol.ParseRegistration(protocol.RoleWorker, fieldsOf(t, frame))
	require.NoError(t, err)
	require.Equal(t, protocol.Registration{Identity: "w", Services: []string{""}, Capacity: 1}, r)

	r, err = protocol.ParseRegistration(protocol.RoleRunner, fieldsOf(t, frame))
	require.NoError(t, err)
	require.Equal(t, protocol.Registration{Identity: "w"}, r)
}

func TestErrorsTellWhatIsWrong(t *testing.T) {
	t.Parallel()
	frame := func(props ...string) []byte {
		var out []byte
		for i := 0; i < len(props); i += 2 {
			out = append(out, byte(len(props[i])))
			out = append(append(out, props[i]...), 0, byte(len(props[i+1])))
			out = append(out, props[i+1]...)
		}
		return out
	}
	for want, fields := range map[string][]byte{
		"protocol: malformed property capacity: not in 1..1024":              frame("identity", "w", "capacity", "0"),
		"protocol: malformed property capacity: not a number":                frame("identity", "w", "capacity", "two"),
		"protocol: malformed property pid: there twice":                      frame("pid", "1", "pid", "1"),
		"protocol: malformed property identity: missing or empty":            frame("capacity", "1"),
		"protocol: beyond the limit: a service name has more than 64 octets": frame("service", strings.Repeat("s", 65)),
	} {
		_, err := protocol.ParseRegistration(protocol.RoleWorker, fields)
		require.EqualError(t, err, want)
	}
}

func TestNamesOfCodes(t *testing.T) {
	t.Parallel()
	require.Equal(t, "JOB", protocol.CommandJob.String())
	require.Equal(t, "command 15", protocol.Command(15).String())
	require.Equal(t, "command 0", protocol.Command(0).String())
	require.Equal(t, "worker lost", protocol.OutcomeWorkerLost.String())
	require.Equal(t, "outcome 11", protocol.Outcome(11).String())
	require.Equal(t, "wrong role", protocol.CodeWrongRole.String())
	require.Equal(t, "error code 0", protocol.ErrorCode(0).String())
	require.Equal(t, "runner", protocol.RoleRunner.String())
	require.Equal(t, "role 0", protocol.Role(0).String())
	require.Equal(t, "from-master", protocol.FromMaster.String())
	require.Equal(t, "direction 0", protocol.Direction(0).String())
	require.Equal(t, "protocol: the master answered: refused: no", protocol.PeerError{Code: 4, Text: "no"}.Error())
	require.Equal(t, "protocol: the master answered: refused", protocol.PeerError{Code: 4}.Error())
}
