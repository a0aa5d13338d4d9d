// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"strconv"
	"time"
)

type placeKind uint8

const (
	masterPlace placeKind = iota // a stand-alone master
	appPlace                     // a process with a master and callers in it
	runnerPlace
	workerPlace
)

var placeNames = [...]string{"master", "app", "runner", "worker"}

// place is where processes of one kind run, one after the other: what a
// supervisor looks after. It starts the next when one has ended.
type place struct {
	w       *world
	kind    placeKind
	index   int
	host    int
	drift   time.Duration
	lag     time.Duration
	rng     random
	worker  *WorkerSpec
	callers []*caller

	p      *process // the latest
	starts int
	down   time.Duration // the next one is not started before
	closed bool          // there is no next one
}

func (w *world) newPlace(kind placeKind, index, host int) *place {
	pl := &place{w: w, kind: kind, index: index, host: host}
	pl.rng = stream(w.script.Seed, "place "+pl.name())
	pl.lag = w.script.Lag/2 + pl.rng.between(0, w.script.Lag)
	pl.drift = time.Duration(pl.rng.below(2*w.script.Drift+1) - w.script.Drift)
	w.places = append(w.places, pl)
	return pl
}

func (pl *place) name() string { return placeNames[pl.kind] + strconv.Itoa(pl.index) }

// happen starts the next process.
func (pl *place) happen(uint32) {
	if pl.closed || pl.p != nil && !pl.p.dead || pl.w.now < pl.down {
		pl.w.ignored()
		return
	}
	if pl.starts++; pl.starts > 1 {
		pl.w.saw(SightRestarted)
	}
	if pl.drift*1000 > 1<<driftBits || pl.drift*1000 < -1<<driftBits {
		pl.w.saw(SightSkewed)
	}
	switch pl.kind {
	case masterPlace, appPlace:
		pl.p = pl.w.startMaster(pl)
	case runnerPlace:
		pl.p = pl.w.startRunner(pl)
	case workerPlace:
		if pl.worker.Bare {
			pl.p = pl.w.startBare(pl)
		} else {
			pl.p = pl.w.startWorker(pl)
		}
	}
	pl.w.note(nil, pl.name(), "starts, pid %d", pl.p.pid)
	pl.begin()
}

// died is called when its process has ended.
func (pl *place) died() {
	if !pl.closed {
		at := pl.w.now + pl.rng.between(time.Millisecond, 100*time.Millisecond)
		pl.w.at(max(at, pl.down), pl, 0)
	}
}

// kill is kill -9, and nobody starts another one for some time.
func (pl *place) kill(down time.Duration) {
	if pl.alive() {
		pl.down = pl.w.now + down
		pl.p.exit(false)
	}
}

func (pl *place) alive() bool { return pl.p != nil && !pl.p.dead }
