// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"encoding/binary"
	"time"
)

// WaitForever, as RunnerJob.Wait, lets a job wait for a worker until its
// deadline.
const WaitForever time.Duration = -1

// WorkerJob is the header frame of a JOB from the master to a worker. The
// payload frame follows it.
type WorkerJob struct {
	// ID is chosen by the master and means nothing to the worker.
	ID uint64
	// Attempt tells the master's attempts at one job apart; the worker echoes it.
	Attempt uint32
	// TimeLeft until the deadline, at the moment of sending. Microseconds on
	// the wire, rounded down; a negative one is sent as 0, which means over.
	TimeLeft time.Duration
	// Service is a valid service name. Decoded, it is a slice of the input.
	Service []byte
	// Headers of the job. Decoded, they are a slice of the input and valid.
	Headers Headers
}

const (
	workerJobFixed    = 8 + 4 + 8     // up to service-len
	runnerJobFixed    = 8 + 8 + 8 + 1 // up to service-len
	workerResultSize  = 8 + 4 + 1 + 4
	runnerResultSize  = 8 + 1 + 1 + 4
	jobRefSize        = 8 + 4
	runnerCancelSize  = 8
	jobVariableFields = 1 + 2 // the lengths of service and headers
)

// FieldsLen returns the length in octets of the encoded fields.
func (m WorkerJob) FieldsLen() int {
	return workerJobFixed + jobVariableFields + len(m.Service) + len(m.Headers)
}

// Append appends the header frame to dst. On an error, ErrMalformed or
// ErrTooLarge for the service or the headers, it returns dst as it was.
func (m WorkerJob) Append(dst []byte) ([]byte, error) {
	if err := checkJob(m.Service, m.Headers); err != nil {
		return dst, err
	}
	return m.appendFields(appendStart(dst, RoleWorker, CommandJob)), nil
}

func (m WorkerJob) appendFields(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, m.ID)
	dst = binary.BigEndian.AppendUint32(dst, m.Attempt)
	dst = binary.BigEndian.AppendUint64(dst, microseconds(m.TimeLeft))
	return appendServiceHeaders(dst, m.Service, m.Headers)
}

// ParseWorkerJob reads the fields of a JOB from the master to a worker.
func ParseWorkerJob(fields []byte) (m WorkerJob, err error) {
	if len(fields) < workerJobFixed {
		return m, malformed("JOB: cut short")
	}
	m.ID = binary.BigEndian.Uint64(fields)
	m.Attempt = binary.BigEndian.Uint32(fields[8:])
	m.TimeLeft = fromMicroseconds(binary.BigEndian.Uint64(fields[12:]))
	m.Service, m.Headers, err = parseServiceHeaders(fields[workerJobFixed:])
	return m, err
}

// RunnerJob is the header frame of a JOB from a runner to the master. The
// payload frame follows it.
type RunnerJob struct {
	// ID is chosen by the runner, fresh for every job of its registration, and
	// means nothing to the master.
	ID uint64
	// TimeLeft until the deadline, as in WorkerJob.
	TimeLeft time.Duration
	// Wait is how long the job may wait for a worker, never longer than
	// TimeLeft. Microseconds on the wire, rounded down. 0 refuses it at once if
	// it cannot start now; WaitForever, or anything negative, waits until the
	// deadline.
	Wait time.Duration
	// Retries is how many more times the job may be started after an attempt
	// that may have run. 0, unless the caller said that running twice is safe.
	Retries uint8
	// Service and Headers as in WorkerJob.
	Service []byte
	Headers Headers
}

// FieldsLen returns the length in octets of the encoded fields.
func (m RunnerJob) FieldsLen() int {
	return runnerJobFixed + jobVariableFields + len(m.Service) + len(m.Headers)
}

// Append appends the header frame to dst. On an error, ErrMalformed or
// ErrTooLarge for the service or the headers, it returns dst as it was.
func (m RunnerJob) Append(dst []byte) ([]byte, error) {
	if err := checkJob(m.Service, m.Headers); err != nil {
		return dst, err
	}
	return m.appendFields(appendStart(dst, RoleRunner, CommandJob)), nil
}

func (m RunnerJob) appendFields(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, m.ID)
	dst = binary.BigEndian.AppendUint64(dst, microseconds(m.TimeLeft))
	dst = binary.BigEndian.AppendUint64(dst, waitMicroseconds(m.Wait))
	dst = append(dst, m.Retries)
	return appendServiceHeaders(dst, m.Service, m.Headers)
}

// ParseRunnerJob reads the fields of a JOB from a runner to the master. With
// ErrTooLarge everything up to the service is filled in, so that the master can
// answer the job with OutcomeTooLarge.
func ParseRunnerJob(fields []byte) (m RunnerJob, err error) {
	if len(fields) < runnerJobFixed {
		return m, malformed("JOB: cut short")
	}
	m.ID = binary.BigEndian.Uint64(fields)
	m.TimeLeft = fromMicroseconds(binary.BigEndian.Uint64(fields[8:]))
	m.Wait = fromWaitMicroseconds(binary.BigEndian.Uint64(fields[16:]))
	m.Retries = fields[24]
	m.Service, m.Headers, err = parseServiceHeaders(fields[runnerJobFixed:])
	return m, err
}

