// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/powerhose/powerhose/protocol"
)

var (
	// ErrClosed is returned by Status and Master after Close, or when Close
	// ends them.
	ErrClosed = errors.New("client: closed")
	// ErrNoMaster is returned by Status and Master, wrapped with what is wrong
	// with each master, when none was there in time.
	ErrNoMaster = errors.New("client: no master")
)

// query is a question that waits for a master.
type query struct {
	status bool  // ask the master, else the first that is up is the answer
	asked  *link // the master that was asked, nil if none
	done   chan struct{}

	// The answer, to be read after done is closed.
	master   protocol.Welcome
	endpoint string
	text     []byte
	err      error
}

// Status implements call.Dispatcher: it asks the first master that lives, and
// waits that long for one and its answer. The error is ErrNoMaster, wrapped,
// ErrClosed, or that of an answer that makes no sense.
func (c *Client) Status(timeout time.Duration) (protocol.MasterStatus, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var s protocol.MasterStatus
	q, err := c.query(ctx, true)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(q.text, &s); err != nil {
		return s, fmt.Errorf("client: status of %q: %w", q.endpoint, err)
	}
	return s, nil
}

// Master waits until some master takes jobs, and says which. The error is
// ErrNoMaster, wrapped, when the context ends before, or ErrClosed.
func (c *Client) Master(ctx context.Context) (pid int, identity, endpoint string, err error) {
	q, err := c.query(ctx, false)
	if err != nil {
		return 0, "", "", err
	}
	return q.master.PID, q.master.Identity, q.endpoint, nil
}

func (c *Client) query(ctx context.Context, status bool) (*query, error) {
	q := &query{status: status, done: make(chan struct{})}
	if !c.queue.Add(task{kind: taskQuery, query: q}) {
		return nil, ErrClosed
	}
	select {
	case <-q.done:
	case <-ctx.Done():
		if !c.queue.Add(task{kind: taskForget, query: q}) {
			return nil, ErrClosed
		}
		<-q.done
	}
	return q, q.err
}

// ask does what can be done for the questions.
func (c *Client) ask() {
	if len(c.queries) == 0 {
		return
	}
	for _, q := range c.queries {
		switch {
		case !q.status:
			if t := c.session.Target(); t >= 0 {
				l := c.links[t]
				q.master, q.endpoint = l.welcome, l.endpoint
				close(q.done)
			}
		case q.asked == nil:
			if live := c.session.Live(); live >= 0 && c.control(c.links[live], statusFrame) {
				q.asked = c.links[live]
			}
		}
	}
	c.queries = slices.DeleteFunc(c.queries, (*query).answered)
}

// answerStatus answers all who asked that master: the state is one.
func (c *Client) answerStatus(l *link, text []byte) {
	for _, q := range c.queries {
		if q.status && q.asked == l {
			q.text, q.endpoint = text, l.endpoint
			close(q.done)
		}
	}
	c.queries = slices.DeleteFunc(c.queries, (*query).answered)
}

func (q *query) answered() bool {
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

// unask is called when a master will not answer any more.
func (c *Client) unask(l *link) {
	for _, q := range c.queries {
		if q.asked == l {
			q.asked = nil
		}
	}
}

// forget ends a question that nobody waits for any more.
func (c *Client) forget(q *query) {
	i := slices.Index(c.queries, q)
	if i < 0 {
		return // answered meanwhile
	}
	c.queries = slices.Delete(c.queries, i, i+1)
	q.err = c.noMaster(q)
	close(q.done)
}

// noMaster says what is wrong with each master.
func (c *Client) noMaster(q *query) error {
	var b strings.Builder
	for i, l := range c.links {
		trouble := l.trouble
		switch {
		case q.asked == l:
			trouble = "asked, did not answer yet"
		case trouble == "":
			trouble = "no connection yet"
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(l.endpoint + ": " + trouble)
	}
	return fmt.Errorf("%w (%s)", ErrNoMaster, b.String())
}

func (c *Client) closeQueries() {
	for _, q := range c.queries {
		q.err = ErrClosed
		close(q.done)
	}
	c.queries = nil
}
