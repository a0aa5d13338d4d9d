// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/powerhose/powerhose/internal/endpoint"

	zmq "github.com/pebbe/zmq4"
	"github.com/stretchr/testify/require"
)

func TestEcho(t *testing.T) {
	t.Parallel()
	for name, at := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, address := listen(t, at(t), Options{})
			d := connect(t, r, address, Options{})
			var m Message
			for _, frames := range [][][]byte{
				{[]byte("one")},
				{[]byte("header"), []byte("payload")},
				{[]byte("header"), {}},
				{{}, bytes.Repeat([]byte("x"), 1<<20), {}},
			} {
				switch len(frames) {
				case 1:
					require.NoError(t, d.Send1(frames[0]))
				case 2:
					require.NoError(t, d.Send2(frames[0], frames[1]))
				case 3:
					require.NoError(t, d.Send3(frames[0], frames[1], frames[2]))
				}
				receive(t, r, &m)
				require.Equal(t, frames, m.Frames)
				require.Len(t, m.ID, 5)
				require.False(t, m.Peer.OK)
				if len(frames) < 3 {
					require.NoError(t, r.SendTo1(m.ID, m.Frames[0]))
				} else {
					require.NoError(t, r.SendTo2(m.ID, m.Frames[0], m.Frames[1]))
				}
				receive(t, d, &m)
				require.Equal(t, frames[0], m.Frames[0])
				require.Empty(t, m.ID)
			}
			require.ErrorIs(t, d.Recv(&m, nil), ErrAgain)
			readable, err := d.Readable()
			require.NoError(t, err)
			require.False(t, readable)
		})
	}
}

func TestFramesAreTheReceiversToKeep(t *testing.T) {
	t.Parallel()
	r, address := listen(t, ipcEndpoint(t), Options{})
	d := connect(t, r, address, Options{})
	var m Message
	require.NoError(t, d.Send2([]byte("a"), []byte("first")))
	receive(t, r, &m)
	id, kept := m.ID, m.Frames[1]
	require.NoError(t, d.Send2([]byte("b"), []byte("other")))
	receive(t, r, &m)
	require.Equal(t, "first", string(kept))
	require.Equal(t, id, m.ID)
}

func TestEveryNewConnectionIsProbed(t *testing.T) {
	t.Parallel()
	e := ipcEndpoint(t)
	r, address := listen(t, e, Options{})
	d := connect(t, r, address, Options{})
	connect(t, r, address, Options{})

	// The next master probes too, over the DEALER that was there before.
	require.NoError(t, r.Close(0))
	r, _ = listen(t, e, Options{})
	awaitProbe(t, r, d)
}

func TestSendWithoutConnectionIsRefused(t *testing.T) {
	t.Parallel()
	d := newDealer(t, Options{})
	require.NoError(t, d.Connect(ipcEndpoint(t).String()))
	require.ErrorIs(t, d.Send1([]byte("x")), ErrAgain)
	require.ErrorIs(t, d.Send2([]byte("x"), nil), ErrAgain)
	require.ErrorIs(t, d.Send3([]byte("x"), nil, nil), ErrAgain)

	r := newRouter(t, Options{})
	require.ErrorIs(t, r.SendTo1("\x00\x01\x02\x03\x04", []byte("x")), ErrUnreachable)
	require.ErrorIs(t, r.SendTo2("nobody", []byte("x"), nil), ErrUnreachable)
}

func TestPeerThatClosedBecomesUnreachable(t *testing.T) {
	t.Parallel()
	for name, at := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, address := listen(t, at(t), Options{})
			d := connect(t, r, address, Options{})
			var m Message
			require.NoError(t, d.Send1([]byte("hello")))
			receive(t, r, &m)
			require.NoError(t, r.SendTo1(m.ID, []byte("x")))
			require.NoError(t, d.Close(0))
			requireUnreachable(t, r, m.ID)
		})
	}
}

func requireUnreachable(t *testing.T, r *Socket, id string) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		err := r.SendTo1(id, []byte("x"))
		if errors.Is(err, ErrUnreachable) {
			return
		}
		require.NoError(t, err)
		require.True(t, time.Now().Before(end), "still reachable")
		pass(t, r, time.Millisecond)
	}
}

