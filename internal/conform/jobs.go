// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// jobChecks are about one job at a time.
var jobChecks = []check{
	{rule: 36, name: "job-id and attempt come back as they were, whatever they are", run: (*rig).checkReferences},
	{rule: 36, name: "a job without octets is answered", run: func(r *rig) string { return r.comesBack(nil) }},
	{rule: 40, name: "one octet comes back as it was", run: func(r *rig) string { return r.comesBack([]byte{0}) }},
	{rule: 40, name: "octets of all values come back as they were", run: func(r *rig) string {
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		return r.comesBack(all)
	}},
	{rule: 40, name: "1 MiB, the longest frame by default, comes back as it was", run: func(r *rig) string {
		return r.comesBack(pattern(protocol.DefaultMaxMessage))
	}},
	{rule: 4, name: "a frame as long as a max-message of 4 MiB comes through", costly: true, run: func(r *rig) string {
		const most = 4 << 20
		r.registered(func(m *master) { m.MaxMessage = most })
		return r.echoes(pattern(most))
	}},
	{rule: 38, name: "headers of any octets, 4096 of them, are no trouble", run: (*rig).checkHeaders},
	{rule: 39, name: "the longest time-left there is is not over", run: func(r *rig) string {
		r.ready()
		m := r.newJob(r.needService(r.cfg.Services.Echo))
		m.TimeLeft = 1 // replaced by all ones
		frame := rawJob(m, 0)
		for i := range 8 {
			frame[6+8+4+i] = 0xff
		}
		j := r.enter(m, "a job with 2^64-1 µs left")
		r.sayJob(frame, []byte("x"))
		r.done(j, r.timeout())
		return "it was done"
	}},
	{rule: 36, name: "a job whose time is over is answered", run: func(r *rig) string {
		r.ready()
		m := r.newJob(r.needService(r.cfg.Services.Echo))
		m.TimeLeft = 0
		e := r.answer(r.give(m, []byte("x"), "a job with time-left 0"), r.timeout())
		return fmt.Sprintf("the answer was %v", e.cmd)
	}},
	{rule: 40, name: "a handler that fails gives an error with a text", run: (*rig).checkFailure},
	{rule: 40, name: "run is how long the handler ran", run: (*rig).checkRun},
	{rule: 41, name: "a result longer than max-message is an error", costly: true, run: (*rig).checkTooLong},
	{rule: 42, name: "a job of a service that it does not offer is returned", run: func(r *rig) string {
		r.ready()
		j := r.give(r.newJob(r.unknownService()), []byte("x"), "a job of a service that it does not offer")
		if e := r.answer(j, r.timeout()); e.cmd != protocol.CommandReturn {
			r.broken("expected RETURN, got %v", e)
		}
		r.settle()
		return "RETURN came, and the next job was done"
	}},
	{rule: 43, name: "a running job that is cancelled has its RESULT all the same", run: (*rig).checkCancelRunning},
	{rule: 43, name: "CANCEL of a job that it does not have is ignored", run: callOffUnknown(protocol.CommandCancel)},
	{rule: 44, name: "RECALL of a running job is ignored", run: (*rig).checkRecallRunning},
	{rule: 44, name: "RECALL of a job that it does not have is ignored", run: callOffUnknown(protocol.CommandRecall)},
	{rule: 35, name: "it runs as many jobs at once as its capacity", costly: true, run: (*rig).checkCapacity},
}

// pattern is n octets that repeat late.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

func (r *rig) comesBack(payload []byte) string {
	r.ready()
	return r.echoes(payload)
}

func (r *rig) echoes(payload []byte) string {
	m := r.newJob(r.needService(r.cfg.Services.Echo))
	e := r.done(r.give(m, payload, fmt.Sprintf("echo of %d octets", len(payload))), 2*r.timeout())
	if !bytes.Equal(e.payload, payload) {
		r.broken("expected the %d octets of the job, got %s", len(payload), shorten(e.payload))
	}
	return fmt.Sprintf("%d octets came back", len(payload))
}

func (r *rig) checkReferences() string {
	r.ready()
	service := r.needService(r.cfg.Services.Echo)
	refs := []protocol.JobRef{
		{ID: 0, Attempt: 0},
		{ID: math.MaxUint64, Attempt: math.MaxUint32},
		{ID: 0x0a0d00ff20227f80, Attempt: 1 << 31},
		{ID: 0x0a0d00ff20227f80, Attempt: 7}, // the same job again
	}
	for _, ref := range refs {
		m := r.newJob(service)
		m.ID, m.Attempt = ref.ID, ref.Attempt
		j := r.give(m, []byte("x"), fmt.Sprintf("job %d attempt %d", ref.ID, ref.Attempt))
		r.answer(j, r.timeout())
	}
	return fmt.Sprintf("%d jobs", len(refs))
}

