// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"errors"
	"time"
	"unicode/utf8"

	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// receive handles all that has arrived.
func (r *rig) receive() {
	if r.router != nil {
		for {
			err := r.router.Recv(&r.msg, nil)
			if errors.Is(err, zmqnet.ErrAgain) {
				break
			}
			r.arrived(r.connOf(r.msg.ID), err)
		}
	}
	for r.own != nil {
		err := r.own.Recv(&r.msg, nil)
		if errors.Is(err, zmqnet.ErrAgain) {
			break
		}
		if err == nil && r.msg.IsProbe() {
			r.ownProbe()
			continue
		}
		r.arrived(nil, err)
	}
}

// connOf returns the connection with this id. Of a new one nothing is known but
// that the ROUTER has sent it a probe.
func (r *rig) connOf(id string) *conn {
	c := r.conns[id]
	if c == nil {
		c = &conn{id: id, asked: 1, lenient: r.identity != ""}
		r.conns[id] = c
		r.saw(watchRoutingID)
		// Those that libzmq makes up are five octets, of which the first is 0. A
		// peer cannot choose one that begins with 0.
		if len(id) != 5 || id[0] != 0 {
			r.violated(watchRoutingID, "expected none, got %q", id)
		}
	}
	return c
}

// arrived handles a message. c is nil for one over the worker's own socket.
func (r *rig) arrived(c *conn, err error) {
	if errors.Is(err, zmqnet.ErrMalformed) {
		r.saw(watchFrames)
		r.violated(watchFrames, "got a message of more than %d frames", zmqnet.MaxFrames)
		r.note(&event{conn: c, flawed: true})
		return
	}
	must(err)
	if r.prog == nil {
		return // of a process that was killed
	}
	e := &event{conn: c}
	fields, payload, ok := r.header(e, r.msg.Frames)
	switch {
	case !ok:
		e.flawed = true
		r.flawedAnswer(e, fields)
	case e.cmd == protocol.CommandBatch:
		r.batch(c, fields)
		return
	default:
		r.fields(e, fields, payload)
	}
	r.note(e)
}

// header looks at what all messages have in common.
func (r *rig) header(e *event, frames [][]byte) (fields, payload []byte, ok bool) {
	r.saw(watchHeader)
	head, fields, err := protocol.ParseHeader(frames[0])
	if err != nil && head.Role != protocol.RoleWorker {
		r.violated(watchHeader, "got %s: %v", shorten(frames[0]), err)
		return nil, nil, false
	}
	if err != nil {
		r.violated(watchHeader, "got version %d", head.Version)
		return nil, nil, false
	}
	r.saw(watchRole)
	if head.Role != protocol.RoleWorker {
		r.violated(watchRole, "got %v of role %q", head.Command, string(head.Role))
		return nil, nil, false
	}
	r.saw(watchCommand)
	want := head.Frames(protocol.ToMaster)
	if want == 0 {
		r.violated(watchCommand, "got %v", head.Command)
		return nil, nil, false
	}
	e.cmd = head.Command
	r.saw(watchFrames)
	if len(frames) != want {
		r.violated(watchFrames, "expected %d for %v, got %d", want, head.Command, len(frames))
		return fields, nil, false
	}
	r.saw(watchLength)
	for _, f := range frames {
		if most := r.given.MaxMessage; most > 0 && int64(len(f)) > most {
			r.violated(watchLength, "expected at most %d octets, got %v with %d", most, head.Command, len(f))
		}
	}
	if want == 2 {
		payload = frames[1]
	}
	return fields, payload, true
}

// fields looks at what a message says, and draws the conclusions.
func (r *rig) fields(e *event, fields, payload []byte) {
	r.saw(watchFields)
	var err error
	switch e.cmd {
	case protocol.CommandRegister:
		r.saw(watchProperties)
		if e.reg, err = protocol.ParseRegistration(protocol.RoleWorker, fields); err != nil {
			e.flawed = true
			r.violated(watchProperties, "%v", err)
			err = nil
		}
	case protocol.CommandResult:
		err = r.readResult(e, fields, payload)
	case protocol.CommandReturn:
		var ref protocol.JobRef
		if ref, err = protocol.ParseJobRef(fields); err == nil {
			r.answered(e, ref)
		}
	default:
		err = protocol.ParseEmpty(fields)
	}
	if err != nil {
		e.flawed = true
		r.violated(watchFields, "%v: %v", e.cmd, err)
	}
	r.follow(e)
}

func (r *rig) readResult(e *event, fields, payload []byte) error {
	res, err := protocol.ParseWorkerResult(fields)
	r.saw(watchStatus)
	if err != nil && res.Status > protocol.StatusError {
		r.violated(watchStatus, "got status %d", res.Status)
		err = nil
		e.flawed = true
	}
	if err != nil {
		return err
	}
	if res.Status == protocol.StatusError && !utf8.Valid(payload) {
		r.violated(watchStatus, "got the error text %s", shorten(payload))
	}
	e.status, e.run, e.payload = res.Status, res.Run, payload
	r.answered(e, protocol.JobRef{ID: res.ID, Attempt: res.Attempt})
	return nil
}

