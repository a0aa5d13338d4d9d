// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"encoding/binary"
	"math"
)

// RecordOverhead is what a record of a BATCH has beside its fields and its
// payload: command, fields-len and payload-len.
const RecordOverhead = 1 + 2 + 4

// AppendBatchHeader appends the start of a BATCH to dst. At least one record
// must follow, at most as many as the receiver offered, and the frame must not
// become longer than max-message.
func AppendBatchHeader(dst []byte, role Role) []byte {
	return appendStart(dst, role, CommandBatch)
}

// AppendBatchRecord appends a record whose fields are already encoded, as
// ParseHeader returns them. The command is CommandJob or CommandResult. On an
// error it returns dst as it was. The AppendRecord methods do the same without
// encoded fields.
func AppendBatchRecord(dst []byte, cmd Command, fields, payload []byte) ([]byte, error) {
	if cmd != CommandJob && cmd != CommandResult {
		return dst, malformed("BATCH: a record is neither JOB nor RESULT")
	}
	if len(fields) > math.MaxUint16 {
		return dst, tooLarge("the fields of a record have more than 65535 octets")
	}
	if err := checkPayload(payload); err != nil {
		return dst, err
	}
	dst, mark := startRecord(dst, cmd)
	return endRecord(append(dst, fields...), mark, payload), nil
}

// AppendRecord appends the job as a record of a BATCH. On an error it returns
// dst as it was.
func (m WorkerJob) AppendRecord(dst, payload []byte) ([]byte, error) {
	if err := checkJob(m.Service, m.Headers); err != nil {
		return dst, err
	}
	if err := checkPayload(payload); err != nil {
		return dst, err
	}
	dst, mark := startRecord(dst, CommandJob)
	return endRecord(m.appendFields(dst), mark, payload), nil
}

// AppendRecord appends the job as a record of a BATCH. On an error it returns
// dst as it was.
func (m RunnerJob) AppendRecord(dst, payload []byte) ([]byte, error) {
	if err := checkJob(m.Service, m.Headers); err != nil {
		return dst, err
	}
	if err := checkPayload(payload); err != nil {
		return dst, err
	}
	dst, mark := startRecord(dst, CommandJob)
	return endRecord(m.appendFields(dst), mark, payload), nil
}

// AppendRecord appends the result as a record of a BATCH. On an error it
// returns dst as it was.
func (m WorkerResult) AppendRecord(dst, payload []byte) ([]byte, error) {
	if err := checkPayload(payload); err != nil {
		return dst, err
	}
	dst, mark := startRecord(dst, CommandResult)
	return endRecord(m.appendFields(dst), mark, payload), nil
}

// AppendRecord appends the result as a record of a BATCH. On an error it
// returns dst as it was.
func (m RunnerResult) AppendRecord(dst, payload []byte) ([]byte, error) {
	if err := checkPayload(payload); err != nil {
		return dst, err
	}
	dst, mark := startRecord(dst, CommandResult)
	return endRecord(m.appendFields(dst), mark, payload), nil
}

func checkPayload(payload []byte) error {
	if len(payload) > MaxMessage {
		return tooLarge("a payload has more than 1 GiB")
	}
	return nil
}

// startRecord leaves room for fields-len, which endRecord fills in when the
// fields are there: so that they need no buffer of their own.
func startRecord(dst []byte, cmd Command) (out []byte, mark int) {
	return append(dst, byte(cmd), 0, 0), len(dst) + 3
}

func endRecord(dst []byte, mark int, payload []byte) []byte {
	binary.BigEndian.PutUint16(dst[mark-2:], uint16(len(dst)-mark))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	return append(dst, payload...)
}

// BatchReader iterates over the records of a BATCH. Each record means what a
// message of its own with that command, those fields and that payload frame
// would mean. A caller that finds the fields of a record malformed stops
// there too.
type BatchReader struct {
	rest  []byte
	count int
	err   error
}

// ReadBatch returns a reader over the fields of a BATCH.
func ReadBatch(fields []byte) BatchReader {
	if len(fields) == 0 {
		return BatchReader{err: malformed("BATCH: no record")}
	}
	return BatchReader{rest: fields}
}

// Next returns the next record: the command, CommandJob or CommandResult, and
// its fields and payload as slices of the input. It returns ok == false after
// the last record and at the first malformed one; Err tells which.
func (r *BatchReader) Next() (cmd Command, fields, payload []byte, ok bool) {
	if r.err != nil || len(r.rest) == 0 {
		return 0, nil, nil, false
	}
	if r.count == MaxBatch {
		return r.fail(tooLarge("a BATCH has more than 256 records"))
	}
	in := r.rest
	if len(in) < 3 {
		return r.fail(malformed("BATCH: a record is cut short"))
	}
	cmd = Command(in[0])
	if cmd != CommandJob && cmd != CommandResult {
		return r.fail(malformed("BATCH: a record is neither JOB nor RESULT"))
	}
	n := int(binary.BigEndian.Uint16(in[1:]))
	in = in[3:]
	if len(in) < n+4 {
		return r.fail(malformed("BATCH: a record is cut short"))
	}
	fields, in = in[:n:n], in[n:]
	size := uint64(binary.BigEndian.Uint32(in))
	in = in[4:]
	if uint64(len(in)) < size {
		return r.fail(malformed("BATCH: a record is cut short"))
	}
	payload, r.rest = in[:size:size], in[size:]
	r.count++
	return cmd, fields, payload, true
}

func (r *BatchReader) fail(err error) (Command, []byte, []byte, bool) {
	r.err, r.rest = err, nil
	return 0, nil, nil, false
}

// Err returns what ended the iteration: nil after the last record, otherwise
// ErrMalformed or ErrTooLarge. The records before it stand.
func (r *BatchReader) Err() error { return r.err }
