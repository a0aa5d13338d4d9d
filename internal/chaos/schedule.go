// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// The places by number.
const (
	masters = 2
	workers = 8
	runners = 4
)

// faultKind is what can go wrong.
type faultKind int

const (
	killWorker faultKind = iota
	stopWorker
	restartWorker
	killRunner
	stopRunner
	restartRunner
	killMaster
	stopMaster
	restartMaster
	holeWorker  // nothing gets through, either way
	holeRunner  // the same
	halfWorker  // nothing gets through one way
	delayWorker // everything takes longer
	delayRunner
	resetWorker // connections are reset
	resetRunner
	unplug // the network namespace of two workers loses its cable
	fillDisk
	fewDescriptors // a master restarts with hardly any descriptors
	noDescriptors  // a running master may open nothing more
	rollingRestart // every worker, one by one
	stopEverything // masters and workers at once
	faultKinds     = int(stopEverything) + 1
)

var faultNames = [faultKinds]string{
	"kill -9 worker", "stop worker", "restart worker", "kill -9 runner", "stop runner", "restart runner",
	"kill -9 master", "stop master", "restart master", "cut off worker", "cut off runner", "cut off worker one way",
	"delay worker", "delay runner", "reset worker", "reset runner", "unplug namespace", "fill disk",
	"few descriptors", "no descriptors", "rolling restart", "stop everything",
}

func (k faultKind) String() string { return faultNames[k] }

// weights say how often each kind comes. A master's faults hit all, so they are
// rarer.
var weights = [faultKinds]int{
	20, 14, 14, 6, 5, 5,
	5, 5, 6, 6, 5, 4,
	5, 4, 5, 4, 4, 4,
	3, 4, 2, 2,
}

// fault is one entry of the schedule.
type fault struct {
	at     time.Duration // since the beginning
	kind   faultKind
	target int           // which worker, runner or master
	last   time.Duration // how long it lasts, where it does
	bit    bool          // one of two ways
}

func (f fault) String() string {
	return fmt.Sprintf("%6.2f s  %s %d for %v (%v)", f.at.Seconds(), f.kind, f.target, f.last, f.bit)
}

const meanPause = 350 * time.Millisecond

// plan draws the faults of a run that lasts so long. It depends on nothing but
// its arguments. Each kind comes once before chance decides, if there is time.
func schedule(seed uint64, length time.Duration) []fault {
	random := rand.New(rand.NewPCG(seed, 0x5eed))
	once := random.Perm(faultKinds)
	var out []fault
	for at := 2 * time.Second; at < length-2*time.Second; {
		var kind faultKind
		if len(once) > 0 && len(out)%2 == 0 {
			kind, once = faultKind(once[0]), once[1:]
		} else {
			kind = drawKind(random)
		}
		f := fault{at: at, kind: kind, bit: random.IntN(2) == 0}
		switch kind {
		case killMaster, stopMaster, restartMaster, noDescriptors:
			f.target = random.IntN(masters)
		case killRunner, stopRunner, restartRunner:
			f.target = random.IntN(runners)
		case holeRunner, delayRunner, resetRunner:
			f.target = 1 + random.IntN(runners-1) // those with a proxy
		case holeWorker, halfWorker, delayWorker, resetWorker:
			f.target = []int{4, 6}[random.IntN(2)] // likewise
		case fillDisk, fewDescriptors:
			f.target = 0 // the master with files
		default:
			f.target = random.IntN(workers)
		}
		// Mostly short; some longer than heartbeats and patience allow.
		f.last = 50*time.Millisecond + time.Duration(random.Int64N(int64(1500*time.Millisecond)))
		if random.IntN(4) == 0 {
			f.last += 2*time.Second + time.Duration(random.Int64N(int64(5*time.Second)))
		}
		if kind == stopEverything {
			f.last = min(f.last, 2*time.Second)
		}
		f.last = min(f.last, length-time.Second-at).Round(time.Millisecond)
		out = append(out, f)
		at += time.Duration(random.Int64N(int64(2 * meanPause)))
	}
	return out
}

func drawKind(random *rand.Rand) faultKind {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	n := random.IntN(sum)
	for k, w := range weights {
		if n -= w; n < 0 {
			return faultKind(k)
		}
	}
	return 0
}

// PrintSchedule prints the faults of a seed.
func PrintSchedule(to io.Writer, seed uint64, length time.Duration) {
	for _, f := range schedule(seed, length) {
		fmt.Fprintln(to, f)
	}
}
