// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"time"

	"github.com/powerhose/powerhose/internal/session"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

const (
	// smallPayload is the longest payload that goes into a batch: copying it
	// costs less than a message of its own.
	smallPayload = 4096
	// batchSize bounds a batch in octets, so that its first record does not
	// wait for long.
	batchSize = 65536
)

// Control messages without fields are always the same.
var (
	pingFrame   = protocol.AppendPing(nil, protocol.RoleRunner)
	pongFrame   = protocol.AppendPong(nil, protocol.RoleRunner)
	byeFrame    = protocol.AppendBye(nil, protocol.RoleRunner)
	statusFrame = protocol.AppendStatus(nil)
)

// batch is the message that is being made of jobs from session.Next. Between
// calls of sendJobs it is empty.
type batch struct {
	link  *link
	jobs  []*session.RunnerJob // not sent yet, in order, all for link
	count int                  // how many of them are in frame, the first ones
	frame []byte
}

// sendJobs sends what the session wants sent now.
func (c *Client) sendJobs() {
	master, j := c.session.Next()
	if j == nil {
		return
	}
	c.now = time.Since(c.epoch) // the master is told how much time is left
	for ; j != nil; master, j = c.session.Next() {
		// From here on the job is among those that did not go if a send fails,
		// be it that of an earlier batch.
		l := c.links[master]
		c.batch.link, c.batch.jobs = l, append(c.batch.jobs, j)
		if l.batch > 0 && j.PayloadSize <= smallPayload {
			c.addToBatch(l, j)
		} else {
			c.sendAlone(l, j)
		}
	}
	if c.batch.count > 0 {
		c.sendBatch(c.batch.link)
	}
}

func (c *Client) addToBatch(l *link, j *session.RunnerJob) {
	b, n := &c.batch, j.Ref.(*node)
	job := c.header(n)
	size := protocol.RecordOverhead + job.FieldsLen() + len(n.call.Payload)
	if b.count > 0 && len(b.frame)+size > l.batchSize && !c.sendBatch(l) {
		return
	}
	if b.count == 0 {
		b.frame = protocol.AppendBatchHeader(b.frame[:0], protocol.RoleRunner)
	}
	frame, err := job.AppendRecord(b.frame, n.call.Payload)
	if err != nil {
		b.jobs = b.jobs[:len(b.jobs)-1]
		c.reject(j, err)
		return
	}
	b.frame = frame
	b.count++
	if b.count == l.batch {
		c.sendBatch(l)
	}
}

// sendBatch sends what is in the frame, and reports whether it went.
func (c *Client) sendBatch(l *link) bool {
	b := &c.batch
	l.touched = true
	if err := l.socket.Send1(b.frame); err != nil {
		c.unsent(l, err)
		return false
	}
	b.jobs = b.jobs[:copy(b.jobs, b.jobs[b.count:])]
	b.count = 0
	return true
}

// sendAlone sends the last of the batch's jobs in a message of its own, after
// the others.
func (c *Client) sendAlone(l *link, j *session.RunnerJob) {
	b, n := &c.batch, j.Ref.(*node)
	if b.count > 0 && !c.sendBatch(l) {
		return
	}
	frame, err := c.header(n).Append(b.frame[:0])
	b.frame = frame
	if err != nil {
		b.jobs = b.jobs[:0]
		c.reject(j, err)
		return
	}
	l.touched = true
	if err := l.socket.Send2(frame, n.call.Payload); err != nil {
		c.unsent(l, err)
		return
	}
	b.jobs = b.jobs[:0]
}

// header describes the job to the master. It is valid until the next call.
func (c *Client) header(n *node) protocol.RunnerJob {
	c.scratch = append(c.scratch[:0], n.call.Service...)
	return protocol.RunnerJob{
		ID: n.ID(), TimeLeft: n.TimeLeft(c.now), Wait: n.WaitLeft(c.now), Retries: n.Retries,
		Service: c.scratch, Headers: n.call.Headers,
	}
}

// reject answers a job that no message can carry.
func (c *Client) reject(j *session.RunnerJob, err error) {
	outcome := protocol.OutcomeRefused
	if errors.Is(err, protocol.ErrTooLarge) {
		outcome = protocol.OutcomeTooLarge
	}
	c.step(&session.RunnerEvent{Kind: session.RunnerReject, Job: j, Outcome: outcome})
}

// unsent gives back the jobs that did not go.
func (c *Client) unsent(l *link, err error) {
	b := &c.batch
	c.step(&session.RunnerEvent{Kind: session.RunnerUnsent, Master: l.index, Jobs: b.jobs})
	clear(b.jobs)
	b.jobs, b.count = b.jobs[:0], 0
	if !errors.Is(err, zmqnet.ErrAgain) {
		c.replace(l, err)
	}
}

// control sends a message of one frame that is not a job.
func (c *Client) control(l *link, frame []byte) bool {
	if l.socket == nil {
		return false
	}
	l.touched = true
	err := l.socket.Send1(frame)
	if err == nil {
		return true
	}
	c.step(&session.RunnerEvent{Kind: session.RunnerUnsent, Master: l.index})
	if !errors.Is(err, zmqnet.ErrAgain) {
		c.replace(l, err)
	}
	return false
}

func (c *Client) sendCancel(l *link, id uint64) {
	var frame [protocol.HeaderSize + 8]byte
	c.control(l, protocol.AppendRunnerCancel(frame[:0], id))
}
