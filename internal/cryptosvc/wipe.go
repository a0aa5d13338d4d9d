// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"math/big"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

// wipeRequest overwrites what may be secret in a request: keys, passwords, and
// what is to be encrypted. The decoder made copies, so it is ours.
func wipeRequest(request *pb.Request) {
	wipeKey(keyOf(request))
	switch op := request.GetOperation().(type) {
	case *pb.Request_Hmac:
		clear(op.Hmac.GetData())
	case *pb.Request_Digest:
		clear(op.Digest.GetData())
	case *pb.Request_Sign:
		clear(op.Sign.GetData())
	case *pb.Request_Encrypt:
		clear(op.Encrypt.GetPlaintext())
	case *pb.Request_Scrypt:
		clear(op.Scrypt.GetPassword())
	}
}

func keyOf(request *pb.Request) *pb.Key {
	switch op := request.GetOperation().(type) {
	case *pb.Request_Hkdf:
		return op.Hkdf.GetKey()
	case *pb.Request_Hmac:
		return op.Hmac.GetKey()
	case *pb.Request_Sign:
		return op.Sign.GetKey()
	case *pb.Request_Verify:
		return op.Verify.GetKey()
	case *pb.Request_Encrypt:
		return op.Encrypt.GetKey()
	case *pb.Request_Decrypt:
		return op.Decrypt.GetKey()
	default:
		return nil
	}
}

func wipeKey(key *pb.Key) {
	clear(key.GetRaw())
	clear(key.GetRsa().GetD())
	clear(key.GetRsa().GetP())
	clear(key.GetRsa().GetQ())
	clear(key.GetDsa().GetX())
}

// wipeInt overwrites a number; copies that arithmetic made of it stay.
func wipeInt(n *big.Int) {
	words := n.Bits()
	clear(words[:cap(words)])
	n.SetInt64(0)
}
