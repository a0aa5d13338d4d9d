// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"fmt"

	"github.com/powerhose/powerhose/protocol"
)

// batchChecks are for workers that offer batches.
var batchChecks = []check{
	{rule: 17, name: "a batch of jobs is the same as the jobs", run: func(r *rig) string {
		n := r.needBatch()
		r.ready()
		b := r.newBatch()
		for range n {
			b.add("in a batch")
		}
		b.send()
		return r.allDone(b.jobs)
	}},
	{rule: 16, name: "a batch without records, or of anything but jobs, is malformed", run: func(r *rig) string {
		r.needBatch()
		r.ready()
		result, err := protocol.AppendBatchRecord(command(protocol.CommandBatch), protocol.CommandResult,
			protocol.WorkerResult{ID: 1}.Append(nil)[protocol.HeaderSize:], nil)
		must(err)
		for _, frame := range [][]byte{
			command(protocol.CommandBatch), result,
			command(protocol.CommandBatch, byte(protocol.CommandPing), 0, 0, 0, 0, 0, 0),
		} {
			r.sayJob(frame)
		}
		return r.unmoved("3 messages")
	}},
	{rule: 18, name: "of a batch the records before a malformed one stand", run: (*rig).checkBadRecord},
	{rule: 19, name: "its batches keep to what WELCOME grants", run: (*rig).checkGrant},
}

// needBatch returns how many jobs a batch may have.
func (r *rig) needBatch() int {
	if r.traits.reg.Batch < 2 {
		r.skip("it offers no batches")
	}
	return min(mostRecords, r.traits.reg.Batch, r.traits.reg.Capacity+r.traits.reg.Prefetch)
}

// newBatch begins a batch of jobs.
func (r *rig) newBatch() *jobBatch {
	return &jobBatch{rig: r, service: r.needService(r.cfg.Services.Echo), frame: command(protocol.CommandBatch)}
}

type jobBatch struct {
	rig     *rig
	service string
	frame   []byte
	jobs    []*job
}

func (b *jobBatch) add(payload string) {
	r := b.rig
	m := r.newJob(b.service)
	b.jobs = append(b.jobs, r.enter(m, fmt.Sprintf("record %d", len(b.jobs)+1)))
	var err error
	b.frame, err = m.AppendRecord(b.frame, []byte(payload))
	must(err)
}

func (b *jobBatch) send() { b.rig.sayJob(b.frame) }

func (r *rig) allDone(jobs []*job) string {
	batched := 0
	for _, j := range jobs {
		if r.done(j, r.timeout()).records > 0 {
			batched++
		}
	}
	return fmt.Sprintf("%d jobs were done, %d of their results came in batches", len(jobs), batched)
}

func (r *rig) checkBadRecord() string {
	r.needBatch()
	r.ready()
	b := r.newBatch()
	b.add("before")
	m := r.newJob(b.service)
	malformed := r.enter(m, "a record that is malformed")
	fields := rawJob(m, 1)[protocol.HeaderSize:] // a header that is not there
	var err error
	b.frame, err = protocol.AppendBatchRecord(b.frame, protocol.CommandJob, fields, []byte("malformed"))
	must(err)
	b.add("after")
	b.send()
	malformed.past, b.jobs[1].past = true, true
	r.done(b.jobs[0], r.timeout())
	r.settle()
	for _, j := range []*job{malformed, b.jobs[1]} {
		if j.answer != nil {
			r.broken("expected nothing of the malformed record and those after it, got %v", j.answer)
		}
	}
	return "the first was done, the malformed one and the one after it were not"
}

// checkGrant lets results gather, few enough for one batch, and too long for
// one.
func (r *rig) checkGrant() string {
	r.needBatch()
	r.needPrefetch()
	r.ready()
	n := r.needPlaces() + min(r.traits.reg.Prefetch, mostPrefetch)
	var jobs []*job
	for range n {
		jobs = append(jobs, r.giveEcho("short"))
	}
	evidence := r.allDone(jobs)
	jobs = jobs[:0]
	for range n {
		m := r.newJob(r.cfg.Services.Echo)
		jobs = append(jobs, r.give(m, pattern(protocol.MinMessage/3), "a long echo"))
	}
	r.allDone(jobs)
	for _, j := range jobs {
		if size := j.answer.records * (protocol.MinMessage / 3); size > protocol.MinMessage {
			r.broken("expected no batch longer than max-message, got one with %d octets", size)
		}
		if j.answer.records > r.given.Batch {
			r.broken("WELCOME granted %d records, got %d", r.given.Batch, j.answer.records)
		}
	}
	return evidence
}
