// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"time"

	"github.com/cenkalti/backoff/v5"
)

// When a process that died is started again: the first time after about
// firstRestart, each further time after twice as long as before up to
// lastRestart, and from the beginning once one ran for ranWell. Half up and half
// down at random keeps a crowd that died together from starting together.
const (
	firstRestart = 100 * time.Millisecond
	lastRestart  = 5 * time.Second
	ranWell      = 10 * time.Second
)

// slot is the place of one process and of those that come after it.
type slot struct {
	number  int
	child   *child // nil while none runs
	since   time.Time
	backoff *backoff.ExponentialBackOff
	// restartAt is set while child is nil: when to start the next one.
	restartAt time.Time
}

// loop is owned by one goroutine, which stays on one thread: when the thread
// ends, the kernel kills the children.
type loop struct {
	pool    *Pool
	cfg     Config
	spawner *spawner
	slots   []slot
	exits   chan exit
	running int

	stopping, killing bool
}

// exit tells that the process in a slot has ended and is reaped.
type exit struct {
	slot   int
	status string
}

func newLoop(p *Pool, cfg Config) *loop {
	l := &loop{pool: p, cfg: cfg, exits: make(chan exit), slots: make([]slot, cfg.N)}
	for i := range l.slots {
		b := backoff.NewExponentialBackOff()
		b.InitialInterval, b.MaxInterval = firstRestart, lastRestart
		b.RandomizationFactor, b.Multiplier = 0.5, 2
		l.slots[i] = slot{number: i, backoff: b}
	}
	return l
}

// run starts the processes, reports that, and keeps them running until the pool
// is stopped and all are reaped.
func (l *loop) run(started chan<- error) {
	err := l.startAll()
	started <- err
	if err != nil {
		l.stopping, l.killing = true, true
		l.each((*child).kill)
	}
	for !l.stopping || l.running > 0 {
		l.wait()
		l.publish()
	}
}

func (l *loop) startAll() (err error) {
	if l.spawner, err = newSpawner(l.cfg); err != nil {
		return err
	}
	for i := range l.slots {
		if err = l.start(&l.slots[i]); err != nil {
			return err
		}
	}
	l.publish()
	return nil
}

// wait does the next thing there is to do.
func (l *loop) wait() {
	var stop, kill <-chan struct{}
	switch {
	case !l.stopping:
		stop = l.pool.stop
	case !l.killing:
		kill = l.pool.kill
	}
	timer, giveUp := l.nextRestart()
	defer giveUp()
	select {
	case e := <-l.exits:
		l.onExit(&l.slots[e.slot], e.status)
	case <-timer:
		l.restartDue()
	case <-stop:
		l.beginStop()
	case <-kill:
		l.beginKill()
	}
}

func (l *loop) start(s *slot) error {
	c, err := l.spawner.spawn()
	if err != nil {
		return err
	}
	s.child, s.since = c, l.cfg.clock.Now()
	l.running++
	l.cfg.Logger.Debug("started a process", "pid", c.pid(), "slot", s.number)
	go func() { // ends with the process, and is received from before run returns
		l.exits <- exit{slot: s.number, status: c.wait()}
	}()
	return nil
}

func (l *loop) onExit(s *slot, status string) {
	pid, ran := s.child.pid(), l.cfg.clock.Now().Sub(s.since)
	s.child = nil
	l.running--
	if l.stopping {
		l.cfg.Logger.Debug("a process ended", "pid", pid, "status", status)
		return
	}
	if ran >= ranWell {
		s.backoff.Reset()
	}
	in := l.restartLater(s)
	l.cfg.Logger.Warn("a process ended; it will be restarted",
		"pid", pid, "status", status, "ran", ran.Round(time.Millisecond), "in", in.Round(time.Millisecond))
}

func (l *loop) restartLater(s *slot) (in time.Duration) {
	in = s.backoff.NextBackOff()
	s.restartAt = l.cfg.clock.Now().Add(in)
	return in
}

func (l *loop) restartDue() {
	now := l.cfg.clock.Now()
	for i := range l.slots {
		s := &l.slots[i]
		if s.child != nil || s.restartAt.After(now) {
			continue
		}
		if err := l.start(s); err != nil {
			in := l.restartLater(s)
			l.cfg.Logger.Error("cannot restart a process", "error", err, "again_in", in.Round(time.Millisecond))
			continue
		}
		l.pool.mu.Lock()
		l.pool.restarts++
		l.pool.mu.Unlock()
		l.cfg.Logger.Info("restarted a process", "pid", s.child.pid())
	}
}

// nextRestart returns a channel that receives when a restart is due, nil if none
// will be.
func (l *loop) nextRestart() (<-chan time.Time, func()) {
	var next *slot
	for i := range l.slots {
		s := &l.slots[i]
		if s.child == nil && (next == nil || s.restartAt.Before(next.restartAt)) {
			next = s
		}
	}
	if next == nil || l.stopping {
		return nil, func() {}
	}
	return l.cfg.clock.NewTimer(max(0, next.restartAt.Sub(l.cfg.clock.Now())))
}

func (l *loop) beginStop() {
	l.stopping = true
	l.each((*child).terminate)
}

func (l *loop) beginKill() {
	l.killing = true
	l.pool.mu.Lock()
	l.pool.killed = l.running
	l.pool.mu.Unlock()
	l.each(func(c *child) {
		l.cfg.Logger.Warn("killing a process that did not end in time", "pid", c.pid())
		c.kill()
	})
}

func (l *loop) each(f func(*child)) {
	for i := range l.slots {
		if c := l.slots[i].child; c != nil {
			f(c)
		}
	}
}

// publish tells the pool's users which processes run.
func (l *loop) publish() {
	pids := make([]int, 0, len(l.slots))
	l.each(func(c *child) { pids = append(pids, c.pid()) })
	l.pool.mu.Lock()
	l.pool.pids = pids
	l.pool.mu.Unlock()
}
