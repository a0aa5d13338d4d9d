// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/ledger"
	"github.com/powerhose/powerhose/internal/session"
	"github.com/powerhose/powerhose/internal/workerenv"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// mutant is a worker that offers all there is, and does one thing wrong. It is
// this test binary, started with mutantEnv. What is right is internal/session's;
// what is wrong gets between that and the sockets by hooks, each of which may be
// nil. Everything belongs to one goroutine; handlers run in others, and do not
// look at their cancellation.
type mutant struct {
	// configure changes what it is.
	configure func(m *mutant, cfg *session.WorkerConfig)
	// hear changes a message before the session has it; nil drops it.
	hear func(m *mutant, frames [][]byte) [][]byte
	// do may do an action in another way; false: do it as usual.
	do func(m *mutant, a *session.WorkerAction) bool
	// tell changes a result before it is sent.
	tell func(m *mutant, res *protocol.WorkerResult, payload []byte) []byte
	// round is called each few milliseconds.
	round func(m *mutant)
	// told: SIGTERM has come; false: drain as usual.
	told func(m *mutant) bool

	reg        protocol.Registration
	options    zmqnet.Options
	where      string
	session    *session.Worker
	begun      time.Time
	actions    []session.WorkerAction
	performing bool

	dealer, own *zmqnet.Socket
	listen      string
	listening   int
	poller      *zmqnet.Poller
	msg         zmqnet.Message

	welcome protocol.Welcome
	up      bool
	waiting bool // for WELCOME
	ledger  *ledger.Worker
	claimed uint64

	ledgerMode os.FileMode // 0: none

	slots  []answer
	done   chan outcome
	box    []answer
	status int // to exit with; negative: not yet

	at     time.Time // for a hook
	number int       // for a hook
	kept   [][][]byte
	queue  []session.WorkerAction // for a hook
}

// answer is a job in the making, or made.
type answer struct {
	res     protocol.WorkerResult
	payload []byte
	peer    string
	began   time.Time

	running  bool // its handler was called and has not returned
	finished bool // its handler has returned
	silent   bool // it is not sent
}

// outcome is what a handler returned.
type outcome struct {
	slot   int
	result []byte
	err    error
}

const mutantEnv = "CONFORM_MUTANT"

// beMutant is the main of a mutant.
func beMutant(name string) int {
	m := &mutant{
		reg: protocol.Registration{
			Identity: fmt.Sprintf("mutant-%d-%s", os.Getpid(), rand.Text()), Services: []string{"echo", "sleep", "burn", "fail", "fill"},
			Capacity: 2, Prefetch: 4, Batch: 8, PID: os.Getpid(), Language: "go",
		},
		where: os.Getenv(endpoint.EnvBackend), listen: os.Getenv(workerenv.Listen), begun: time.Now(), done: make(chan outcome, 100), status: -1,
		ledgerMode: 0o600, options: zmqnet.Options{SendHWM: 10_000, RecvHWM: 10_000},
	}
	i := slices.IndexFunc(mutations, func(x mutation) bool { return x.name == name })
	if i < 0 {
		return 99
	}
	mutations[i].install(m)
	cfg := session.WorkerConfig{
		Services: m.reg.Services, Capacity: m.reg.Capacity, Prefetch: m.reg.Prefetch, Listen: m.listen != "",
		Patience: protocol.Patience, DrainTimeout: time.Minute,
	}
	if m.configure != nil {
		m.configure(m, &cfg)
	}
	m.slots = make([]answer, cfg.Capacity)
	m.session = session.NewWorker(0, cfg)
	return m.run()
}

// plain leaves out what a worker need not have.
func (m *mutant) plain(cfg *session.WorkerConfig, service string) {
	m.reg.Services, m.reg.Capacity, m.reg.Prefetch, m.reg.Batch = []string{service}, 1, 0, 0
	m.reg.PID, m.reg.Language = 0, ""
	m.ledgerMode, m.listen = 0, ""
	cfg.Services, cfg.Capacity, cfg.Prefetch, cfg.Listen = m.reg.Services, 1, 0, false
}

