// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/powerhose/powerhose/internal/combine"
	"github.com/powerhose/powerhose/internal/zmqnet"
)

// rawBrokerGo is the raw broker as a Go process sees it: what a stand-alone
// master could be at best if it did nothing but forward, one job a message.
func rawBrokerGo() *peer {
	return &peer{
		name: "raw-broker", worker: "cxx", client: "go", needs: []string{"raw"},
		about: "the same broker and workers, called from Go through the same socket code as Powerhose",
		start: func(ctx context.Context, s *site) (target, error) {
			frontend, err := s.startRawBroker(ctx)
			if err != nil {
				return nil, err
			}
			return dialRaw(ctx, frontend)
		},
	}
}

// rawClient lets many goroutines share one DEALER, as internal/client does, but
// without a protocol: a message is the number of the call and the payload.
type rawClient struct {
	queue  *combine.Queue[*rawCall]
	socket *zmqnet.Socket
	waiter *zmqnet.Waiter
	calls  sync.Pool
	// callers, as in internal/client: a lone caller waits for the socket himself.
	callers zmqnet.Callers

	// Only in work.
	pending []*rawCall // by number; nil where the number is free
	free    []uint32
	message zmqnet.Message
	frame   []byte
}

type rawCall struct {
	payload, result []byte
	err             error
	done            chan struct{}
	callers         *zmqnet.Callers
	leads           bool
	sleep           *zmqnet.Sleep
}

func (c *rawCall) answer() {
	sleep := c.sleep
	c.callers.Leave()
	sleep.Answer()
	c.done <- struct{}{}
	sleep.Wake()
}

// numberSize is how many octets of a message are the number of the call.
const numberSize = 4

func dialRaw(ctx context.Context, endpoint string) (*rawClient, error) {
	c := &rawClient{calls: sync.Pool{New: func() any { return &rawCall{done: make(chan struct{}, 1), sleep: new(zmqnet.Sleep)} }}}
	var err error
	if c.socket, err = zmqnet.NewDealer(zmqnet.Options{SendHWM: 16384, RecvHWM: 16384}); err != nil {
		return nil, err
	}
	if err := c.socket.Connect(endpoint); err != nil {
		return nil, err
	}
	// It does not queue while there is no connection.
	for retry := time.NewTicker(time.Millisecond); ; {
		err := c.socket.Send1([]byte("no one waits for this"))
		if err == nil {
			break
		}
		if !errors.Is(err, zmqnet.ErrAgain) {
			return nil, err
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to the broker: %w", ctx.Err())
		}
	}
	c.queue = combine.New(c.work)
	c.waiter, err = zmqnet.NewWaiter(c.socket, &c.callers, func() bool { c.queue.Kick(); return false })
	return c, err
}

func (c *rawClient) call(ctx context.Context, _ string, payload []byte) ([]byte, error) {
	call := c.calls.Get().(*rawCall)
	call.payload = payload
	call.callers = &c.callers
	call.leads = c.callers.Add()
	c.queue.Add(call)
	if call.leads && !c.waiter.Lead(ctx, call.sleep) {
		c.queue.Kick()
	}
	<-call.done
	result, err := call.result, call.err
	call.sleep.Reset()
	*call = rawCall{done: call.done, sleep: call.sleep}
	c.calls.Put(call)
	return result, err
}

func (c *rawClient) work(calls []*rawCall) (again bool) {
	for _, call := range calls {
		c.send(call)
	}
	if len(calls) == 1 && calls[0].leads {
		return false // he looks himself
	}
	for {
		err := c.socket.Recv(&c.message, nil)
		if errors.Is(err, zmqnet.ErrAgain) {
			break
		}
		if err != nil {
			c.fail(err)
			return false
		}
		c.answer(c.message.Frames[0])
		if len(c.free) == len(c.pending) && c.callers.Lead() {
			return false
		}
	}
	readable, err := c.socket.Readable()
	if err != nil {
		c.fail(err)
	}
	return readable
}

func (c *rawClient) send(call *rawCall) {
	if len(c.free) == 0 {
		c.free = append(c.free, uint32(len(c.pending)))
		c.pending = append(c.pending, nil)
	}
	number := c.free[len(c.free)-1]
	c.frame = append(binary.BigEndian.AppendUint32(c.frame[:0], number), call.payload...)
	if call.err = c.socket.Send1(c.frame); call.err != nil {
		call.answer()
		return
	}
	c.free = c.free[:len(c.free)-1]
	c.pending[number] = call
}

func (c *rawClient) answer(frame []byte) {
	if len(frame) < numberSize {
		return
	}
	number := binary.BigEndian.Uint32(frame)
	if uint64(number) >= uint64(len(c.pending)) || c.pending[number] == nil {
		return // the message that was sent to find out whether there is a connection
	}
	call := c.pending[number]
	c.pending[number] = nil
	c.free = append(c.free, number)
	call.result = frame[numberSize:]
	call.answer()
}

// fail ends all calls: the socket is beyond repair.
func (c *rawClient) fail(err error) {
	for number, call := range c.pending {
		if call != nil {
			c.pending[number] = nil
			call.err = err
			call.answer()
		}
	}
}

func (c *rawClient) close() error {
	c.queue.Close()
	c.waiter.Stop()
	return c.socket.Close(0)
}