func TestTooLargeFramesAreNotSent(t *testing.T) {
	t.Parallel()
	const limit = 2000
	r, address := listen(t, ipcEndpoint(t), Options{MaxMessage: limit})
	d := connect(t, r, address, Options{MaxMessage: limit})
	fits, large := make([]byte, limit), make([]byte, limit+1)
	require.ErrorIs(t, d.Send1(large), ErrTooLarge)
	require.ErrorIs(t, d.Send2(fits, large), ErrTooLarge)
	require.ErrorIs(t, d.Send3(fits, fits, large), ErrTooLarge)
	require.NoError(t, d.Send2(fits, fits))
	var m Message
	receive(t, r, &m)
	require.Len(t, m.Frames[1], limit)
}

func TestPeerThatSendsTooLargeFramesIsDisconnected(t *testing.T) {
	t.Parallel()
	r, address := listen(t, ipcEndpoint(t), Options{MaxMessage: 2000})
	d := connect(t, r, address, Options{})
	var m Message
	require.NoError(t, d.Send1([]byte("small")))
	receive(t, r, &m)
	first := m.ID
	require.NoError(t, d.Send2([]byte("header"), make([]byte, 2001)))
	awaitProbe(t, r, d) // it has reconnected
	require.NoError(t, d.Send1([]byte("again")))
	receive(t, r, &m)
	require.Equal(t, "again", string(m.Frames[0]))
	require.NotEqual(t, first, m.ID)
	requireUnreachable(t, r, first)
}

func TestMessageWithTooManyFramesIsMalformed(t *testing.T) {
	t.Parallel()
	r, address := listen(t, ipcEndpoint(t), Options{})
	d := connect(t, r, address, Options{})
	var m Message
	require.NoError(t, d.Send1([]byte("hello")))
	receive(t, r, &m)
	id := m.ID
	for i := range 20 {
		flag := zmq.DONTWAIT | zmq.SNDMORE
		if i == 19 {
			flag = zmq.DONTWAIT
		}
		_, err := d.z.SendBytes([]byte{byte(i)}, flag)
		require.NoError(t, err)
	}
	require.NoError(t, d.Send3([]byte("1"), []byte("2"), []byte("3")))
	require.ErrorIs(t, tryReceive(t, &m, r), ErrMalformed)
	require.Equal(t, id, m.ID)
	require.Empty(t, m.Frames)
	receive(t, r, &m)
	require.Equal(t, [][]byte{[]byte("1"), []byte("2"), []byte("3")}, m.Frames)
}

func TestPeerCredentials(t *testing.T) {
	t.Parallel()
	for name, at := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, address := listen(t, at(t), Options{})
			d := connect(t, r, address, Options{})
			for _, frames := range [][][]byte{{[]byte("h")}, {[]byte("h"), []byte("p")}} {
				if len(frames) == 1 {
					require.NoError(t, d.Send1(frames[0]))
				} else {
					require.NoError(t, d.Send2(frames[0], frames[1]))
				}
				pass(t, r, patience)
				var m Message
				asked := ""
				require.NoError(t, r.Recv(&m, func(id string) bool { asked = id; return true }))
				require.Equal(t, m.ID, asked)
				require.Equal(t, frames, m.Frames)
				if name == "ipc" {
					require.Equal(t, PeerCred{UID: os.Getuid(), GID: os.Getgid(), PID: os.Getpid(), OK: true}, m.Peer)
				} else {
					require.Equal(t, PeerCred{}, m.Peer)
				}
			}
		})
	}
}

func TestNoPeerIsTrustedOnASocketThatAlsoListensOnTCP(t *testing.T) {
	t.Parallel()
	for _, order := range [][]string{{"ipc", "tcp"}, {"tcp", "ipc"}} {
		r := newRouter(t, Options{Probe: true})
		addresses := map[string]string{}
		for _, name := range order {
			bound, err := r.Bind(transports[name](t))
			require.NoError(t, err)
			addresses[name] = bound
		}
		for _, address := range addresses {
			d := connect(t, r, address, Options{})
			require.NoError(t, d.Send1([]byte("hello")))
			pass(t, r, patience)
			var m Message
			require.NoError(t, r.Recv(&m, func(string) bool { return true }))
			require.Equal(t, PeerCred{}, m.Peer)
		}
	}
}