func (m *mutant) run() int {
	var err error
	m.poller, err = zmqnet.NewPoller()
	check0(err)
	m.dealer, err = zmqnet.NewDealer(m.options)
	check0(err)
	check0(m.dealer.Connect(m.where))
	m.poller.Add(m.dealer)
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() { // ends with the process
		for s := range term {
			term <- s
			m.poller.Wake()
			return
		}
	}()
	for m.status < 0 {
		m.receive(m.dealer, false)
		if m.own != nil && m.up {
			m.receive(m.own, true)
		}
		m.news(term)
		if m.round != nil {
			m.round(m)
		}
		if at, ok := m.session.NextDeadline(); ok && m.status < 0 {
			if at <= m.now() {
				m.step(session.WorkerEvent{Kind: session.WorkerTick})
			}
		}
		m.flush()
		if m.status < 0 {
			check0(m.poller.Wait(5 * time.Millisecond))
		}
	}
	_ = m.dealer.Close(time.Second)
	m.closeOwn()
	m.dropLedger()
	check0(m.poller.Close())
	check0(zmqnet.Shutdown()) // waits for what lingers
	return m.status
}

// check0 ends a mutant whose own machinery fails.
func check0(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(98)
	}
}

func (m *mutant) now() time.Duration { return time.Since(m.begun) }

// news handles the ends of handlers, and the signal.
func (m *mutant) news(term chan os.Signal) {
	for {
		select {
		case o := <-m.done:
			m.handled(o)
		case <-term:
			if m.told == nil || !m.told(m) {
				m.step(session.WorkerEvent{Kind: session.WorkerDrain})
			}
		default:
			return
		}
	}
}

func (m *mutant) handled(o outcome) {
	s := &m.slots[o.slot]
	s.running, s.finished = false, true
	s.res.Run = time.Since(s.began)
	if s.payload = o.result; o.err != nil {
		s.payload, s.res.Status = []byte(o.err.Error()), protocol.StatusError
	}
	m.step(session.WorkerEvent{Kind: session.WorkerDone, Slot: o.slot})
}

func (m *mutant) receive(s *zmqnet.Socket, own bool) {
	for m.status < 0 {
		err := s.Recv(&m.msg, nil)
		if errors.Is(err, zmqnet.ErrAgain) || errors.Is(err, zmqnet.ErrMalformed) {
			return
		}
		check0(err)
		ev := session.WorkerEvent{Kind: session.WorkerReceived, Frames: m.msg.Frames}
		if own {
			ev.Peer = m.msg.ID
		}
		m.receiveEvent(ev)
		if own && m.own != s {
			return
		}
	}
}

func (m *mutant) receiveEvent(ev session.WorkerEvent) {
	if m.hear != nil {
		if ev.Frames = m.hear(m, slices.Clone(ev.Frames)); ev.Frames == nil {
			return
		}
	}
	m.step(ev)
}

func (m *mutant) step(ev session.WorkerEvent) {
	m.actions = m.session.Step(m.now(), &ev, m.actions)
	if m.performing {
		return
	}
	m.performing = true
	for i := 0; i < len(m.actions) && m.status < 0; i++ {
		a := m.actions[i]
		if m.do == nil || !m.do(m, &a) {
			m.perform(&a)
		}
	}
	m.performing = false
	m.actions = m.actions[:0]
}

func (m *mutant) perform(a *session.WorkerAction) {
	switch a.Kind {
	case session.WorkerRegister:
		m.up, m.waiting = false, true
		m.register()
	case session.WorkerUp:
		m.registered(a)
	case session.WorkerDown:
		m.up, m.waiting, m.box = false, false, nil
	case session.WorkerReconnect:
		m.waiting = false
		_ = m.dealer.Disconnect(m.where)
		check0(m.dealer.Connect(m.where))
	case session.WorkerSend:
		m.send(a.Peer, command(a.Command))
	case session.WorkerReturn:
		m.flush()
		m.send(a.Peer, a.Ref.Append(nil, protocol.CommandReturn))
	case session.WorkerStart:
		m.start(a)
	case session.WorkerResult:
		if s := m.slots[a.Slot]; !s.silent {
			m.box = append(m.box, s)
		}
	case session.WorkerCancel, session.WorkerDropped:
	case session.WorkerEnd:
		m.status = 3
		if a.Reason == session.WorkerDrained {
			m.status = 0
		}
		fmt.Fprintf(os.Stderr, "%s %q\n", a.Reason, a.Text)
	}
}

func (m *mutant) send(peer string, frames ...[]byte) {
	var err error
	switch {
	case peer != "" && m.own == nil:
		return
	case peer != "" && len(frames) == 1:
		err = m.own.SendTo1(peer, frames[0])
	case peer != "":
		err = m.own.SendTo2(peer, frames[0], frames[1])
	case len(frames) == 1:
		err = m.dealer.Send1(frames[0])
	default:
		err = m.dealer.Send2(frames[0], frames[1])
	}
	if unreachable(err) {
		if peer == "" {
			m.step(session.WorkerEvent{Kind: session.WorkerUnsent})
		}
		return
	}
	check0(err)
}

