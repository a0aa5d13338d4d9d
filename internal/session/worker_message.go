// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"

	"github.com/powerhose/powerhose/protocol"
)

// receive handles a message of the master, which may be anything.
func (w *Worker) receive(frames [][]byte, peer string) {
	w.heard = w.now // whatever it is
	if len(frames) == 1 && len(frames[0]) == 0 {
		if peer == "" {
			w.probed()
		}
		return
	}
	head, fields, err := protocol.ParseHeader(frames[0])
	if err != nil {
		w.drop(err.Error())
		return
	}
	want := head.Frames(protocol.FromMaster)
	if want == 0 || head.Role != protocol.RoleWorker && head.Command != protocol.CommandError {
		w.drop("unexpected " + head.Command.String() + " of the " + head.Role.String() + "'s conversation")
		return
	}
	if len(frames) != want {
		w.broken(head.Command, head.Command.String()+" with a wrong number of frames")
		return
	}
	var payload []byte
	if want == 2 {
		payload = frames[1]
	}
	if err := w.handle(head.Command, fields, payload, peer); err != nil {
		w.broken(head.Command, err.Error())
	}
}

// handle handles a message that is in order so far.
func (w *Worker) handle(cmd protocol.Command, fields, payload []byte, peer string) error {
	switch cmd {
	case protocol.CommandJob:
		return w.onJob(fields, payload, peer)
	case protocol.CommandBatch:
		return w.onBatch(fields, peer)
	case protocol.CommandWelcome:
		m, err := protocol.ParseWelcome(fields)
		switch {
		case err != nil:
		case w.state == workerRegistering:
			w.welcomed(m)
		default:
			w.drop("WELCOME without a REGISTER")
		}
		return err
	case protocol.CommandCancel, protocol.CommandRecall:
		ref, err := protocol.ParseJobRef(fields)
		if err == nil {
			w.callBack(ref, cmd == protocol.CommandCancel, peer)
		}
		return err
	case protocol.CommandPing:
		err := protocol.ParseEmpty(fields)
		if err == nil && w.state == workerRegistered {
			w.emit(WorkerAction{Kind: WorkerSend, Command: protocol.CommandPong, Peer: peer})
		}
		return err
	case protocol.CommandBye:
		err := protocol.ParseEmpty(fields)
		if err == nil {
			w.bye()
		}
		return err
	case protocol.CommandError:
		e, err := protocol.ParsePeerError(fields)
		if err == nil {
			w.onError(e)
		}
		return err
	}
	return protocol.ParseEmpty(fields)
}

// onJob numbers each JOB that it can read; for others broken does.
func (w *Worker) onJob(fields, payload []byte, peer string) error {
	m, err := protocol.ParseWorkerJob(fields)
	if err != nil {
		return err
	}
	if !w.takesJobs(peer) {
		w.drop("JOB without a registration")
		return nil
	}
	w.jobs.received++
	w.accept(&WorkerJob{
		WorkerJob: m, Payload: payload, Deadline: later(w.now, m.TimeLeft), Number: w.jobs.received, Peer: peer,
	})
	return nil
}

// takesJobs: what comes without a registration, or on the other connection, is
// of the past.
func (w *Worker) takesJobs(peer string) bool {
	return w.state == workerRegistered && !w.fence && w.cfg.Listen == (peer != "")
}

func (w *Worker) onBatch(fields []byte, peer string) error {
	records := protocol.ReadBatch(fields)
	for {
		cmd, fields, payload, ok := records.Next()
		if !ok {
			return records.Err()
		}
		if cmd != protocol.CommandJob {
			return errBatch
		}
		if err := w.onJob(fields, payload, peer); err != nil {
			return err // it, and all after it
		}
	}
}

var errBatch = errors.New("BATCH from the master with something else than JOB")

// callBack handles CANCEL and RECALL: a job that has not started is
// given back, one that has is cancelled, or left alone if it was only recalled.
func (w *Worker) callBack(ref protocol.JobRef, cancel bool, peer string) {
	if w.jobs.take(ref) {
		w.emit(WorkerAction{Kind: WorkerReturn, Ref: ref, Peer: peer})
		return
	}
	if slot := w.jobs.slotOf(ref); cancel && slot >= 0 {
		w.emit(WorkerAction{Kind: WorkerCancel, Slot: slot, Reason: WorkerCancelled})
	}
}

// broken drops a malformed message. If it should have held jobs, then as many
// are counted as it can have held: the master counts them too, and a claim that
// is too low would say of a job that it has not started which has. Claiming too
// much is safe.
func (w *Worker) broken(cmd protocol.Command, text string) {
	switch cmd {
	case protocol.CommandJob:
		w.jobs.received++
	case protocol.CommandBatch:
		w.jobs.received += protocol.MaxBatch
	}
	w.drop(text)
}

func (w *Worker) drop(text string) { w.emit(WorkerAction{Kind: WorkerDropped, Text: text}) }