func TestPeerAddressesThatAreNotTheKernels(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"", "127.0.0.1", "localhost", "localhost:", "localhost:1:2", "localhost:1:2:", "localhost:1:2:x",
		"localhost:-1:2:3", "localhost:1:2:3:4", "localhost:1:2:99999999999", "::1", "evil:1:2:3",
	} {
		require.False(t, parsePeer(address).OK, address)
	}
	require.Equal(t, PeerCred{UID: 1, GID: 2, PID: 3, OK: true}, parsePeer("localhost:1:2:3"))
}

// The connection goes away between the frames of a message: the DEALER stays in
// step, and no master ever sees a piece of a message.
func TestDealerStaysInStepWhileItsMasterRestarts(t *testing.T) {
	t.Parallel()
	const restarts = 20
	e := ipcEndpoint(t)
	d := newDealer(t, Options{ReconnectInterval: time.Millisecond, ReconnectMax: 2 * time.Millisecond})
	require.NoError(t, d.Connect(e.String()))
	var in, out Message
	for range restarts {
		r, _ := listen(t, e, Options{})
		for got, end := 0, time.Now().Add(patience); got < 200; {
			require.True(t, time.Now().Before(end))
			for range 3 {
				if err := d.Send3([]byte("a"), []byte("bb"), []byte("ccc")); err != nil {
					require.ErrorIs(t, err, ErrAgain)
				}
			}
			for err := d.Recv(&out, nil); !errors.Is(err, ErrAgain); err = d.Recv(&out, nil) {
				require.NoError(t, err)
				require.True(t, out.IsProbe())
			}
			if err := r.Recv(&in, nil); !errors.Is(err, ErrAgain) {
				require.NoError(t, err)
				require.Equal(t, [][]byte{[]byte("a"), []byte("bb"), []byte("ccc")}, in.Frames)
				got++
			}
		}
		require.NoError(t, r.Close(0))
	}
}

// The same, with the connection going away exactly after the first frame.
func TestConnectionLostInsideAMessage(t *testing.T) {
	t.Parallel()
	for _, left := range []int{0, 1, 2} {
		t.Run(fmt.Sprint(left, " frames left"), func(t *testing.T) {
			t.Parallel()
			e := ipcEndpoint(t)
			r, address := listen(t, e, Options{})
			d := connect(t, r, address, Options{})
			_, err := d.z.SendBytes([]byte("first"), zmq.DONTWAIT|zmq.SNDMORE)
			require.NoError(t, err)
			require.NoError(t, r.Close(0))
			// Readable makes libzmq look at its news. It tells of the loss only
			// to a frame that is sent between two steps of the disconnection,
			// otherwise it drops the message in silence.
			for end := time.Now().Add(300 * time.Millisecond); err == nil && time.Now().Before(end); {
				_, err = d.Readable()
				require.NoError(t, err)
				_, err = d.z.SendBytes([]byte("another"), zmq.DONTWAIT|zmq.SNDMORE)
			}
			if err != nil {
				require.Equal(t, errnoAgain, err)
				require.ErrorIs(t, d.failedInside(err, left+1), ErrAgain)
			} else {
				_, err = d.z.SendBytes([]byte("last"), zmq.DONTWAIT)
				require.NoError(t, err)
			}
			require.ErrorIs(t, d.Send2([]byte("h"), []byte("p")), ErrAgain)

			r, _ = listen(t, e, Options{})
			awaitProbe(t, r, d)
			require.NoError(t, d.Send2([]byte("h"), []byte("p")))
			var m Message
			receive(t, r, &m)
			require.Equal(t, [][]byte{[]byte("h"), []byte("p")}, m.Frames)
		})
	}
}

