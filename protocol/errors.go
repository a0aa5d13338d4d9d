// SPDX-License-Identifier: Apache-2.0

package protocol

import "errors"

// What is wrong with a message. Every error of this package matches exactly
// one of these with errors.Is; its text tells more.
var (
	// ErrMalformed is returned by every decoder for octets that are not the
	// message they should be, and by encoders for values that the message
	// cannot carry, such as a service name with a space.
	ErrMalformed = errors.New("protocol: malformed message")

	// ErrTooLarge is returned for a message whose form is right but which has
	// something longer or more numerous than the limits in this package.
	// A decoder that returns it for a JOB has filled in the job's ID, so that
	// the job can be answered.
	ErrTooLarge = errors.New("protocol: beyond a limit")

	// ErrVersion is returned by ParseHeader alone, for a header that has
	// another version. The returned Header is filled in.
	ErrVersion = errors.New("protocol: unsupported version")
)

// malformed and tooLarge are constant texts, so that refusing hostile input
// costs no allocation either.
type (
	malformed string
	tooLarge  string
)

func (e malformed) Error() string { return "protocol: malformed " + string(e) }
func (e malformed) Unwrap() error { return ErrMalformed }
func (e tooLarge) Error() string  { return "protocol: beyond the limit: " + string(e) }
func (e tooLarge) Unwrap() error  { return ErrTooLarge }
