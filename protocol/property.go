// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"strconv"
	"time"
)

// The names of properties.
const (
	propIdentity   = "identity"
	propService    = "service"
	propCapacity   = "capacity"
	propPrefetch   = "prefetch"
	propBatch      = "batch"
	propEndpoint   = "endpoint"
	propLedger     = "ledger"
	propPID        = "pid"
	propHost       = "host"
	propLanguage   = "language"
	propVersion    = "version"
	propHeartbeat  = "heartbeat"
	propLiveness   = "liveness"
	propMaxMessage = "max-message"
)

// forEachProperty walks a property list, checks every name, and calls f with
// each. It returns f's first error.
func forEachProperty(fields []byte, f func(name, value []byte) error) error {
	if len(fields) > MaxProperties {
		return tooLarge("the properties have more than 32768 octets")
	}
	for in := fields; len(in) > 0; {
		name, value, rest, ok := cutProperty(in)
		if !ok {
			return malformed("properties: a name or a value is cut short, or a name is empty")
		}
		if err := checkPropertyName(name); err != nil {
			return err
		}
		if err := f(name, value); err != nil {
			return err
		}
		in = rest
	}
	return nil
}

func checkPropertyName(name []byte) error {
	if len(name) > MaxPropertyName {
		return tooLarge("the name of a property has more than 64 octets")
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return malformed("property: a name is not of a-z, 0-9 and -")
		}
	}
	return nil
}

// once refuses the second property of a name that may come only once. Names
// are few, so a list is the fastest set.
type once struct {
	seen [16]string
	n    int
}

func (o *once) add(name string) error {
	for _, s := range o.seen[:o.n] {
		if s == name {
			return malformed("property " + name + ": there twice")
		}
	}
	o.seen[o.n] = name
	o.n++
	return nil
}

// parseNumber reads decimal digits without sign and without leading zeros.
func parseNumber(name string, value []byte, low, high int64) (int64, error) {
	if len(value) == 0 || len(value) > 19 || (value[0] == '0' && len(value) > 1) {
		return 0, malformed("property " + name + ": not a number")
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, malformed("property " + name + ": not a number")
		}
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n < low || n > high {
		return 0, outOfRange(name, low, high)
	}
	return n, nil
}

func outOfRange(name string, low, high int64) error {
	return malformed("property " + name + ": not in " +
		strconv.FormatInt(low, 10) + ".." + strconv.FormatInt(high, 10))
}

func checkRange(name string, n, low, high int64) error {
	if n < low || n > high {
		return outOfRange(name, low, high)
	}
	return nil
}

func checkIdentity(s string) error {
	switch {
	case s == "":
		return malformed("property identity: missing or empty")
	case len(s) > MaxIdentity:
		return tooLarge("property identity has more than 64 octets")
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return malformed("property identity: not of A-Z, a-z, 0-9, '.', '_' and '-'")
		}
	}
	return nil
}

// checkText allows what can be written to a log as it is.
func checkText(name, s string, limit int) error {
	if len(s) > limit {
		return tooLarge("property " + name + " has more than " + strconv.Itoa(limit) + " octets")
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return malformed("property " + name + ": not printable ASCII")
		}
	}
	return nil
}

func appendText(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return appendProperty(dst, name, value)
}

// appendNumber leaves out a property that has the value which its absence has.
func appendNumber(dst []byte, name string, n, absent int64) []byte {
	if n == absent {
		return dst
	}
	var digits [20]byte
	return appendProperty(dst, name, strconv.AppendInt(digits[:0], n, 10))
}

// milliseconds rounds up, as a heartbeat of 0 would be none.
func milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