func TestBrokenSocketOnlyCloses(t *testing.T) {
	t.Parallel()
	d := newDealer(t, Options{})
	require.Error(t, d.failedInside(zmq.ETERM, 0))
	require.ErrorIs(t, d.Send1(nil), ErrBroken)
	_, err := d.Readable()
	require.ErrorIs(t, err, ErrBroken)
	require.NoError(t, d.Close(time.Second))
	require.ErrorIs(t, d.Send1(nil), ErrClosed)
}

func TestDisconnectAndConnectRevive(t *testing.T) {
	t.Parallel()
	r, address := listen(t, ipcEndpoint(t), Options{})
	d := connect(t, r, address, Options{MaxMessage: MinMaxMessage})
	var m Message
	require.NoError(t, d.Send1([]byte("hello")))
	receive(t, r, &m)
	// More than d accepts: libzmq gives up the connection for ever.
	require.NoError(t, r.SendTo1(m.ID, make([]byte, MinMaxMessage+1)))
	requireUnreachable(t, r, m.ID)
	require.NoError(t, d.Disconnect(address))
	require.Error(t, d.Disconnect(address))
	require.NoError(t, d.Connect(address))
	awaitProbe(t, r, d)
}

func TestClosedSocket(t *testing.T) {
	t.Parallel()
	s, err := NewDealer(Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close(-time.Second))
	require.NoError(t, s.Close(0))
	var m Message
	_, rerr := s.Readable()
	_, berr := s.Bind(endpoint.Endpoint{})
	_, werr := NewWaiter(s, nil, func() bool { return true })
	for _, err := range []error{
		s.Send1(nil), s.Send2(nil, nil), s.Send3(nil, nil, nil), s.Recv(&m, nil),
		s.Connect(""), s.Disconnect(""), rerr, berr, werr,
	} {
		require.ErrorIs(t, err, ErrClosed)
	}
}

func TestWrongUse(t *testing.T) {
	t.Parallel()
	r, d := newRouter(t, Options{}), newDealer(t, Options{})
	require.Error(t, r.Connect("tcp://127.0.0.1:1"))
	_, err := d.Bind(tcpEndpoint(t))
	require.Error(t, err)
	require.Error(t, d.Connect("ipc://relative"))
	require.Error(t, d.Connect("tcp://127.0.0.1:*"))
	require.Error(t, d.Connect("udp://127.0.0.1:1"))
	require.Error(t, d.Disconnect("nonsense"))
}

func TestOptionsAreValidated(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{
		{MaxMessage: 100},
		{MaxMessage: -1},
		{HeartbeatInterval: time.Microsecond},
		{HeartbeatTimeout: -1},
		{SendHWM: -1},
		{RecvHWM: -1},
		{ReconnectInterval: -1},
		{ReconnectMax: -1},
	} {
		_, err := NewRouter(o)
		require.ErrorContains(t, err, "Options.", "%+v", o)
	}
	newRouter(t, Options{HeartbeatInterval: NoHeartbeat})
}

func TestOptionsReachTheSocket(t *testing.T) {
	t.Parallel()
	s := newDealer(t, Options{MaxMessage: 5000, SendHWM: 7, RecvHWM: 8, ReconnectInterval: 30 * time.Millisecond})
	require.NoError(t, s.Connect(ipcEndpoint(t).String()))
	size, err := s.z.GetMaxmsgsize()
	require.NoError(t, err)
	require.EqualValues(t, 5000, size)
	snd, err := s.z.GetSndhwm()
	require.NoError(t, err)
	rcv, err := s.z.GetRcvhwm()
	require.NoError(t, err)
	require.Equal(t, [2]int{7, 8}, [2]int{snd, rcv})
	first, err := s.z.GetReconnectIvl()
	require.NoError(t, err)
	most, err := s.z.GetReconnectIvlMax()
	require.NoError(t, err)
	require.Equal(t, [2]time.Duration{30 * time.Millisecond, time.Second}, [2]time.Duration{first, most})
	immediate, err := s.z.GetImmediate()
	require.NoError(t, err)
	require.True(t, immediate)
	linger, err := s.z.GetLinger()
	require.NoError(t, err)
	require.Zero(t, linger)
}

