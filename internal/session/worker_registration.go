// SPDX-License-Identifier: Apache-2.0

package session

import "github.com/powerhose/powerhose/protocol"

// register begins a registration. Nothing runs and nothing waits.
func (w *Worker) register() {
	w.state, w.since, w.stuck = workerRegistering, w.now, -1
	w.told, w.fence = false, false
	w.jobs.received = 0
	w.emit(WorkerAction{Kind: WorkerRegister})
}

func (w *Worker) welcomed(m protocol.Welcome) {
	w.state, w.welcome = workerRegistered, m
	w.ping = w.now + m.Heartbeat
	w.emit(WorkerAction{Kind: WorkerUp, Welcome: &w.welcome})
	if w.draining {
		w.tellDrain()
	}
}

// lose ends the registration, or the attempt at one. What comes next is the
// caller's to say: reconnect, resume or await.
func (w *Worker) lose(why WorkerReason) {
	if w.state == workerRegistered {
		w.emit(WorkerAction{Kind: WorkerDown, Reason: why})
	}
	w.state = workerConnecting
	w.forget(why)
}

// forget drops the jobs that wait and cancels those that run.
func (w *Worker) forget(why WorkerReason) {
	w.jobs.clear()
	for slot := range w.jobs.slots {
		if s := &w.jobs.slots[slot]; s.busy && !s.stale {
			s.stale = true
			w.emit(WorkerAction{Kind: WorkerCancel, Slot: slot, Reason: why})
		}
	}
}

// resume registers over the connection that there is, as soon as nothing runs
// any more.
func (w *Worker) resume() {
	switch {
	case w.draining:
		w.await()
	case w.jobs.running == 0:
		w.register()
	default:
		w.state, w.since = workerEvicted, w.now
		if w.stuck < 0 {
			w.stuck = w.now
		}
	}
}

// reconnect gets a new connection.
func (w *Worker) reconnect(why WorkerReason) {
	w.await()
	if !w.draining {
		w.emit(WorkerAction{Kind: WorkerReconnect, Reason: why})
	}
}

// await waits for a connection, or, when draining, for the last handler.
func (w *Worker) await() {
	w.state, w.since = workerConnecting, w.now
	if w.draining && w.jobs.running == 0 {
		w.end(WorkerDrained, "")
	}
}

// probed begins anew: a probe comes once for each connection, and the master
// knows a worker by its connection.
//
// If a REGISTER waits for its WELCOME, nobody knows whether it went to the old
// connection or, before its probe was read, to the new one. In that case a
// second REGISTER would be answered by two WELCOMEs, and the first of them would
// be taken for the second: with the new ledger in use here and the old one in
// use there, a job that runs could be given to somebody else. On a connection of
// its own a REGISTER has one answer.
func (w *Worker) probed() {
	if w.state == workerRegistering {
		w.lose(WorkerDisconnected)
		w.reconnect(WorkerDisconnected)
		return
	}
	w.lose(WorkerDisconnected)
	w.resume()
}

// unsent: there is no connection. libzmq looks for one by itself.
func (w *Worker) unsent() {
	if w.state == workerRegistered || w.state == workerRegistering {
		w.lose(WorkerDisconnected)
		w.await()
	}
}

func (w *Worker) onError(e protocol.PeerError) {
	switch e.Code {
	case protocol.CodeUnregistered:
		// What was sent before a REGISTER is answered before its WELCOME, so
		// while registering this is about the past.
		if w.state != workerRegistering {
			w.lose(WorkerEvicted)
			w.resume()
		}
	case protocol.CodeUnknownCommand, protocol.CodeTooLarge:
		w.drop(e.Error())
	default:
		w.end(WorkerRefused, e.Code.String()+": "+e.Text)
	}
}

func (w *Worker) drain() {
	if w.draining {
		return
	}
	w.draining, w.cut = true, later(w.now, w.cfg.DrainTimeout)
	switch w.state {
	case workerRegistered:
		w.tellDrain()
	case workerRegistering:
		// The master may have welcomed us already and sent a job, which would be
		// lost: DRAIN follows the WELCOME.
	case workerConnecting, workerEvicted, workerEnded:
		w.await()
	}
}

func (w *Worker) tellDrain() {
	w.told = true
	w.send(protocol.CommandDrain)
}

// bye: when we asked for it, the master has no job of ours left;
// otherwise it ends, or it ends this registration.
func (w *Worker) bye() {
	registering := w.state == workerRegistering
	if w.told {
		w.lose(WorkerDrained)
	} else {
		w.lose(WorkerEvicted)
	}
	if registering {
		w.reconnect(WorkerEvicted) // as in probed
	} else {
		w.await()
	}
}

func (w *Worker) end(why WorkerReason, text string) {
	w.lose(why)
	w.state = workerEnded
	w.emit(WorkerAction{Kind: WorkerEnd, Reason: why, Text: text})
}
