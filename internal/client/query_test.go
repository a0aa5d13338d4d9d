// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/powerhose/powerhose/protocol"

	"github.com/stretchr/testify/require"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	first, second := address(t), startMaster(t, address(t))
	c := dial(t, Config{Masters: []string{first, second.endpoint}})
	s, err := c.Status(patience)
	require.NoError(t, err)
	require.Equal(t, second.welcome.Identity, s.Identity)
	require.Equal(t, 1, s.Runners)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := c.Status(patience)
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()

	// The one that was asked goes, the other is asked.
	m := startMaster(t, first)
	awaitMaster(t, c, first)
	answer := make(chan error, 1)
	m.do(func() {
		go func() {
			_, err := c.Status(patience)
			answer <- err
		}()
		eventually(t, func() (asked bool) {
			inside(t, c, func() { asked = len(c.queries) == 1 && c.queries[0].asked == c.links[0] })
			return asked
		})
		clear(m.peers)
		m.refuse = protocol.CodeRefused
	})
	require.NoError(t, <-answer)
}

func TestStatusOfADrainingMaster(t *testing.T) {
	t.Parallel()
	m := startMaster(t, address(t))
	c := connect(t, Config{Masters: []string{m.endpoint}})
	cl := newCall("", service("hold"))
	c.Submit(cl)
	m.awaitSeen(t)
	m.tell(protocol.AppendDrain(nil, protocol.RoleRunner))
	_, err := c.Status(patience)
	require.NoError(t, err)
	m.answerHeld(protocol.OutcomeOK, true)
	await(t, cl)
}

func TestStatusThatMakesNoSense(t *testing.T) {
	t.Parallel()
	m := startMaster(t, address(t))
	c := connect(t, Config{Masters: []string{m.endpoint}})
	m.do(func() { m.status = []byte("{") })
	_, err := c.Status(patience)
	require.ErrorContains(t, err, "client: status of")
}

func TestMaster(t *testing.T) {
	t.Parallel()
	at := address(t)
	c := dial(t, Config{Masters: []string{at}})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, _, _, err := c.Master(ctx)
	require.ErrorIs(t, err, ErrNoMaster)
	require.ErrorContains(t, err, at+": no connection yet")
	_, err = c.Status(time.Millisecond)
	require.ErrorIs(t, err, ErrNoMaster)

	type answer struct {
		pid          int
		identity, at string
		err          error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		a.pid, a.identity, a.at, a.err = c.Master(t.Context())
		answers <- a
	}()
	m := startMaster(t, at)
	require.Equal(t, answer{os.Getpid(), m.welcome.Identity, at, nil}, <-answers)
	// A master that does not answer in time.
	blocked, free := make(chan struct{}), make(chan struct{})
	go m.do(func() { close(blocked); <-free })
	<-blocked
	_, err = c.Status(5 * time.Millisecond)
	close(free)
	require.ErrorIs(t, err, ErrNoMaster)
}
