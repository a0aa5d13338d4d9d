// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"time"
)

// FaultKind is what goes wrong on purpose.
type FaultKind uint8

// The faults. At is when, For is how long.
const (
	// FaultKill: kill -9; nobody starts the next one For so long.
	FaultKill FaultKind = iota
	// FaultPause: SIGSTOP, and SIGCONT after For.
	FaultPause
	// FaultCut: one of the connections of a process ends.
	FaultCut
	// FaultPartition: nothing gets from the process' host to the Other for For.
	FaultPartition
	// FaultSlow: messages between two hosts take about For longer, for a while.
	FaultSlow
	// FaultDrain: SIGTERM.
	FaultDrain
	// FaultLeave: a runner closes itself, and another one comes.
	FaultLeave
	// FaultBoth: FaultPartition, both ways.
	FaultBoth
	// FaultRepeat: FaultCut, and what was sent last arrives again over the next
	// connection. libzmq itself would rather lose it; a library or a proxy in its
	// place may not.
	FaultRepeat
	// FaultFreeze: FaultPause for all processes of a host.
	FaultFreeze

	faultKinds
)

var faultNames = [faultKinds]string{
	"kill -9", "stop", "cut a connection", "partition one way", "slow network", "drain", "leave", "partition",
	"cut and repeat", "stop a host",
}

func (k FaultKind) String() string { return faultNames[k] }

// Fault is one thing that goes wrong on purpose.
type Fault struct {
	Kind  FaultKind
	At    time.Duration
	For   time.Duration
	Place int // in the order of places: whom it meets
	Other int // a host
}

func (f *Fault) String() string {
	return fmt.Sprintf("%v at %v for %v: place %d, host %d", f.Kind, f.At, f.For, f.Place, f.Other)
}

// fault is a Fault that happens, and ends.
type fault struct {
	*Fault
	w     *world
	place *place
	p     *process
	host  int
	other int        // a host
	still []*process // those that stand still because of it
}

const (
	faultBegins uint32 = iota
	faultEnds
)

func (f *fault) happen(what uint32) {
	if f.w.closing {
		f.w.ignored()
		return
	}
	if what == faultEnds {
		f.end()
		return
	}
	p := f.place.p
	between := f.Kind == FaultPartition || f.Kind == FaultBoth || f.Kind == FaultSlow
	if !f.place.alive() || (p.paused && f.Kind != FaultKill) || (between && f.w.script.Hosts == 1) {
		f.w.ignored()
		return
	}
	f.p, f.host, f.other = p, p.host, f.Other
	if f.other == f.host {
		f.other = (f.host + 1) % f.w.script.Hosts
	}
	f.w.stats.Faults[f.Kind]++
	f.w.note(nil, f.place.name(), "fault: %v for %v", f.Kind, f.For)
	f.begin()
}

func (f *fault) begin() {
	w, p := f.w, f.p
	switch f.Kind { //nolint:exhaustive // the others need nothing here
	case FaultKill:
		f.place.kill(f.For)
	case FaultPause:
		p.pause(f.For)
		w.after(f.For, f, faultEnds)
	case FaultFreeze:
		for _, pl := range w.places {
			if pl.alive() && pl.host == f.host && !pl.p.paused {
				f.still = append(f.still, pl.p)
				pl.p.pause(f.For)
			}
		}
		w.after(f.For, f, faultEnds)
	case FaultRepeat:
		if _, ok := p.body.(*master); !ok && len(p.dealers) > 0 {
			p.dealers[p.rng.below(len(p.dealers))].repeat()
		}
	case FaultCut:
		if len(p.conns) > 0 {
			c := p.conns[p.rng.below(len(p.conns))]
			c.close(p.rng.below(2), false)
		}
	case FaultPartition, FaultBoth:
		w.net.cut(f.host, f.other)
		if f.Kind == FaultBoth {
			w.net.cut(f.other, f.host)
		}
		w.after(f.For, f, faultEnds)
	case FaultSlow:
		w.net.slowed[f.host][f.other] = f.For / 50
		w.net.slowed[f.other][f.host] = f.For / 50
		w.after(f.For, f, faultEnds)
	case FaultDrain:
		if d, ok := p.body.(interface{ drain(time.Duration) }); ok {
			d.drain(f.For)
		}
	case FaultLeave:
		if r, ok := p.body.(*runner); ok {
			r.close()
		}
	}
}

func (f *fault) end() {
	switch f.Kind { //nolint:exhaustive // the others need nothing here
	case FaultPause:
		f.p.resume()
	case FaultFreeze:
		for _, p := range f.still {
			p.resume()
		}
	case FaultPartition, FaultBoth:
		f.w.net.heal(f.host, f.other)
		f.w.net.heal(f.other, f.host)
	case FaultSlow:
		f.w.net.slowed[f.host][f.other], f.w.net.slowed[f.other][f.host] = 0, 0
	}
}

// calm ends all faults.
func (w *world) calm() {
	w.closing = true
	w.net.slowed = [maxHosts][maxHosts]time.Duration{}
	for a := range maxHosts {
		for b := range maxHosts {
			w.net.heal(a, b)
		}
	}
	for _, pl := range w.places {
		if pl.alive() {
			pl.p.resume()
		} else {
			pl.down = 0
			pl.died()
		}
	}
}