// answered finds the job that a RESULT or RETURN is about.
func (r *rig) answered(e *event, ref protocol.JobRef) {
	r.saw(watchAnswer)
	j := r.jobs[ref.ID]
	if j == nil {
		r.violated(watchAnswer, "got %v for job %d attempt %d, which it was not given", e.cmd, ref.ID, ref.Attempt)
		return
	}
	e.job = j
	switch {
	case j.past: // it may not know yet; what is wrong with it is up to the check
	case ref.Attempt != j.ref.Attempt:
		r.violated(watchAnswer, "expected attempt %d of %s, got %v for attempt %d", j.ref.Attempt, j.text, e.cmd, ref.Attempt)
		e.flawed = true
	case j.answer != nil:
		r.violated(watchAnswer, "got %v for %s, which was answered before with %v", e.cmd, j.text, j.answer.cmd)
	}
	if j.answer == nil {
		j.answer = e
	}
}

// flawedAnswer lets nobody wait for the answer that a flawed message was to be.
func (r *rig) flawedAnswer(e *event, fields []byte) {
	if e.cmd != protocol.CommandResult {
		return
	}
	if res, err := protocol.ParseWorkerResult(fields); err == nil {
		if j := r.jobs[res.ID]; j != nil && j.answer == nil {
			e.job, j.answer = j, e
		}
	}
}

// batch takes a BATCH apart.
func (r *rig) batch(c *conn, fields []byte) {
	r.saw(watchRecords)
	r.saw(watchBatch)
	var found []*event
	records := protocol.ReadBatch(fields)
	for {
		cmd, fields, payload, ok := records.Next()
		if !ok {
			break
		}
		e := &event{conn: c, cmd: cmd}
		if cmd != protocol.CommandResult {
			r.violated(watchRecords, "got a record that is a %v", cmd)
			continue
		}
		r.fields(e, fields, payload)
		found = append(found, e)
	}
	if err := records.Err(); err != nil {
		r.violated(watchRecords, "%v", err)
	}
	if len(found) > r.given.Batch {
		r.violated(watchBatch, "WELCOME granted %d records, got %d", r.given.Batch, len(found))
	}
	for _, e := range found {
		e.records = len(found)
		r.note(e)
	}
}

func (r *rig) note(e *event) {
	e.at = time.Now()
	r.log = append(r.log, e)
}

// follow is the master's side of the conversation.
func (r *rig) follow(e *event) {
	if r.reg.Endpoint != "" && r.given.Identity != "" {
		r.road(e)
	}
	c := e.conn
	if c == nil {
		return
	}
	if e.cmd == protocol.CommandRegister {
		r.registers(c, e)
		return
	}
	r.saw(watchEarly)
	if (c.state == connWaiting || c.state == connFresh) && !c.lenient {
		r.violated(watchEarly, "got %v", e)
	}
	if e.cmd == protocol.CommandPing && c.state == connWelcomed && !r.master.mute {
		r.send(c, protocol.AppendPong(nil, protocol.RoleWorker))
	}
}

// road looks at which connection a message came over in listen mode.
func (r *rig) road(e *event) {
	r.saw(watchRoad)
	ofJob := e.cmd == protocol.CommandResult || e.cmd == protocol.CommandReturn
	if ofJob == (e.conn != nil) {
		road := "the connection that it registered on"
		if e.conn == nil {
			road = "its own socket"
		}
		r.violated(watchRoad, "got %v over %s", e.cmd, road)
	}
}

func (r *rig) registers(c *conn, e *event) {
	r.saw(watchRegister)
	switch {
	case c.state == connWaiting:
		c.lenient = true // what follows is no breach of its own
		r.violated(watchRegister, "got a second REGISTER while the first waits for its WELCOME")
	case c.asked == 0:
		c.lenient = true
		r.violated(watchRegister, "got one on a connection that is registered")
	}
	c.asked = max(c.asked-1, 0)
	c.lenient = c.lenient && c.state != connFresh
	c.state = connWaiting
	r.last = c
	r.retire()
	if e.flawed {
		return
	}
	r.saw(watchIdentity)
	if r.identity == "" {
		r.identity = e.reg.Identity
		r.mu.Lock()
		r.starts = append(r.starts, start{r.prog.cmd.Process.Pid, r.identity})
		r.mu.Unlock()
	} else if e.reg.Identity != r.identity {
		r.violated(watchIdentity, "registered as %q first, then as %q", r.identity, e.reg.Identity)
	}
	r.reg = e.reg
	r.closeOwn()
	if r.listen != "" && e.reg.Endpoint != "" {
		r.openOwn(e.reg.Endpoint)
	} else if !r.master.hold {
		r.sayWelcome()
	}
}

// openOwn connects to the worker's own socket. WELCOME follows its probe.
func (r *rig) openOwn(to string) {
	s, err := zmqnet.NewDealer(zmqnet.Options{})
	must(err)
	if err := s.Connect(to); err != nil {
		_ = s.Close(0)
		r.violated(watchProperties, "endpoint %q: %v", to, err)
		return
	}
	r.poller.Add(s)
	r.own = s
}

func (r *rig) ownProbe() {
	r.probed = true
	if r.last != nil && r.last.state == connWaiting && !r.master.hold {
		r.sayWelcome()
	}
}
