// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// peer is a DEALER that says whatever a test wants.
type peer struct {
	t      testing.TB
	s      *zmqnet.Socket
	poller *zmqnet.Poller
	m      zmqnet.Message
}

// dial connects a peer with queues of that many messages.
func dial(t testing.TB, to string, queue int) *peer {
	t.Helper()
	s, err := zmqnet.NewDealer(zmqnet.Options{SendHWM: queue, RecvHWM: queue})
	require.NoError(t, err)
	require.NoError(t, s.Connect(to))
	p := &peer{t: t, s: s}
	p.poller, err = zmqnet.NewPoller()
	require.NoError(t, err)
	p.poller.Add(s)
	t.Cleanup(func() { _ = p.s.Close(0); _ = p.poller.Close() })
	require.Empty(t, p.receive()[0], "the probe comes first")
	return p
}

func (p *peer) receive() [][]byte {
	p.t.Helper()
	for end := time.Now().Add(patience); ; {
		err := p.s.Recv(&p.m, nil)
		if err == nil {
			return p.m.Frames
		}
		require.ErrorIs(p.t, err, zmqnet.ErrAgain)
		require.True(p.t, time.Now().Before(end), "nothing arrives")
		require.NoError(p.t, p.poller.Wait(time.Until(end)))
	}
}

// expect returns the fields of the next message of this kind; PINGs are passed
// over.
func (p *peer) expect(cmd protocol.Command) []byte {
	p.t.Helper()
	for {
		head, fields, err := protocol.ParseHeader(p.receive()[0])
		require.NoError(p.t, err)
		if head.Command == cmd {
			return fields
		}
		require.Equal(p.t, protocol.CommandPing, head.Command)
	}
}

// offer sends a message if there is room for it.
func (p *peer) offer(frames ...[]byte) bool {
	p.t.Helper()
	var err error
	if len(frames) == 1 {
		err = p.s.Send1(frames[0])
	} else {
		err = p.s.Send2(frames[0], frames[1])
	}
	if errors.Is(err, zmqnet.ErrAgain) {
		return false
	}
	require.NoError(p.t, err)
	return true
}

func (p *peer) send(frames ...[]byte) {
	p.t.Helper()
	for end := time.Now().Add(patience); !p.offer(frames...); {
		require.True(p.t, time.Now().Before(end), "nothing goes")
		require.NoError(p.t, p.poller.Wait(time.Millisecond))
	}
}

func (p *peer) register(role protocol.Role, reg protocol.Registration) {
	p.t.Helper()
	p.send(registration(p.t, role, reg))
	p.expect(protocol.CommandWelcome)
}

func registration(t testing.TB, role protocol.Role, reg protocol.Registration) []byte {
	frame, err := protocol.AppendRegister(nil, role, reg)
	require.NoError(t, err)
	return frame
}

func submission(t testing.TB, id uint64, service string, left time.Duration) []byte {
	frame, err := protocol.RunnerJob{ID: id, TimeLeft: left, Wait: protocol.WaitForever, Service: []byte(service)}.Append(nil)
	require.NoError(t, err)
	return frame
}

// next is the next RESULT that a runner gets.
func (p *peer) next() (protocol.RunnerResult, string) {
	p.t.Helper()
	res, err := protocol.ParseRunnerResult(p.expect(protocol.CommandResult))
	require.NoError(p.t, err)
	return res, string(p.m.Frames[1])
}

// job is the next JOB that a worker gets, alone or as the only one of a BATCH.
func (p *peer) job() protocol.WorkerJob {
	p.t.Helper()
	for {
		head, fields, err := protocol.ParseHeader(p.receive()[0])
		require.NoError(p.t, err)
		if head.Command == protocol.CommandPing {
			continue
		}
		if head.Command == protocol.CommandBatch {
			records := protocol.ReadBatch(fields)
			var ok bool
			_, fields, _, ok = records.Next()
			require.True(p.t, ok)
		}
		job, err := protocol.ParseWorkerJob(fields)
		require.NoError(p.t, err)
		return job
	}
}

func result(job protocol.WorkerJob) []byte {
	return protocol.WorkerResult{ID: job.ID, Attempt: job.Attempt}.Append(nil)
}

// settle returns when the master has read everything that p sent.
func (p *peer) settle(role protocol.Role) {
	p.t.Helper()
	p.send(protocol.AppendPing(nil, role))
	p.expect(protocol.CommandPong)
}

// zmtp is the octets of a whole conversation of a DEALER without security that
// waits for nothing: greeting, READY, and messages.
func zmtp(messages ...[][]byte) []byte {
	out := make([]byte, greeting)
	out[0], out[9], out[10] = 0xff, 0x7f, 3
	copy(out[12:], "NULL")
	ready := []byte("\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00")
	out = append(append(out, 4, byte(len(ready))), ready...)
	for _, frames := range messages {
		for i, f := range frames {
			flags := byte(0)
			if i+1 < len(frames) {
				flags = 1
			}
			if len(f) < 256 {
				out = append(out, flags, byte(len(f)))
			} else {
				out = binary.BigEndian.AppendUint64(append(out, flags|2), uint64(len(f)))
			}
			out = append(out, f...)
		}
	}
	return out
}

const greeting = 64 // octets, of either side

// shout connects, says all of that, listens until so many octets have come, and
// leaves. Only the greeting of the other side is waited for: libzmq reads its own
// by parts.
func shout(path string, octets []byte, listen int) error {
	c, err := net.Dial("unix", path)
	for errors.Is(err, syscall.EAGAIN) { // so many others are about to connect
		runtime.Gosched()
		c, err = net.Dial("unix", path)
	}
	if err != nil {
		return err
	}
	defer c.Close()
	if len(octets) > greeting {
		if _, err = c.Write(octets[:greeting]); err == nil {
			_, err = io.ReadFull(c, make([]byte, greeting))
		}
		octets, listen = octets[greeting:], max(0, listen-greeting)
	}
	if err == nil {
		_, err = c.Write(octets)
	}
	if err == nil {
		_, err = io.ReadFull(c, make([]byte, listen))
	}
	return err
}

// resident is how much memory a process has in RAM, in octets.
func resident(t testing.TB, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	require.NoError(t, err)
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	require.NoError(t, err)
	return pages * int64(os.Getpagesize())
}

// descriptorsOf counts what a process has open.
func descriptorsOf(t testing.TB, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	require.NoError(t, err)
	return len(entries)
}
