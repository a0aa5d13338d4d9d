// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"encoding/binary"
	"math"
	"time"
)

// CheckService returns nil for a valid service name: 0 to MaxServiceName octets
// of printable ASCII without the space. Otherwise ErrTooLarge or ErrMalformed.
func CheckService[T string | []byte](name T) error {
	if len(name) > MaxServiceName {
		return tooLarge("a service name has more than 64 octets")
	}
	for i := range len(name) {
		if name[i] < 0x21 || name[i] > 0x7e {
			return malformed("service name: not printable ASCII without spaces")
		}
	}
	return nil
}

func checkJob(service []byte, headers Headers) error {
	if err := CheckService(service); err != nil {
		return err
	}
	return headers.Check()
}

func appendServiceHeaders(dst, service []byte, headers Headers) []byte {
	dst = append(dst, byte(len(service)))
	dst = append(dst, service...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(headers)))
	return append(dst, headers...)
}

// parseServiceHeaders reads the end that both forms of JOB share. It settles
// all lengths before it looks at a limit, so that ErrTooLarge always means a
// message of the right form.
func parseServiceHeaders(in []byte) (service []byte, headers Headers, err error) {
	if len(in) < 1 {
		return nil, nil, malformed("JOB: cut short")
	}
	n := int(in[0])
	in = in[1:]
	if len(in) < n+2 {
		return nil, nil, malformed("JOB: cut short")
	}
	service, in = in[:n:n], in[n:]
	n = int(binary.BigEndian.Uint16(in))
	in = in[2:]
	if len(in) != n {
		return nil, nil, malformed("JOB: headers-len is not what follows")
	}
	headers = Headers(in[:n:n])
	if err := checkJob(service, headers); err != nil {
		return nil, nil, err
	}
	return service, headers, nil
}

// microseconds rounds down: a deadline may come early on the wire, never late.
func microseconds(d time.Duration) uint64 {
	if d < 0 {
		return 0
	}
	return uint64(d / time.Microsecond)
}

func fromMicroseconds(us uint64) time.Duration {
	if us > uint64(MaxTime/time.Microsecond) {
		return MaxTime
	}
	return time.Duration(us) * time.Microsecond
}

func waitMicroseconds(d time.Duration) uint64 {
	if d < 0 {
		return math.MaxUint64
	}
	return microseconds(d)
}

func fromWaitMicroseconds(us uint64) time.Duration {
	if us == math.MaxUint64 {
		return WaitForever
	}
	return fromMicroseconds(us)
}

// roundUp32 rounds up, since 0 on the wire has a meaning of its own.
func roundUp32(d, unit time.Duration) uint32 {
	switch {
	case d <= 0:
		return 0
	case d > math.MaxUint32*unit:
		return math.MaxUint32
	}
	return uint32((d + unit - 1) / unit)
}