func TestVersion(t *testing.T) {
	t.Parallel()
	require.Regexp(t, `^4\.\d+\.\d+$`, Version())
	require.NoError(t, checkVersion(zmq.Version()))
	require.NoError(t, checkVersion(4, 3, 4))
	require.NoError(t, checkVersion(4, 10, 0))
	require.ErrorContains(t, checkVersion(4, 3, 3), "install 4.3.4 or newer")
	require.Error(t, checkVersion(3, 99, 99))
	require.Error(t, checkVersion(0, 0, 0))
}

// Small and large messages take different ways; each leaves the ones before alone.
func TestMessagesOfAllSizes(t *testing.T) {
	t.Parallel()
	r, address := listen(t, ipcEndpoint(t), Options{})
	d := connect(t, r, address, Options{})
	fill := func(n int, with byte) []byte { return bytes.Repeat([]byte{with}, n) }
	var kept, want [][]byte
	var m Message
	for _, size := range []int{0, 1, 30, 4084, 4085, 4086, 4087, 4096, 5000, 70_000, 3, 1 << 20, 0} {
		require.NoError(t, d.Send3(fill(3, 'a'), fill(size, 'b'), fill(4, 'c')))
		receive(t, r, &m)
		require.Len(t, m.Frames, 3)
		require.NoError(t, r.SendTo2(strings.Clone(m.ID), m.Frames[1], m.Frames[2]))
		kept, want = append(kept, m.Frames...), append(want, fill(3, 'a'), fill(size, 'b'), fill(4, 'c'))
		receive(t, d, &m)
		require.Equal(t, [][]byte{fill(size, 'b'), fill(4, 'c')}, m.Frames)
	}
	require.Equal(t, want, kept)
	for _, f := range kept {
		clear(append(f, 0)[len(f):]) // goes elsewhere, not into the next frame
	}
	require.Equal(t, want, kept)
}

// Not parallel: it counts allocations.
func TestAllocations(t *testing.T) {
	if testing.CoverMode() != "" {
		t.Skip("coverage changes allocations")
	}
	r, address := listen(t, ipcEndpoint(t), Options{})
	d := connect(t, r, address, Options{})
	header, payload := make([]byte, 30), make([]byte, 100)
	var m Message
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = d.Send2(header, payload) }))
	receive(t, r, &m)
	id := m.ID
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = r.SendTo2(id, header, payload) }))
	// One block for the id and the frames. What has not arrived yet is asked for
	// twice, so the least of some counts.
	least := 100.0
	for end := time.Now().Add(patience); least > 1 && time.Now().Before(end); {
		require.NoError(t, d.Send2(header, payload))
		pass(t, r, patience)
		least = min(least, testing.AllocsPerRun(1, func() { _ = r.Recv(&m, nil) }))
	}
	require.InDelta(t, 1, least, 0.01)
}

// Not parallel: it counts the descriptors of the whole process.
func TestDescriptorsReturnToBase(t *testing.T) {
	round := func() {
		r, err := NewRouter(Options{Probe: true})
		require.NoError(t, err)
		at := ipcEndpoint(t)
		_, err = r.Bind(at)
		require.NoError(t, err)
		d, err := NewDealer(Options{})
		require.NoError(t, err)
		require.NoError(t, d.Connect(at.String()))
		awaitProbe(t, r, d)
		w, err := NewWaiter(r, nil, func() bool { return false })
		require.NoError(t, err)
		w.Stop()
		require.NoError(t, d.Close(0))
		require.NoError(t, r.Close(0))
	}
	count := func() int {
		require.Zero(t, OpenSockets())
		require.NoError(t, Shutdown()) // waits until libzmq has closed everything
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc/self/fd to count descriptors: ", err)
		}
		return len(entries)
	}
	round()
	base := count()
	for range 200 {
		round()
	}
	require.Equal(t, base, count())
}

func TestShutdownRefusesWithOpenSockets(t *testing.T) {
	s := newDealer(t, Options{})
	require.Error(t, Shutdown())
	require.NoError(t, s.Close(0))
}