func (m *mutant) register() {
	m.dropLedger()
	m.closeOwn()
	var err error
	if m.listen != "" {
		m.listening++
		at, err := endpoint.ParseBind(m.listen + "." + strconv.Itoa(m.listening))
		check0(err)
		m.own, err = zmqnet.NewRouter(zmqnet.Options{Probe: true})
		check0(err)
		m.reg.Endpoint, err = m.own.Bind(at)
		check0(err)
		m.poller.Add(m.own)
	} else if m.ledgerMode != 0 {
		m.ledger, err = ledger.Create(os.Getenv("XDG_RUNTIME_DIR"))
		check0(err)
		m.reg.Ledger = m.ledger.Path()
		check0(os.Chmod(m.reg.Ledger, m.ledgerMode))
	}
	frame, err := protocol.AppendRegister(nil, protocol.RoleWorker, m.reg)
	check0(err)
	m.send("", frame)
}

func (m *mutant) registered(a *session.WorkerAction) {
	m.up, m.waiting, m.welcome = true, false, *a.Welcome
}

func (m *mutant) closeOwn() {
	if m.own != nil {
		m.poller.Remove(m.own)
		_ = m.own.Close(time.Second)
	}
	m.own = nil
}

func (m *mutant) dropLedger() {
	if m.ledger != nil {
		_ = m.ledger.Close()
	}
	m.ledger, m.claimed = nil, 0
}

func (m *mutant) claim(n uint64) bool {
	for m.ledger != nil && m.welcome.Ledger && m.claimed < n {
		if !m.ledger.Claim(m.claimed + 1) {
			return false
		}
		m.claimed++
	}
	return true
}

func (m *mutant) start(a *session.WorkerAction) {
	if !m.claim(a.Job.Number) {
		m.step(session.WorkerEvent{Kind: session.WorkerFenced, Slot: a.Slot})
		return
	}
	s := &m.slots[a.Slot]
	*s = answer{res: protocol.WorkerResult{ID: a.Job.ID, Attempt: a.Job.Attempt}, peer: a.Job.Peer, began: time.Now(), running: true}
	service, payload, slot := string(a.Job.Service), a.Job.Payload, a.Slot
	go func() { // ends with the handler
		result, err := handle(service, payload)
		m.done <- outcome{slot, result, err}
		m.poller.Wake()
	}()
}

func handle(service string, payload []byte) ([]byte, error) {
	n, err := strconv.Atoi(string(payload))
	switch {
	case service == "echo":
		return payload, nil
	case service == "fail":
		return nil, fmt.Errorf("told to fail: %s", payload)
	case err != nil:
		return nil, err
	case service == "fill":
		return []byte(strings.Repeat("x", n)), nil
	}
	<-time.After(time.Duration(n) * time.Millisecond)
	return payload, nil
}

// flush sends the results that are there, in batches where they are granted.
func (m *mutant) flush() {
	for len(m.box) > 0 && m.status < 0 {
		first := m.box[0]
		m.box = m.box[1:]
		m.finish(&first)
		frame, size := command(protocol.CommandBatch), int64(0)
		n := 0
		for next := &first; next != nil; {
			size += int64(len(next.payload)) + 64
			frame, _ = next.res.AppendRecord(frame, next.payload)
			n++
			if next = nil; n < m.welcome.Batch && len(m.box) > 0 && m.box[0].peer == first.peer && size+int64(len(m.box[0].payload))+64 < m.welcome.MaxMessage {
				next, m.box = &m.box[0], m.box[1:]
				m.finish(next)
			}
		}
		if n == 1 {
			m.sendResult(first)
		} else {
			m.send(first.peer, frame)
		}
	}
}

func (m *mutant) sendResult(a answer) { m.send(a.peer, a.res.Append(nil), a.payload) }

// finish makes a result ready to be sent.
func (m *mutant) finish(a *answer) {
	if most := m.welcome.MaxMessage; int64(len(a.payload)) > most && m.number != keepLong {
		a.res.Status, a.payload = protocol.StatusError, []byte("longer than max-message")
	}
	if m.tell != nil {
		a.payload = m.tell(m, &a.res, a.payload)
	}
}

const keepLong = 1 << 20 // as mutant.number
