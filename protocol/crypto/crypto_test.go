// SPDX-License-Identifier: Apache-2.0

package crypto_test

import (
	"fmt"
	"testing"

	oldproto "github.com/golang/protobuf/proto" //nolint:staticcheck // it is about the deprecated module
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/powerhose/powerhose/protocol/crypto"
)

func Example() {
	request := &crypto.Request{Operation: &crypto.Request_Hmac{Hmac: &crypto.Hmac{
		Hash: crypto.Hash_SHA256,
		Key:  &crypto.Key{Source: &crypto.Key_Name{Name: "sessions"}}, // the worker has it
		Data: []byte("alice"),
	}}}
	job, err := proto.Marshal(request)
	fmt.Printf("%x %v\n", job, err) // what jobrunner.ExecuteBytes sends to the service "crypto"
	// Output: 12150802120a0a0873657373696f6e731a05616c696365 <nil>
}

// Programs that still use github.com/golang/protobuf write the same octets and
// read the same messages.
func TestBothProtobufModulesWriteTheSame(t *testing.T) {
	t.Parallel()
	octets := rapid.SliceOfN(rapid.Byte(), 0, 300)
	key := rapid.Custom(func(t *rapid.T) *crypto.Key {
		switch rapid.IntRange(0, 4).Draw(t, "source") {
		case 0:
			return nil
		case 1:
			return &crypto.Key{}
		case 2:
			return &crypto.Key{Source: &crypto.Key_Name{Name: rapid.String().Draw(t, "name")}}
		case 3:
			return &crypto.Key{Source: &crypto.Key_Raw{Raw: octets.Draw(t, "raw")}}
		default:
			return &crypto.Key{Source: &crypto.Key_Rsa{Rsa: &crypto.RsaKey{N: octets.Draw(t, "n"), E: octets.Draw(t, "e")}}}
		}
	})
	messages := rapid.Custom(func(t *rapid.T) proto.Message {
		switch rapid.IntRange(0, 4).Draw(t, "message") {
		case 0:
			return &crypto.Request{Operation: &crypto.Request_Hkdf{Hkdf: &crypto.Hkdf{
				Hash: crypto.Hash(rapid.Int32().Draw(t, "hash")), Key: key.Draw(t, "key"),
				Salt: octets.Draw(t, "salt"), Length: rapid.Uint32().Draw(t, "length"),
			}}}
		case 1:
			return &crypto.Request{Operation: &crypto.Request_Verify{Verify: &crypto.Verify{
				Algorithm: crypto.SignatureAlgorithm_DS128, Key: key.Draw(t, "key"),
				Data: octets.Draw(t, "data"), Signature: octets.Draw(t, "signature"),
			}}}
		case 2:
			return &crypto.Response{Result: &crypto.Response_Valid{Valid: rapid.Bool().Draw(t, "valid")}}
		case 3:
			return &crypto.Response{Result: &crypto.Response_Output{Output: octets.Draw(t, "output")}}
		default:
			return &crypto.Response{Result: &crypto.Response_Error{Error: &crypto.Error{
				Code: crypto.ErrorCode_BAD_KEY, Text: rapid.String().Draw(t, "text"),
			}}}
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		message := messages.Draw(rt, "message")
		today, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
		require.NoError(rt, err)
		old, err := oldproto.Marshal(oldproto.MessageV1(message))
		require.NoError(rt, err)
		require.Equal(rt, today, old)

		back := proto.Clone(message)
		require.NoError(rt, oldproto.Unmarshal(today, oldproto.MessageV1(back)))
		require.True(rt, proto.Equal(message, back))
		require.True(rt, oldproto.Equal(oldproto.MessageV1(message), oldproto.MessageV1(back)))
		proto.Reset(back)
		require.NoError(rt, proto.Unmarshal(old, back))
		require.True(rt, proto.Equal(message, back))
	})
}
