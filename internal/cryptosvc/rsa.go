// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"math"
	"math/big"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

type rsaPrivateKey struct {
	*rsa.PrivateKey
	pss bool
}

type rsaPublicKey struct {
	*rsa.PublicKey
	pss bool
}

var pssOptions = &rsa.PSSOptions{SaltLength: saltSize, Hash: crypto.SHA256}

func rsaPublicOf(pss bool) func(*pb.Key) (publicKey, error) {
	return func(key *pb.Key) (publicKey, error) {
		k := key.GetRsa()
		if k == nil {
			return nil, badKey("this algorithm takes an RSA key")
		}
		if len(k.GetD())+len(k.GetP())+len(k.GetQ()) > 0 {
			return nil, badKey("it is private, and not needed to verify")
		}
		public, err := rsaNumbers(k, MinRSAToVerify)
		if err != nil {
			return nil, err
		}
		return rsaPublicKey{public, pss}, nil
	}
}

func rsaPrivateOf(pss bool) func(*pb.Key) (privateKey, error) {
	return func(key *pb.Key) (privateKey, error) {
		k := key.GetRsa()
		if k == nil {
			return nil, badKey("this algorithm takes an RSA key")
		}
		public, err := rsaNumbers(k, MinRSAToSign)
		if err != nil {
			return nil, err
		}
		var secrets [3]*big.Int
		for i, octets := range [][]byte{k.GetD(), k.GetP(), k.GetQ()} {
			octets, err := number([]string{"d", "p", "q"}[i], octets)
			if err != nil {
				return nil, err
			}
			secrets[i] = new(big.Int).SetBytes(octets)
			if secrets[i].Cmp(public.N) >= 0 {
				return nil, badKey("d, p or q is not less than n")
			}
		}
		private := rsaPrivateKey{&rsa.PrivateKey{PublicKey: *public, D: secrets[0], Primes: secrets[1:]}, pss}
		if err := completeRSA(private.PrivateKey); err != nil {
			private.wipe()
			return nil, err
		}
		return private, nil
	}
}

// rsaNumbers reads and checks n and e.
func rsaNumbers(k *pb.RsaKey, least int) (*rsa.PublicKey, error) {
	n, err := number("n", k.GetN())
	if err != nil {
		return nil, err
	}
	octets, err := number("e", k.GetE())
	if err != nil {
		return nil, err
	}
	e := new(big.Int).SetBytes(octets)
	if !e.IsInt64() || e.Int64() > math.MaxInt32 {
		return nil, badKey("e is too large")
	}
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(e.Int64())}
	return public, checkRSA(public, least)
}

// checkRSA checks n and e; least is the number of bits that n must have.
func checkRSA(k *rsa.PublicKey, least int) error {
	switch bits := k.N.BitLen(); {
	case bits < least || bits > MaxRSA:
		return badKey("n has %d bits, allowed are %d to %d", bits, least, MaxRSA)
	case k.N.Bit(0) == 0:
		return badKey("n is even")
	case k.E < 3 || k.E > math.MaxInt32 || k.E&1 == 0:
		return badKey("e is not an odd number from 3 to %d", math.MaxInt32)
	default:
		return nil
	}
}

// completeRSA checks that the numbers of a private key belong together, and
// computes what makes signing fast.
func completeRSA(k *rsa.PrivateKey) error {
	k.Precompute()
	// The library looks at p·q modulo n only.
	product := new(big.Int).Mul(k.Primes[0], k.Primes[1])
	if product.Cmp(k.N) != 0 || k.Validate() != nil {
		return badKey("the numbers do not belong together")
	}
	return nil
}

func (k rsaPrivateKey) sign(data []byte) (signature []byte, err error) {
	digest := sha256.Sum256(data)
	if k.pss {
		signature, err = rsa.SignPSS(rand.Reader, k.PrivateKey, crypto.SHA256, digest[:], pssOptions)
	} else {
		signature, err = rsa.SignPKCS1v15(nil, k.PrivateKey, crypto.SHA256, digest[:])
	}
	if err != nil {
		// Where the numbers belong together but p or q is no prime, the library
		// finds that the signature is not good.
		return nil, badKey("it does not sign")
	}
	return signature, nil
}

func (k rsaPrivateKey) wipe() {
	wipeInt(k.D)
	for _, prime := range k.Primes {
		wipeInt(prime)
	}
	for _, n := range []*big.Int{k.Precomputed.Dp, k.Precomputed.Dq, k.Precomputed.Qinv} {
		if n != nil {
			wipeInt(n)
		}
	}
}

func (k rsaPublicKey) verify(data, signature []byte) bool {
	digest := sha256.Sum256(data)
	if k.pss {
		return rsa.VerifyPSS(k.PublicKey, crypto.SHA256, digest[:], signature, pssOptions) == nil
	}
	signature = fill(signature, k.Size())
	return signature != nil && rsa.VerifyPKCS1v15(k.PublicKey, crypto.SHA256, digest[:], signature) == nil
}
