// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"math/big"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

const (
	p256Size      = 32             // of r, s and d
	p256PointSize = 1 + 2*p256Size // uncompressed
	p256Signature = 2 * p256Size   // r || s
)

type (
	p256PrivateKey struct{ *ecdsa.PrivateKey }
	p256PublicKey  struct{ *ecdsa.PublicKey }
)

func p256Private(key *pb.Key) (privateKey, error) {
	d, err := rawKey(key, p256Size)
	if err != nil {
		return nil, err
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		return nil, badKey("not a number from 1 to the order of P-256 less 1")
	}
	return p256PrivateKey{private}, nil
}

func p256Public(key *pb.Key) (publicKey, error) {
	point, err := rawKey(key, p256PointSize)
	if err != nil {
		return nil, err
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, badKey("not an uncompressed point of P-256")
	}
	return p256PublicKey{public}, nil
}

func (k p256PrivateKey) sign(data []byte) ([]byte, error) {
	digest := sha256.Sum256(data)
	r, s, err := ecdsa.Sign(rand.Reader, k.PrivateKey, digest[:])
	if err != nil {
		return nil, err
	}
	signature := make([]byte, p256Signature)
	r.FillBytes(signature[:p256Size])
	s.FillBytes(signature[p256Size:])
	return signature, nil
}

func (k p256PrivateKey) wipe() { wipeInt(k.D) }

func (k p256PublicKey) verify(data, signature []byte) bool {
	if len(signature) != p256Signature {
		return false
	}
	r := new(big.Int).SetBytes(signature[:p256Size])
	s := new(big.Int).SetBytes(signature[p256Size:])
	order := k.Curve.Params().N
	if !inRange(r, order) || !inRange(s, order) {
		return false
	}
	digest := sha256.Sum256(data)
	return ecdsa.Verify(k.PublicKey, digest[:], r, s)
}

// inRange tells whether 0 < n < limit.
func inRange(n, limit *big.Int) bool { return n.Sign() > 0 && n.Cmp(limit) < 0 }
