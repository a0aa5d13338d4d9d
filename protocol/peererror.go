// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"encoding/binary"
	"unicode/utf8"
)

// PeerError is an ERROR, always from the master.
type PeerError struct {
	Code ErrorCode
	// Text is for people, UTF-8 by promise only: escape it before printing.
	// What is beyond MaxErrorText octets is not sent.
	Text string
}

// Error makes a PeerError usable as an error value on the side that got it.
func (m PeerError) Error() string {
	if m.Text == "" {
		return "protocol: the master answered: " + m.Code.String()
	}
	return "protocol: the master answered: " + m.Code.String() + ": " + m.Text
}

// Append appends the header frame to dst.
func (m PeerError) Append(dst []byte, role Role) []byte {
	text := m.Text
	if len(text) > MaxErrorText {
		end := MaxErrorText
		for end > MaxErrorText-utf8.UTFMax && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	dst = append(appendStart(dst, role, CommandError), byte(m.Code))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(text)))
	return append(dst, text...)
}

// ParsePeerError reads the fields of an ERROR.
func ParsePeerError(fields []byte) (m PeerError, err error) {
	if len(fields) < 3 {
		return m, malformed("ERROR: cut short")
	}
	n := int(binary.BigEndian.Uint16(fields[1:]))
	switch {
	case len(fields) != 3+n:
		return m, malformed("ERROR: text-len is not what follows")
	case fields[0] == 0:
		return m, malformed("ERROR: code 0")
	case n > MaxErrorText:
		return m, tooLarge("the text of an ERROR has more than 4096 octets")
	}
	return PeerError{Code: ErrorCode(fields[0]), Text: string(fields[3:])}, nil
}
