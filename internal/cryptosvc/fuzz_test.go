// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

// FuzzRequest feeds octets to the whole service. There is always an answer, it is
// as small as the limits say, and it does not take long.
func FuzzRequest(f *testing.F) {
	service := New(testKeys(f))
	for _, v := range allVectors(f) {
		if v.large() {
			continue
		}
		if request := v.request(f); len(request) < 4096 {
			f.Add(request)
		}
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		decoded := &pb.Request{}
		malformed := proto.Unmarshal(request, decoded) != nil
		if op := decoded.GetScrypt(); uint64(op.GetN())*uint64(op.GetR())*uint64(op.GetP()) > 1<<14 &&
			op.GetN() <= MaxScryptN && op.GetR() <= MaxScryptR && op.GetP() <= MaxScryptP {
			return // what is allowed takes seconds, and much longer with the fuzzer's instruments in it
		}
		begin := time.Now()
		got := decodeResponse(t, do(t, service, request))
		require.Less(t, time.Since(begin), 30*time.Second)
		if got.GetError() != nil {
			require.NotZero(t, got.GetError().GetCode())
			require.NotEqual(t, pb.ErrorCode_INTERNAL, got.GetError().GetCode())
			require.LessOrEqual(t, len(got.GetError().GetText()), maxErrorText)
			return
		}
		require.False(t, malformed)
		require.NotNil(t, decoded.GetOperation())
		require.LessOrEqual(t, len(got.GetOutput()), max(MaxRandom, len(request)))
	})
}
