// SPDX-License-Identifier: Apache-2.0

package protocol

import "strconv"

// Role names the conversation that a message belongs to, in both directions.
type Role byte

const (
	RoleWorker Role = 'W' // worker and master
	RoleRunner Role = 'R' // runner and master
)

// String returns "worker" or "runner".
func (r Role) String() string {
	switch r {
	case RoleWorker:
		return "worker"
	case RoleRunner:
		return "runner"
	}
	return "role " + strconv.Itoa(int(r))
}

// Direction is where a message goes. The header does not carry it: the
// receiver knows on which side it stands.
type Direction byte

const (
	ToMaster   Direction = iota + 1 // sent by a worker or a runner
	FromMaster                      // sent by the master
)

// String returns "to-master" or "from-master".
func (d Direction) String() string {
	switch d {
	case ToMaster:
		return "to-master"
	case FromMaster:
		return "from-master"
	}
	return "direction " + strconv.Itoa(int(d))
}

// Command says which message a header frame begins.
type Command byte

const (
	CommandRegister Command = 0x01 // "this is who I am"
	CommandWelcome  Command = 0x02 // the answer to REGISTER
	CommandJob      Command = 0x03 // has a payload frame
	CommandResult   Command = 0x04 // has a payload frame
	CommandCancel   Command = 0x05
	CommandPing     Command = 0x06
	CommandPong     Command = 0x07 // the answer to PING
	CommandDrain    Command = 0x08
	CommandBye      Command = 0x09
	CommandRecall   Command = 0x0a // "give it back if it has not started"
	CommandReturn   Command = 0x0b // "it has not started and never will"
	CommandStatus   Command = 0x0c // the answer has a payload frame
	CommandError    Command = 0x0d
	CommandBatch    Command = 0x0e // JOBs or RESULTs in one frame
)

var commandNames = [...]string{
	CommandRegister: "REGISTER", CommandWelcome: "WELCOME", CommandJob: "JOB", CommandResult: "RESULT",
	CommandCancel: "CANCEL", CommandPing: "PING", CommandPong: "PONG", CommandDrain: "DRAIN",
	CommandBye: "BYE", CommandRecall: "RECALL", CommandReturn: "RETURN", CommandStatus: "STATUS",
	CommandError: "ERROR", CommandBatch: "BATCH",
}

// String returns the name used in docs/protocol.md, such as "JOB".
func (c Command) String() string {
	if c.Known() {
		return commandNames[c]
	}
	return "command " + strconv.Itoa(int(c))
}

// Known tells whether version 1 has the command at all. Header.Frames tells
// whether it may be sent by that role in that direction.
func (c Command) Known() bool { return c >= CommandRegister && c <= CommandBatch }

// The status of a RESULT is a worker's word on how a job ended.
const (
	StatusOK    byte = 0 // the payload is the result
	StatusError byte = 1 // the payload is the worker's error text, UTF-8
)

// Outcome is the master's word to the runner on how a job ended.
type Outcome byte

const (
	OutcomeOK              Outcome = 0  // the payload is the result
	OutcomeJobError        Outcome = 1  // the payload is the worker's own error text
	OutcomeNoWorker        Outcome = 2  // nobody offers the service
	OutcomeBusy            Outcome = 3  // no room, or no chance to start in time
	OutcomeTimedOutWaiting Outcome = 4  // the deadline passed before a worker had it
	OutcomeTimedOutRunning Outcome = 5  // the deadline passed while a worker had it
	OutcomeWorkerLost      Outcome = 6  // its worker died, hung or was evicted
	OutcomeCancelled       Outcome = 7  // the runner took it back
	OutcomeTooLarge        Outcome = 8  // job or result is beyond a limit
	OutcomeRefused         Outcome = 9  // not authorised
	OutcomeClosed          Outcome = 10 // the master drains
	outcomeEnd             Outcome = 11
)

var outcomeNames = [...]string{
	OutcomeOK: "ok", OutcomeJobError: "job error", OutcomeNoWorker: "no worker", OutcomeBusy: "busy",
	OutcomeTimedOutWaiting: "timed out waiting", OutcomeTimedOutRunning: "timed out running",
	OutcomeWorkerLost: "worker lost", OutcomeCancelled: "cancelled", OutcomeTooLarge: "too large",
	OutcomeRefused: "refused", OutcomeClosed: "closed",
}

// String returns the name used in docs/protocol.md, such as "worker lost".
func (o Outcome) String() string {
	if o < outcomeEnd {
		return outcomeNames[o]
	}
	return "outcome " + strconv.Itoa(int(o))
}

// ErrorCode says why the master did not do what a peer's message asked for.
// Zero is never sent; a code that is not listed here counts as CodeRefused.
type ErrorCode byte

const (
	CodeUnregistered   ErrorCode = 1 // register (again)
	CodeVersion        ErrorCode = 2 // the master does not speak that version
	CodeUnknownCommand ErrorCode = 3 // unknown, or not in that direction
	CodeRefused        ErrorCode = 4 // a bad registration, a limit, or not authorised
	CodeTooLarge       ErrorCode = 5 // beyond what WELCOME allowed
	CodeWrongRole      ErrorCode = 6 // a runner on the backend or the reverse
)

var errorCodeNames = [...]string{
	CodeUnregistered: "unregistered", CodeVersion: "unsupported version",
	CodeUnknownCommand: "unknown command", CodeRefused: "refused", CodeTooLarge: "too large",
	CodeWrongRole: "wrong role",
}

// String returns the name used in docs/protocol.md, such as "wrong role".
func (c ErrorCode) String() string {
	if c >= CodeUnregistered && c <= CodeWrongRole {
		return errorCodeNames[c]
	}
	return "error code " + strconv.Itoa(int(c))
}
