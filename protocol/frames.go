// SPDX-License-Identifier: Apache-2.0

package protocol

// Version is the only version of the protocol that this package speaks.
const Version = 1

// HeaderSize is the length in octets of the part of a header frame that every
// message has, and that keeps its layout in every version.
const HeaderSize = 6

const magic = "PHZ"

// Header is the first six octets of every header frame.
type Header struct {
	Version byte
	Role    Role
	Command Command
}

// ParseHeader splits a header frame into its header and the fields of the
// message, a slice into frame. It returns ErrVersion, with h filled in, for a
// header of another version, and ErrMalformed for anything else that is not a
// header. It accepts every command: see Header.Frames.
func ParseHeader(frame []byte) (h Header, fields []byte, err error) {
	if len(frame) < HeaderSize {
		return Header{}, nil, malformed("header: shorter than 6 octets")
	}
	if string(frame[:3]) != magic {
		return Header{}, nil, malformed("header: does not begin with PHZ")
	}
	h = Header{Version: frame[3], Role: Role(frame[4]), Command: Command(frame[5])}
	if h.Version != Version {
		return h, nil, ErrVersion
	}
	if h.Role != RoleWorker && h.Role != RoleRunner {
		return h, nil, malformed("header: role is neither W nor R")
	}
	return h, frame[HeaderSize:], nil
}

// Frames returns how many frames a message has that goes in direction d: 1, or
// 2 with a payload frame, or 0 when this role has no such command in that
// direction, which the master answers with CodeUnknownCommand.
func (h Header) Frames(d Direction) int {
	worker := h.Role == RoleWorker
	toMaster := d == ToMaster
	legal, payload := false, false
	switch h.Command {
	case CommandPing, CommandPong, CommandBatch:
		legal = true
	case CommandRegister:
		legal = toMaster
	case CommandWelcome, CommandError:
		legal = !toMaster
	case CommandJob:
		legal, payload = worker != toMaster, true
	case CommandResult:
		legal, payload = worker == toMaster, true
	case CommandCancel:
		legal = worker != toMaster
	case CommandDrain:
		legal = worker == toMaster
	case CommandBye:
		legal = worker || toMaster
	case CommandRecall:
		legal = worker && !toMaster
	case CommandReturn:
		legal = worker && toMaster
	case CommandStatus:
		legal, payload = !worker, !toMaster
	}
	switch {
	case !legal || d != ToMaster && d != FromMaster || h.Role != RoleWorker && h.Role != RoleRunner:
		return 0
	case payload:
		return 2
	}
	return 1
}

func appendStart(dst []byte, role Role, cmd Command) []byte {
	return append(dst, magic[0], magic[1], magic[2], Version, byte(role), byte(cmd))
}

// AppendPing appends the header frame of a PING.
func AppendPing(dst []byte, role Role) []byte { return appendStart(dst, role, CommandPing) }

// AppendPong appends the header frame of a PONG, the answer to PING.
func AppendPong(dst []byte, role Role) []byte { return appendStart(dst, role, CommandPong) }

// AppendDrain appends the header frame of a DRAIN: from a worker "give me no
// new jobs", to a runner "submit nothing new".
func AppendDrain(dst []byte, role Role) []byte { return appendStart(dst, role, CommandDrain) }

// AppendBye appends the header frame of a BYE.
func AppendBye(dst []byte, role Role) []byte { return appendStart(dst, role, CommandBye) }

// AppendStatus appends the header frame of a STATUS of the runner's
// conversation: the question, or the answer whose payload frame the caller
// sends after it.
func AppendStatus(dst []byte) []byte { return appendStart(dst, RoleRunner, CommandStatus) }

// ParseEmpty checks the fields of a message that has none: PING, PONG, DRAIN,
// BYE and STATUS.
func ParseEmpty(fields []byte) error {
	if len(fields) != 0 {
		return malformed("message: octets after the last field")
	}
	return nil
}
