// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"slices"
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// groups are all checks but the first ones.
func (c Config) groups() []group {
	all := []group{
		// The slow ones begin first, so that the others run beside them.
		{checks: givingUp[:1], grant: plain},
		{checks: givingUp[1:], grant: plain},
		{checks: aloneChecks[:1], grant: plain, alone: true},
		{checks: aloneChecks[1:], grant: plain, alone: true},
		{checks: registering[:1], grant: plain},
		{checks: restartChecks, grant: brisk},
		{checks: registering[1:], grant: plain},
		{checks: refusing, grant: plain},
		{checks: welcoming, grant: plain},
		{checks: framing, grant: plain},
		{checks: jobChecks, grant: plain},
		{checks: queueChecks, grant: queueing},
		{checks: batchChecks, grant: batching},
		{checks: heartbeats, grant: brisk},
		{checks: leaving, grant: brisk},
		{checks: ledgerChecks, grant: withLedger},
		{checks: listenChecks, grant: plain, listen: true},
	}
	for i := range all {
		all[i].checks = slices.DeleteFunc(slices.Clone(all[i].checks), func(x check) bool {
			return x.costly && c.quick != nil && !slices.Contains(c.quick, x.rule)
		})
	}
	return all
}

// Rules returns the numbers of the rules that there are checks of, in order.
func Rules() []Rule {
	all := []Rule{ruleIdentity}
	for _, w := range watchList {
		all = append(all, w.rule)
	}
	for _, g := range append(Config{}.groups(), learning(&traits{})) {
		for _, c := range g.checks {
			all = append(all, c.rule)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// plain: heartbeats are none of the check's business.
func plain(*traits) master {
	return master{Welcome: protocol.Welcome{
		Heartbeat: time.Second, Liveness: 20, MaxMessage: protocol.DefaultMaxMessage,
	}}
}

const beat = 200 * time.Millisecond

// brisk: short heartbeats, and a liveness that lets nobody lose patience.
func brisk(t *traits) master {
	m := plain(t)
	m.Heartbeat, m.Liveness = beat, 100
	return m
}

// lively: the first PING comes at once.
func lively(t *traits) master {
	m := brisk(t)
	m.Heartbeat = beat / 2
	return m
}

// queueing: jobs may wait at the worker.
func queueing(t *traits) master {
	m := plain(t)
	m.Prefetch = min(t.reg.Prefetch, mostPrefetch)
	return m
}

// mostRecords is what is granted of the batches offered.
const mostRecords = 4

// batching: several jobs or results may share a message, and wait.
func batching(t *traits) master {
	m := queueing(t)
	m.Batch = min(t.reg.Batch, mostRecords)
	m.MaxMessage = protocol.MinMessage
	return m
}

func withLedger(t *traits) master {
	m := queueing(t)
	m.Batch = min(t.reg.Batch, mostRecords)
	m.Ledger = t.reg.Ledger != ""
	return m
}

// learning is the first group: it finds out what the others need to know.
func learning(t *traits) group {
	return group{grant: lively, must: true, checks: []check{
		{rule: 21, name: "it registers when a probe arrives", once: true, run: func(r *rig) string {
			r.start()
			begun := r.said
			e := r.awaitStart()
			if e.flawed {
				r.broken("expected a REGISTER that is in order; what is wrong with it is said under R-6 to R-26")
			}
			t.registered, t.reg = true, e.reg
			evidence := "REGISTER came " + e.at.Sub(begun).Round(time.Millisecond).String() + " after the start"
			r.learn(t)
			return evidence
		}},
		{rule: 26, name: "the pid that it tells is its own", run: (*rig).checkPID},
		{rule: 2, name: "it connects once", run: (*rig).checkOneConnection},
	}}
}

// learn tries what a running job keeps the worker from.
func (r *rig) learn(t *traits) {
	t.pings = r.wait(beat/2+r.timeout(), func() bool { return r.find(is(protocol.CommandPing)) != nil })
	r.sayPing()
	t.pongs = r.wait(r.timeout(), func() bool { return r.find(is(protocol.CommandPong)) != nil })
	if !t.offers(r.cfg.Services.Sleep) || !t.pongs {
		return
	}
	for range 3 { // it may have been late
		if r.forget(); r.learnBusy(t) {
			return
		}
	}
}

// learnBusy finds out what a worker notices that has a job. False: nothing.
func (r *rig) learnBusy(t *traits) bool {
	const d = 500 * time.Millisecond
	j := r.giveSleep(d)
	var asked []time.Time
	for j.answer == nil && since(j.sent) < d+r.timeout() {
		r.sayPing()
		asked = append(asked, r.said)
		r.wait(d/10, func() bool { return j.answer != nil })
	}
	if j.answer == nil {
		return false
	}
	// What was asked after this was asked while the handler ran. It may have been
	// asked long before, too: nobody knows when a job starts.
	started, over := j.answer.at.Add(-d), j.answer.at.Add(-d/4)
	pongs := slices.DeleteFunc(slices.Clone(r.log[r.mark:]), func(e *event) bool { return !is(protocol.CommandPong)(e) })
	for i, e := range pongs[:min(len(pongs), len(asked))] {
		t.responsive = t.responsive || asked[i].After(started) && e.at.Before(over)
	}
	r.wait(r.timeout(), func() bool { return r.count(is(protocol.CommandPong)) >= len(asked) })
	if t.responsive {
		r.learnCancels(t)
	}
	return t.responsive
}

// learnCancels finds out whether a handler heeds that its job is cancelled.
func (r *rig) learnCancels(t *traits) {
	d := r.long(500 * time.Millisecond)
	j := r.giveSleep(d)
	r.underWay()
	r.callOff(protocol.CommandCancel, j.ref)
	if r.wait(d+r.timeout(), func() bool { return j.answer != nil }) {
		t.cancels = j.answer.cmd == protocol.CommandResult && j.answer.at.Sub(j.sent) < d
	}
}

// cancels tells the same, asked again by a check that takes a handler which heeds
// it for a fault: the first time the machine may have been too busy.
func (r *rig) cancels() bool {
	t := traits{}
	r.ready()
	r.learnCancels(&t)
	return t.cancels
}
