// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"crypto/ed25519"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

type (
	ed25519PrivateKey ed25519.PrivateKey
	ed25519PublicKey  ed25519.PublicKey
)

func ed25519Private(key *pb.Key) (privateKey, error) {
	seed, err := rawKey(key, ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	return ed25519PrivateKey(ed25519.NewKeyFromSeed(seed)), nil
}

func ed25519Public(key *pb.Key) (publicKey, error) {
	point, err := rawKey(key, ed25519.PublicKeySize)
	return ed25519PublicKey(point), err
}

func (k ed25519PrivateKey) sign(data []byte) ([]byte, error) {
	return ed25519.Sign(ed25519.PrivateKey(k), data), nil
}

func (k ed25519PrivateKey) wipe() { clear(k) }

func (k ed25519PublicKey) verify(data, signature []byte) bool {
	return ed25519.Verify(ed25519.PublicKey(k), data, signature)
}
