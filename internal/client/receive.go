// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"

	"github.com/powerhose/powerhose/internal/session"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// receive handles what has come from a master, and reports whether it stopped
// before the end.
func (c *Client) receive(l *link) (more bool) {
	for range maxReceive {
		if l.socket == nil {
			return false
		}
		l.touched = true
		err := l.socket.Recv(&l.message, nil)
		switch {
		case err == nil:
			c.fromMaster(l)
			if c.done() {
				return false
			}
		case errors.Is(err, zmqnet.ErrAgain):
			l.touched = false // found empty after whatever was sent
			return false
		case errors.Is(err, zmqnet.ErrMalformed):
			c.complain(l, err)
		default:
			c.replace(l, err)
			return false
		}
	}
	return true
}

// fromMaster handles l.message.
func (c *Client) fromMaster(l *link) {
	m := &l.message
	if m.IsProbe() {
		c.step(&session.RunnerEvent{Kind: session.RunnerProbe, Master: l.index})
		return
	}
	head, fields, err := protocol.ParseHeader(m.Frames[0])
	switch {
	case err != nil:
	case head.Role != protocol.RoleRunner && head.Command != protocol.CommandError,
		head.Frames(protocol.FromMaster) != len(m.Frames):
		err = protocol.ErrMalformed
	case head.Command == protocol.CommandBatch:
		err = c.results(l, fields)
	case head.Command == protocol.CommandResult:
		err = c.result(l, fields, m.Frames[1])
	default:
		err = c.other(l, head.Command, fields)
	}
	if err != nil {
		c.complain(l, err)
	}
}

// results takes records up to the first that is malformed.
func (c *Client) results(l *link, fields []byte) error {
	r := protocol.ReadBatch(fields)
	for {
		cmd, fields, payload, ok := r.Next()
		if !ok {
			return r.Err()
		}
		if cmd != protocol.CommandResult {
			return protocol.ErrMalformed
		}
		if err := c.result(l, fields, payload); err != nil {
			return err
		}
	}
}

func (c *Client) result(l *link, fields, payload []byte) error {
	r, err := protocol.ParseRunnerResult(fields)
	if err != nil {
		return err
	}
	c.step(&session.RunnerEvent{
		Kind: session.RunnerResult, Master: l.index,
		ID: r.ID, Outcome: r.Outcome, MayHaveRun: r.MayHaveRun, RetryAfter: r.RetryAfter, Payload: payload,
	})
	return nil
}

// other handles what is not a result.
func (c *Client) other(l *link, cmd protocol.Command, fields []byte) error {
	ev := session.RunnerEvent{Kind: session.RunnerHeard, Master: l.index}
	switch cmd {
	case protocol.CommandWelcome:
		w, err := protocol.ParseWelcome(fields)
		if err != nil {
			return err
		}
		ev.Kind, ev.Welcome = session.RunnerWelcome, &w
	case protocol.CommandError:
		e, err := protocol.ParsePeerError(fields)
		if err != nil {
			return err
		}
		if (e.Code == protocol.CodeUnknownCommand || e.Code == protocol.CodeTooLarge) && !l.complained {
			l.complained = true
			c.log.Warn("the master dropped a message", "endpoint", l.endpoint, "error", e)
		}
		ev.Kind, ev.Err = session.RunnerError, e
	default:
		if err := protocol.ParseEmpty(fields); err != nil {
			return err
		}
		switch cmd {
		case protocol.CommandPing:
			ev.Kind = session.RunnerPing
		case protocol.CommandDrain:
			ev.Kind = session.RunnerDrain
		case protocol.CommandStatus:
			c.answerStatus(l, l.message.Frames[1])
		}
	}
	c.step(&ev)
	return nil
}

// complain counts a message that breaks the protocol. The log gets one for each
// registration: a hostile master must not fill it.
func (c *Client) complain(l *link, err error) {
	c.malformed.Add(1)
	if !l.complained {
		l.complained = true
		c.log.Warn("the master sent a malformed message", "endpoint", l.endpoint, "error", err)
	}
}
