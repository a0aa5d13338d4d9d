// SPDX-License-Identifier: Apache-2.0

package protocol

import "time"

// Welcome is the master's answer to REGISTER: who it is and what it grants.
type Welcome struct {
	// Identity of this start of the master, as in Registration. Required.
	Identity string
	// PID, Host and Version of the master are shown to people.
	PID     int
	Host    string
	Version string

	// Heartbeat is how often the peer sends PING: MinHeartbeat to MaxHeartbeat,
	// milliseconds on the wire, rounded up. 0 is sent and read as
	// DefaultHeartbeat.
	Heartbeat time.Duration
	// Liveness is after how many silent heartbeats a peer is dead: MinLiveness
	// to MaxLiveness. 0 is sent and read as DefaultLiveness.
	Liveness int
	// MaxMessage is the longest frame in octets, either way: MinMessage to
	// MaxMessage. 0 is sent and read as DefaultMaxMessage.
	MaxMessage int64
	// Batch is how many records the master puts into a BATCH for this peer and
	// takes in one from it: 0, no batches, to MaxBatch.
	Batch int

	// Prefetch is how many jobs beyond its capacity a worker will be given: 0
	// to MaxPrefetch.
	Prefetch int
	// Ledger tells whether the master reads the worker's start ledger.
	Ledger bool
}

// Append appends the header frame to dst; prefetch and ledger only for a
// worker. On an error, that of Check, it returns dst as it was.
func (m Welcome) Append(dst []byte, role Role) ([]byte, error) {
	m = m.withDefaults()
	if err := m.Check(); err != nil {
		return dst, err
	}
	out := appendStart(dst, role, CommandWelcome)
	out = appendText(out, propIdentity, m.Identity)
	out = appendNumber(out, propPID, int64(m.PID), 0)
	out = appendText(out, propHost, m.Host)
	out = appendText(out, propVersion, m.Version)
	out = appendNumber(out, propHeartbeat, milliseconds(m.Heartbeat), 0)
	out = appendNumber(out, propLiveness, int64(m.Liveness), 0)
	out = appendNumber(out, propMaxMessage, m.MaxMessage, 0)
	out = appendNumber(out, propBatch, int64(m.Batch), 0)
	if role == RoleWorker {
		out = appendNumber(out, propPrefetch, int64(m.Prefetch), 0)
		if m.Ledger {
			out = appendProperty(out, propLedger, "1")
		}
	}
	return out, nil
}

// ParseWelcome reads the fields of a WELCOME and fills in the defaults.
// Unknown properties are ignored.
func ParseWelcome(fields []byte) (Welcome, error) {
	var m Welcome
	var seen once
	err := forEachProperty(fields, func(name, value []byte) error {
		return m.set(&seen, string(name), value)
	})
	if err != nil {
		return Welcome{}, err
	}
	m = m.withDefaults()
	if err := m.Check(); err != nil {
		return Welcome{}, err
	}
	return m, nil
}

func (m *Welcome) set(seen *once, name string, value []byte) error {
	var text *string
	var low, high int64
	switch name {
	case propIdentity:
		text = &m.Identity
	case propHost:
		text = &m.Host
	case propVersion:
		text = &m.Version
	case propPID:
		low, high = 1, MaxPID
	case propHeartbeat:
		low, high = milliseconds(MinHeartbeat), milliseconds(MaxHeartbeat)
	case propLiveness:
		low, high = MinLiveness, MaxLiveness
	case propMaxMessage:
		low, high = MinMessage, MaxMessage
	case propBatch:
		high = MaxBatch
	case propPrefetch:
		high = MaxPrefetch
	case propLedger:
		high = 1
	default:
		return nil
	}
	if err := seen.add(name); err != nil {
		return err
	}
	if text != nil {
		*text = string(value)
		return nil
	}
	n, err := parseNumber(name, value, low, high)
	if err != nil {
		return err
	}
	m.setNumber(name, n)
	return nil
}

func (m *Welcome) setNumber(name string, n int64) {
	switch name {
	case propPID:
		m.PID = int(n)
	case propHeartbeat:
		m.Heartbeat = time.Duration(n) * time.Millisecond
	case propLiveness:
		m.Liveness = int(n)
	case propMaxMessage:
		m.MaxMessage = n
	case propBatch:
		m.Batch = int(n)
	case propPrefetch:
		m.Prefetch = int(n)
	case propLedger:
		m.Ledger = n == 1
	}
}

func (m Welcome) withDefaults() Welcome {
	if m.Heartbeat == 0 {
		m.Heartbeat = DefaultHeartbeat
	}
	if m.Liveness == 0 {
		m.Liveness = DefaultLiveness
	}
	if m.MaxMessage == 0 {
		m.MaxMessage = DefaultMaxMessage
	}
	return m
}

// Check returns nil when m can be sent, otherwise ErrMalformed or ErrTooLarge
// with the field in its text.
func (m Welcome) Check() error {
	m = m.withDefaults()
	if err := checkIdentity(m.Identity); err != nil {
		return err
	}
	if err := checkText(propHost, m.Host, MaxHost); err != nil {
		return err
	}
	if err := checkText(propVersion, m.Version, MaxLabel); err != nil {
		return err
	}
	for _, f := range []struct {
		name             string
		value, low, high int64
	}{
		{propPID, int64(m.PID), 0, MaxPID},
		{propHeartbeat, milliseconds(m.Heartbeat), milliseconds(MinHeartbeat), milliseconds(MaxHeartbeat)},
		{propLiveness, int64(m.Liveness), MinLiveness, MaxLiveness},
		{propMaxMessage, m.MaxMessage, MinMessage, MaxMessage},
		{propBatch, int64(m.Batch), 0, MaxBatch},
		{propPrefetch, int64(m.Prefetch), 0, MaxPrefetch},
	} {
		if err := checkRange(f.name, f.value, f.low, f.high); err != nil {
			return err
		}
	}
	return nil
}
