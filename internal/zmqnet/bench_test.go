// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// burst is how many messages are sent before they are received; far below what
// the queues hold, since libzmq gives room back in steps of half a queue.
const burst = 200

// bench alternates sends and receives, b.N each, and reports the median time of
// the successful calls of one of them: the mean would tell of the machine's other
// work.
func bench(b *testing.B, timeSends bool, send, recv func() error) {
	times := make([]time.Duration, 0, b.N)
	timed := func(f func() error, count bool) {
		for {
			start := time.Now()
			err := f()
			spent := time.Since(start)
			if err == nil {
				if count {
					times = append(times, spent)
				}
				return
			}
			if !errors.Is(err, ErrAgain) {
				b.Fatal(err)
			}
		}
	}
	b.ResetTimer()
	for done := 0; done < b.N; done += burst {
		n := min(burst, b.N-done)
		for range n {
			timed(send, timeSends)
		}
		for range n {
			timed(recv, !timeSends)
		}
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2]), "median-ns")
	b.ReportMetric(0, "ns/op") // of both halves and the waiting in between
}

func pair(b *testing.B) (r, d *Socket, id string) {
	r, address := listen(b, ipcEndpoint(b), Options{})
	d = connect(b, r, address, Options{})
	var m Message
	require.NoError(b, d.Send1([]byte("hello")))
	receive(b, r, &m)
	return r, d, m.ID
}

func BenchmarkDealerSend2(b *testing.B)   { benchToRouter(b, true) }
func BenchmarkRouterRecv2(b *testing.B)   { benchToRouter(b, false) }
func BenchmarkRouterSendTo2(b *testing.B) { benchToDealer(b, true) }
func BenchmarkDealerRecv2(b *testing.B)   { benchToDealer(b, false) }

func benchToRouter(b *testing.B, sends bool) {
	r, d, _ := pair(b)
	header, payload := make([]byte, 30), make([]byte, 100)
	var m Message
	bench(b, sends,
		func() error { return d.Send2(header, payload) },
		func() error { return r.Recv(&m, nil) })
}

func benchToDealer(b *testing.B, sends bool) {
	r, d, id := pair(b)
	header, payload := make([]byte, 30), make([]byte, 100)
	var m Message
	bench(b, sends,
		func() error { return r.SendTo2(id, header, payload) },
		func() error { return d.Recv(&m, nil) })
}

func BenchmarkRecvNothing(b *testing.B) {
	r, _, _ := pair(b)
	b.ReportAllocs()
	var m Message
	for b.Loop() {
		if !errors.Is(r.Recv(&m, nil), ErrAgain) {
			b.Fatal("something came")
		}
	}
}

func BenchmarkReadable(b *testing.B) {
	r, _, _ := pair(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Readable(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKick(b *testing.B) {
	s := newDealer(b, Options{})
	w, err := NewWaiter(s, nil, func() bool { return false })
	require.NoError(b, err)
	defer w.Stop()
	b.ReportAllocs()
	for b.Loop() {
		w.Kick()
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	for name, at := range transports {
		b.Run(name, func(b *testing.B) {
			r, address := listen(b, at(b), Options{})
			d := connect(b, r, address, Options{})
			serve, ask := pollOne(b, r), pollOne(b, d)
			quit := make(chan struct{})
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				var m Message
				for {
					for r.Recv(&m, nil) == nil {
						_ = r.SendTo2(m.ID, m.Frames[0], m.Frames[1])
					}
					select {
					case <-quit:
						return
					default:
						_ = serve.Wait(-1)
					}
				}
			}()
			header, payload := make([]byte, 30), make([]byte, 100)
			var m Message
			b.ReportAllocs()
			for b.Loop() {
				if err := d.Send2(header, payload); err != nil {
					b.Fatal(err)
				}
				for d.Recv(&m, nil) != nil {
					_ = ask.Wait(-1)
				}
			}
			close(quit)
			serve.Wake()
			<-ended
		})
	}
}

func pollOne(b *testing.B, s *Socket) *Poller {
	p, err := NewPoller()
	require.NoError(b, err)
	b.Cleanup(func() { _ = p.Close() })
	p.Add(s)
	return p
}
