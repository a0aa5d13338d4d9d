// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"errors"
	"fmt"
	"strings"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

// failure is an error with the code that the caller is told. Its text never has
// a secret in it, nor what came in the request.
type failure struct {
	code pb.ErrorCode
	text string
}

func (f *failure) Error() string { return f.text }

func failf(code pb.ErrorCode, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	return &failure{code, strings.ToValidUTF8(text[:min(len(text), maxErrorText)], "")}
}

// badKey says what is wrong with a key.
func badKey(format string, args ...any) error {
	return failf(pb.ErrorCode_BAD_KEY, "key: "+format, args...)
}

// answerTo makes an answer of an error. One that is no failure is our own fault,
// and its text stays here.
func answerTo(err error) *pb.Response {
	told := &pb.Error{Code: pb.ErrorCode_INTERNAL, Text: "internal error"}
	var f *failure
	if errors.As(err, &f) {
		told.Code, told.Text = f.code, f.text
	}
	return &pb.Response{Result: &pb.Response_Error{Error: told}}
}
