// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"encoding/binary"
	"iter"
)

// Headers are the headers of a job as they are on the wire: a list of names
// and values that the master passes on unread, such as a trace context. Names
// have 1 to 255 octets of any kind, values 0 to 65 535, the whole list at most
// MaxHeaders. A name may occur more than once. The zero value is no headers.
type Headers []byte

// Get returns the value of the first header of that name, a slice of h.
func (h Headers) Get(name string) (value []byte, ok bool) {
	for n, v := range h.All() {
		if string(n) == name {
			return v, true
		}
	}
	return nil, false
}

// All yields names and values in order, as slices of h. It stops where h is
// malformed; what a decoder returned never is.
func (h Headers) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for in := []byte(h); len(in) > 0; {
			name, value, rest, ok := cutProperty(in)
			if !ok || !yield(name, value) {
				return
			}
			in = rest
		}
	}
}

// Check returns ErrTooLarge for more than MaxHeaders octets, ErrMalformed for
// octets that are not a list of headers, otherwise nil.
func (h Headers) Check() error {
	if len(h) > MaxHeaders {
		return tooLarge("the headers of a job have more than 4096 octets")
	}
	for in := []byte(h); len(in) > 0; {
		_, _, rest, ok := cutProperty(in)
		if !ok {
			return malformed("headers: a name or a value is cut short, or a name is empty")
		}
		in = rest
	}
	return nil
}

// AppendHeader appends one header to h. On an error, ErrMalformed for a name
// without octets and ErrTooLarge for one of more than MaxHeaderName or a list
// of more than MaxHeaders octets, it returns h as it was.
func AppendHeader(h Headers, name string, value []byte) (Headers, error) {
	switch {
	case name == "":
		return h, malformed("header: a name is empty")
	case len(name) > MaxHeaderName:
		return h, tooLarge("the name of a header has more than 255 octets")
	case len(h)+1+len(name)+2+len(value) > MaxHeaders:
		return h, tooLarge("the headers of a job have more than 4096 octets")
	}
	return appendProperty(h, name, value), nil
}

// Properties and headers share one form:
//
//	name-len:1 name value-len:2 value

func appendProperty[T string | []byte](dst []byte, name string, value T) []byte {
	dst = append(dst, byte(len(name)))
	dst = append(dst, name...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(value)))
	return append(dst, value...)
}

func cutProperty(in []byte) (name, value, rest []byte, ok bool) {
	if len(in) < 1 || in[0] == 0 {
		return nil, nil, nil, false
	}
	n := int(in[0])
	in = in[1:]
	if len(in) < n+2 {
		return nil, nil, nil, false
	}
	name, in = in[:n:n], in[n:]
	n = int(binary.BigEndian.Uint16(in))
	in = in[2:]
	if len(in) < n {
		return nil, nil, nil, false
	}
	return name, in[:n:n], in[n:], true
}
