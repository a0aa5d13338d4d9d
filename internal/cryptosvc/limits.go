// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import pb "github.com/powerhose/powerhose/protocol/crypto"

// Limits of what is accepted, in octets unless it says otherwise.
const (
	MaxRequest   = 17 << 20
	MaxData      = 16 << 20 // what is signed, hashed or encrypted
	MaxText      = 64 << 10 // salt, info and additional data
	MaxSignature = 1024
	MaxPassword  = 4096
	MaxKey       = 4096 // of HKDF and HMAC
	MaxNumber    = 1024 // each number of an RSA or DSA key
	MaxRandom    = 64 << 10
	MaxScrypt    = 1024 // the output

	MaxScryptN      = 1 << 20
	MaxScryptR      = 64
	MaxScryptP      = 64
	MaxScryptMemory = 128 << 20 // 128·n·r
	MaxScryptWork   = 4 << 20   // n·r·p

	MinRSAToVerify = 1024 // bits of the modulus
	MinRSAToSign   = 2048
	MaxRSA         = 4096

	keySize   = 32 // of AES-256
	nonceSize = 12
	tagSize   = 16
	saltSize  = 32 // of RSA-PSS

	maxErrorText = 200
)

// checkLength returns a failure if what is longer or shorter than allowed.
func checkLength(what string, got, least, most int) error {
	if got < least || got > most {
		return failf(pb.ErrorCode_BAD_LENGTH, "%s: %d octets, allowed are %d to %d", what, got, least, most)
	}
	return nil
}

// firstOf returns the first error that is not nil.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