func (r *rig) checkHeaders() string {
	r.ready()
	m := r.newJob(r.needService(r.cfg.Services.Echo))
	all := make([]byte, 255)
	for i := range all {
		all[i] = byte(i)
	}
	h := appendHeader(nil, string(all), 0)
	h = appendHeader(h, "twice", 1)
	h = appendHeader(h, "twice", 1)
	m.Headers = appendHeader(h, "\x00", protocol.MaxHeaders-len(h)-4)
	r.done(r.give(m, []byte("x"), "a job with headers"), r.timeout())
	return fmt.Sprintf("a job with %d octets of headers was done", len(m.Headers))
}

// checkFailure: a worker without a service that fails has one that is picky.
func (r *rig) checkFailure() string {
	r.ready()
	service, payload := r.cfg.Services.Fail, "no such user"
	if !r.offers(service) {
		service, payload = r.needService(r.cfg.Services.Sleep), "not a number"
	}
	j := r.give(r.newJob(service), []byte(payload), fmt.Sprintf("%s %q", service, payload))
	e := r.result(j, r.timeout())
	if e.status != protocol.StatusError {
		r.broken("expected status 1, got the result %s", shorten(e.payload))
	}
	if len(e.payload) == 0 {
		r.broken("expected a text, got none")
	}
	r.settle()
	return fmt.Sprintf("the text is %s", shorten(e.payload))
}

func (r *rig) checkRun() string {
	const d = 50 * time.Millisecond
	r.ready()
	j := r.giveSleep(d)
	e := r.done(j, d+r.timeout())
	took := e.at.Sub(j.sent)
	switch {
	case e.run == 0:
		return "it does not measure"
	case e.run < d*9/10 || e.run > took:
		r.broken("expected %v to %v for %s, got %v", d, took.Round(time.Microsecond), j.text, e.run)
	}
	return fmt.Sprintf("%v for %s", e.run, j.text)
}

func (r *rig) checkTooLong() string {
	const most = protocol.MinMessage
	service := r.needService(r.cfg.Services.Fill)
	r.registered(func(m *master) { m.MaxMessage = most })
	fill := func(n int) *event {
		return r.result(r.give(r.newJob(service), strconv.AppendInt(nil, int64(n), 10), fmt.Sprintf("%s %d", service, n)), r.timeout())
	}
	r.setUp(func() {
		if e := fill(most); len(e.payload) != most {
			r.broken("expected %d octets of %q, got %d", most, service, len(e.payload))
		}
	})
	if e := fill(most + 1); e.status != protocol.StatusError {
		r.broken("expected status 1 for a result of %d octets, got %d octets", most+1, len(e.payload))
	} else {
		return fmt.Sprintf("the text is %s", shorten(e.payload))
	}
	return ""
}

func (r *rig) unknownService() string {
	name := "no-such-service"
	for r.offers(name) {
		name += "-"
	}
	return name
}

func (r *rig) checkCancelRunning() string {
	d := r.long(holdTime)
	r.ready()
	j := r.giveSleep(d)
	r.underWay()
	asked := time.Now()
	r.callOff(protocol.CommandCancel, j.ref)
	e := r.result(j, d+r.timeout())
	r.settle()
	return fmt.Sprintf("RESULT came %v after CANCEL of %s", e.at.Sub(asked).Round(time.Millisecond), j.text)
}

func (r *rig) checkRecallRunning() string {
	d := r.long(holdTime)
	r.ready()
	j := r.giveSleep(d)
	r.underWay()
	r.callOff(protocol.CommandRecall, j.ref)
	e := r.done(j, d+r.timeout())
	if took := e.at.Sub(j.sent); took < d {
		r.broken("expected RESULT after %v, got it after %v", d, took.Round(time.Millisecond))
	}
	return "its RESULT came in its time"
}

// callOffUnknown is about jobs that are done, that never were, and of another
// attempt.
func callOffUnknown(cmd protocol.Command) func(*rig) string {
	return func(r *rig) string {
		r.ready()
		j := r.giveEcho("done")
		r.setUp(func() { r.done(j, r.timeout()) })
		r.callOff(cmd, j.ref)
		r.callOff(cmd, protocol.JobRef{ID: j.ref.ID, Attempt: j.ref.Attempt + 1})
		r.callOff(cmd, protocol.JobRef{ID: 1, Attempt: 1})
		return r.unmoved("3 messages")
	}
}

// checkCapacity: the last job is short, so its answer overtakes the others if it
// did not have to wait for them.
func (r *rig) checkCapacity() string {
	d := r.long(holdTime)
	r.ready()
	n := r.needPlaces()
	if n == 1 {
		r.skip("its capacity is 1")
	}
	var long []*job
	for range n - 1 {
		long = append(long, r.giveSleep(d))
	}
	short := r.giveSleep(0)
	for _, j := range append(long, short) {
		r.done(j, d+r.timeout())
	}
	for _, j := range long {
		if j.answer.at.Before(short.answer.at) {
			r.broken("expected %s, the last of %d jobs, to be done first, got %s before", short.text, n, j.text)
		}
	}
	return fmt.Sprintf("%d jobs ran at once", n)
}