// WorkerResult is the header frame of a RESULT from a worker to the master. The
// payload frame, the result or an error text, follows it.
type WorkerResult struct {
	ID      uint64
	Attempt uint32
	Status  byte // StatusOK or StatusError
	// Run is how long the handler ran. Microseconds on the wire, rounded up, at
	// most MaxRun; 0 is not measured.
	Run time.Duration
}

// Append appends the header frame to dst.
func (m WorkerResult) Append(dst []byte) []byte {
	return m.appendFields(appendStart(dst, RoleWorker, CommandResult))
}

func (m WorkerResult) appendFields(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, m.ID)
	dst = binary.BigEndian.AppendUint32(dst, m.Attempt)
	dst = append(dst, m.Status)
	return binary.BigEndian.AppendUint32(dst, roundUp32(m.Run, time.Microsecond))
}

// ParseWorkerResult reads the fields of a RESULT from a worker to the master.
func ParseWorkerResult(fields []byte) (m WorkerResult, err error) {
	if len(fields) != workerResultSize {
		return m, malformed("RESULT: not 17 octets of fields")
	}
	m.ID = binary.BigEndian.Uint64(fields)
	m.Attempt = binary.BigEndian.Uint32(fields[8:])
	m.Status = fields[12]
	m.Run = time.Duration(binary.BigEndian.Uint32(fields[13:])) * time.Microsecond
	if m.Status > StatusError {
		return m, malformed("RESULT: unknown status")
	}
	return m, nil
}

// RunnerResult is the header frame of a RESULT from the master to a runner. The
// payload frame follows it: the result, the worker's error text, or for other
// outcomes a text for people, often empty.
type RunnerResult struct {
	ID      uint64
	Outcome Outcome
	// MayHaveRun tells whether a worker may have started the job.
	MayHaveRun bool
	// RetryAfter is when another try has a chance. Milliseconds on the wire,
	// rounded up, at most MaxRetryAfter; 0 is unknown.
	RetryAfter time.Duration
}

// Append appends the header frame to dst.
func (m RunnerResult) Append(dst []byte) []byte {
	return m.appendFields(appendStart(dst, RoleRunner, CommandResult))
}

func (m RunnerResult) appendFields(dst []byte) []byte {
	mayHaveRun := byte(0)
	if m.MayHaveRun {
		mayHaveRun = 1
	}
	dst = binary.BigEndian.AppendUint64(dst, m.ID)
	dst = append(dst, byte(m.Outcome), mayHaveRun)
	return binary.BigEndian.AppendUint32(dst, roundUp32(m.RetryAfter, time.Millisecond))
}

// ParseRunnerResult reads the fields of a RESULT from the master to a runner.
func ParseRunnerResult(fields []byte) (m RunnerResult, err error) {
	if len(fields) != runnerResultSize {
		return m, malformed("RESULT: not 14 octets of fields")
	}
	m.ID = binary.BigEndian.Uint64(fields)
	m.Outcome = Outcome(fields[8])
	m.MayHaveRun = fields[9] == 1
	m.RetryAfter = time.Duration(binary.BigEndian.Uint32(fields[10:])) * time.Millisecond
	if m.Outcome >= outcomeEnd {
		return m, malformed("RESULT: unknown outcome")
	}
	if fields[9] > 1 {
		return m, malformed("RESULT: may-have-run is neither 0 nor 1")
	}
	return m, nil
}

// JobRef names one attempt at a job: all there is in the worker's CANCEL,
// RECALL and RETURN.
type JobRef struct {
	ID      uint64
	Attempt uint32
}

// Append appends the header frame of a CANCEL, RECALL or RETURN to dst.
func (m JobRef) Append(dst []byte, cmd Command) []byte {
	dst = binary.BigEndian.AppendUint64(appendStart(dst, RoleWorker, cmd), m.ID)
	return binary.BigEndian.AppendUint32(dst, m.Attempt)
}

// ParseJobRef reads the fields of a worker's CANCEL, RECALL or RETURN.
func ParseJobRef(fields []byte) (m JobRef, err error) {
	if len(fields) != jobRefSize {
		return m, malformed("message: not 12 octets of fields")
	}
	m.ID = binary.BigEndian.Uint64(fields)
	m.Attempt = binary.BigEndian.Uint32(fields[8:])
	return m, nil
}

// AppendRunnerCancel appends the header frame of a runner's CANCEL to dst.
func AppendRunnerCancel(dst []byte, id uint64) []byte {
	return binary.BigEndian.AppendUint64(appendStart(dst, RoleRunner, CommandCancel), id)
}

// ParseRunnerCancel reads the fields of a runner's CANCEL: the job's ID.
func ParseRunnerCancel(fields []byte) (id uint64, err error) {
	if len(fields) != runnerCancelSize {
		return 0, malformed("CANCEL: not 8 octets of fields")
	}
	return binary.BigEndian.Uint64(fields), nil
}
