// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// send sends a message over a connection of the ROUTER. If the connection is
// gone, that is found elsewhere.
func (r *rig) send(c *conn, frames ...[]byte) {
	if err := r.trySend(c, frames...); !unreachable(err) {
		must(err)
	}
}

func (r *rig) trySend(c *conn, frames ...[]byte) error {
	if r.router == nil || c == nil {
		return zmqnet.ErrUnreachable
	}
	r.said = time.Now()
	if len(frames) == 1 {
		return r.router.SendTo1(c.id, frames[0])
	}
	return r.router.SendTo2(c.id, frames[0], frames[1])
}

// say sends a message to the worker, over the connection that it registered on.
func (r *rig) say(frames ...[]byte) { r.send(r.last, frames...) }

// sayJob sends what belongs to a job: in listen mode that has its own road.
func (r *rig) sayJob(frames ...[]byte) {
	if r.own == nil {
		r.say(frames...)
		return
	}
	var err error
	if len(frames) == 1 {
		err = r.own.Send1(frames[0])
	} else {
		err = r.own.Send2(frames[0], frames[1])
	}
	if !unreachable(err) {
		must(err)
	}
}

// command is a message of the worker's conversation.
func command(cmd protocol.Command, fields ...byte) []byte {
	return append([]byte{'P', 'H', 'Z', protocol.Version, byte(protocol.RoleWorker), byte(cmd)}, fields...)
}

func (r *rig) sayPing() { r.say(command(protocol.CommandPing)) }

// welcomeFrame is the WELCOME of this master.
func (r *rig) welcomeFrame() []byte {
	r.given = r.master.Welcome
	r.given.Identity = fmt.Sprintf("conform-%d", r.masters)
	frame, err := r.given.Append(nil, protocol.RoleWorker)
	must(err)
	return frame
}

// sayWelcome answers REGISTER, in listen mode after the probe of the worker's own
// socket.
func (r *rig) sayWelcome() {
	if r.own != nil && !r.probed {
		hold := r.master.hold
		r.master.hold = true
		r.wait(r.timeout(), func() bool { return r.probed })
		r.master.hold = hold
	}
	r.say(r.welcomeFrame())
	r.welcomed()
}

// sayOther sends a WELCOME that is not this master's usual one.
func (r *rig) sayOther(pairs ...string) {
	r.say(properties(pairs...))
	r.given = protocol.Welcome{Identity: "other", MaxMessage: protocol.DefaultMaxMessage}
}

// welcomed: the worker has a WELCOME that is in order.
func (r *rig) welcomed() {
	if r.last != nil {
		r.last.state = connWelcomed
	}
}

// sayError sends an ERROR. ERROR 1 ends the registration, if there is one.
func (r *rig) sayError(code protocol.ErrorCode, role protocol.Role, text string) {
	r.say(protocol.PeerError{Code: code, Text: text}.Append(nil, role))
	if code == protocol.CodeUnregistered && r.last.state != connWaiting {
		r.last.state = connEnded
		r.last.asked++
		r.retire()
	}
}

// evict tells the worker that it is not registered.
func (r *rig) evict() {
	r.sayError(protocol.CodeUnregistered, protocol.RoleWorker, "register first")
}

// sayProbe asks who the worker is, as a ROUTER does of a new connection.
func (r *rig) sayProbe() {
	r.say([]byte{})
	if r.last.state != connWaiting {
		r.last.state = connEnded
		r.last.asked++
		r.retire()
	}
}

func (r *rig) sayBye() {
	r.say(command(protocol.CommandBye))
	if r.last.state != connWaiting {
		r.last.state = connEnded
	}
	r.retire()
}

const longTime = time.Minute

// newJob makes a job, as it is sent if nothing else is said.
func (r *rig) newJob(service string) protocol.WorkerJob {
	r.nextID++
	return protocol.WorkerJob{ID: r.nextID, Attempt: 1, TimeLeft: longTime, Service: []byte(service)}
}

// enter notes a job before it is given out.
func (r *rig) enter(m protocol.WorkerJob, text string) *job {
	j := &job{ref: protocol.JobRef{ID: m.ID, Attempt: m.Attempt}, text: text, sent: time.Now()}
	r.jobs[m.ID] = j
	return j
}

// give gives the worker a job.
func (r *rig) give(m protocol.WorkerJob, payload []byte, text string) *job {
	frame, err := m.Append(nil)
	must(err)
	j := r.enter(m, text)
	r.sayJob(frame, payload)
	return j
}

func (r *rig) giveEcho(text string) *job {
	return r.give(r.newJob(r.needService(r.cfg.Services.Echo)), []byte(text), fmt.Sprintf("echo %q", text))
}

func (r *rig) giveSleep(d time.Duration) *job {
	return r.give(r.newJob(r.needService(r.cfg.Services.Sleep)), milliseconds(d), fmt.Sprintf("sleep %v", d))
}

func milliseconds(d time.Duration) []byte { return fmt.Appendf(nil, "%d", d.Milliseconds()) }

// rawJob is a JOB of which nothing is checked.
func rawJob(m protocol.WorkerJob, headersLen int, tail ...byte) []byte {
	b := command(protocol.CommandJob)
	b = binary.BigEndian.AppendUint64(b, m.ID)
	b = binary.BigEndian.AppendUint32(b, m.Attempt)
	b = binary.BigEndian.AppendUint64(b, uint64(m.TimeLeft/time.Microsecond))
	b = append(b, byte(len(m.Service)))
	b = append(b, m.Service...)
	b = binary.BigEndian.AppendUint16(b, uint16(headersLen))
	b = append(b, m.Headers...)
	return append(b, tail...)
}

// callOff sends CANCEL or RECALL.
func (r *rig) callOff(cmd protocol.Command, ref protocol.JobRef) { r.sayJob(ref.Append(nil, cmd)) }

// answer waits for the answer to a job. Without one the rule is broken; one that
// breaks another rule ends the check.
func (r *rig) answer(j *job, limit time.Duration) *event {
	if !r.wait(limit, func() bool { return j.answer != nil }) {
		r.broken("expected an answer to %s within %v, got %s", j.text, limit, r.heard())
	}
	if j.answer.flawed {
		r.skip("not reached: the answer to %s breaks another rule", j.text)
	}
	return j.answer
}

// result is answer for one that must be RESULT.
func (r *rig) result(j *job, limit time.Duration) *event {
	e := r.answer(j, limit)
	if e.cmd != protocol.CommandResult {
		r.broken("expected RESULT of %s, got %v", j.text, e.cmd)
	}
	return e
}

// done is result for a job that must not fail.
func (r *rig) done(j *job, limit time.Duration) *event {
	e := r.result(j, limit)
	if e.status != protocol.StatusOK {
		r.broken("expected %s to succeed, got the error %s", j.text, shorten(e.payload))
	}
	return e
}

// settle proves that the worker goes on and has read everything before.
func (r *rig) settle() {
	r.awaitWelcome()
	if !r.offers(r.cfg.Services.Echo) {
		r.sayPing()
		before := r.count(is(protocol.CommandPong))
		if !r.wait(r.timeout(), func() bool { return r.count(is(protocol.CommandPong)) > before }) {
			r.broken("expected it to go on and to answer PING, got %s", r.heard())
		}
		return
	}
	// Two, one after the other: what should not have been started, and runs
	// beside the first, is over before the second.
	for _, text := range []string{"still there?", "and still?"} {
		j := r.giveEcho(text)
		if e := r.answer(j, r.timeout()); e.cmd != protocol.CommandResult {
			r.broken("expected it to go on and to do %s, got %v", j.text, e)
		}
	}
}
