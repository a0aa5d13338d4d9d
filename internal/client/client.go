// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/powerhose/powerhose/internal/call"
	"github.com/powerhose/powerhose/internal/combine"
	"github.com/powerhose/powerhose/internal/session"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// Client connects a process to masters elsewhere. Its methods may be called
// from any goroutine. It is a call.Dispatcher.
type Client struct {
	log       *slog.Logger
	options   zmqnet.Options
	epoch     time.Time // moments of the session count from here
	queue     *combine.Queue[task]
	timer     *time.Timer // kicks queue
	callers   zmqnet.Callers
	waiter    atomic.Pointer[zmqnet.Waiter] // in which a lone caller may lead: the only master's, nil if there are others
	malformed atomic.Uint64

	// The rest belongs to whoever is at work: see work.
	session  *session.Runner
	calls    int     // submitted and not answered
	links    []*link // one for each master
	now      time.Duration
	armed    time.Duration // when timer fires, at the latest
	out      []session.RunnerAction
	busy     bool // with out
	closed   bool
	batch    batch
	queries  []*query
	brief    bool   // a caller looks at the socket himself before and after this round
	register []byte // the frame
	scratch  []byte

	closing sync.Once
	ended   sync.WaitGroup // sockets that are being closed in the background
}

var _ call.Dispatcher = (*Client)(nil)

// node is a call's part that belongs to the Client, made when the call is
// submitted the first time and used again with it.
type node struct {
	session.RunnerJob
	client *Client
	call   *call.Call
}

// Dial returns a Client that connects to its masters in the background, and
// again whenever it lost one. It does not wait for a master to be there: jobs
// do, until their deadlines. It fails if the Config makes no sense or there are
// no more sockets. The Client must be closed.
func Dial(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	endpoints, err := cfg.endpoints()
	if err != nil {
		return nil, err
	}
	register, err := cfg.register()
	if err != nil {
		return nil, err
	}
	c := &Client{
		log: cfg.Logger, options: cfg.socketOptions(), epoch: time.Now(), armed: never,
		session: session.NewRunner(cfg.session()), register: register,
	}
	for i, e := range endpoints {
		l := &link{index: i, endpoint: e.String(), path: e.Path()}
		l.ready = func() bool {
			l.signalled.Store(true)
			c.queue.Kick()
			return false
		}
		if l.socket, err = zmqnet.NewDealer(c.options); err != nil {
			for _, l := range c.links {
				_ = l.socket.Close(0)
			}
			return nil, fmt.Errorf("client: master %q: %w", l.endpoint, err)
		}
		c.links = append(c.links, l)
	}
	c.queue = combine.New(c.work)
	c.timer = time.AfterFunc(time.Hour, c.queue.Kick)
	c.timer.Stop()
	c.queue.Kick() // connect
	return c, nil
}

// Submit implements call.Dispatcher. The payload and the headers of the call
// must not be changed until its answer; the result may be part of a message
// that holds the results of other calls too.
//
// An answer with MasterLost and MayHaveRun means that a master had the job when
// the connection to it broke; one with MasterLost alone, that no master was up
// for as long as the job could wait. If a master was up but did not take the
// job in time, or its deadline is less than session.MinMargin away, the outcome
// is OutcomeTimedOutWaiting.
func (c *Client) Submit(cl *call.Call) {
	n, _ := cl.State.(*node)
	if n == nil || n.client != c {
		n = &node{RunnerJob: *session.NewRunnerJob(), client: c, call: cl}
		n.Ref = n
		cl.State = n
	}
	cl.Callers = &c.callers
	cl.Led = c.callers.Add()
	if !c.queue.Add(task{kind: taskSubmit, node: n, led: cl.Led}) {
		cl.Outcome = protocol.OutcomeClosed
		cl.Answer()
	}
}

// Lead implements call.Dispatcher.
func (c *Client) Lead(ctx context.Context, cl *call.Call) {
	if !cl.Led {
		return
	}
	if w := c.waiter.Load(); w == nil || !w.Lead(ctx, cl.Sleep) {
		c.queue.Kick() // for the look that was left to us
	}
}

// Cancel implements call.Dispatcher. It is for the goroutine that submitted the
// call, before it used it again. The answer comes within 10 ms.
func (c *Client) Cancel(cl *call.Call) {
	if n, _ := cl.State.(*node); n != nil && n.client == c {
		c.queue.Add(task{kind: taskCancel, node: n})
	}
}

// Close answers every call with OutcomeClosed, takes leave of the masters, and
// frees everything. Calls submitted later get the same answer. The last
// messages may take 200 ms in the background. It is safe to call more than once,
// but not from the goroutine of a Logger's handler.
func (c *Client) Close() error {
	c.closing.Do(func() {
		c.queue.Add(task{kind: taskClose})
		c.queue.Close()
		// Nobody is at work any more, and nobody will be: all is ours.
		c.timer.Stop()
		for _, l := range c.links {
			if l.watch != nil {
				l.watch.Stop()
			}
			if l.waiter != nil {
				l.waiter.Stop()
			}
			if l.socket != nil {
				_ = l.socket.Close(linger)
			}
		}
		c.ended.Wait()
	})
	return nil
}

// Counters count what happened since Dial.
type Counters struct {
	session.RunnerStats
	Malformed uint64 // messages of masters that break the protocol
}

// Counters returns what was counted so far; after Close only Malformed.
func (c *Client) Counters() Counters {
	out := Counters{Malformed: c.malformed.Load()}
	done := make(chan struct{})
	if c.queue.Add(task{kind: taskDo, do: func() { out.RunnerStats = c.session.Stats(); close(done) }}) {
		<-done
	}
	return out
}
