// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"golang.org/x/crypto/scrypt"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

// hashOf returns the constructor and the size of a hash.
func hashOf(h pb.Hash) (create func() hash.Hash, size int, err error) {
	switch h {
	case pb.Hash_SHA1:
		return sha1.New, sha1.Size, nil
	case pb.Hash_SHA256:
		return sha256.New, sha256.Size, nil
	case pb.Hash_SHA512:
		return sha512.New, sha512.Size, nil
	default:
		return nil, 0, failf(pb.ErrorCode_UNKNOWN_ALGORITHM, "hash %d is not known", int32(h))
	}
}

func (s *Service) hkdf(op *pb.Hkdf) ([]byte, error) {
	create, size, err := hashOf(op.GetHash())
	if err != nil {
		return nil, err
	}
	err = firstOf(
		checkLength("salt", len(op.GetSalt()), 0, MaxText),
		checkLength("info", len(op.GetInfo()), 0, MaxText),
		checkLength("output", int(op.GetLength()), 1, 255*size),
	)
	if err != nil {
		return nil, err
	}
	ikm, err := s.secret(op.GetKey(), typeHKDF)
	if err != nil {
		return nil, err
	}
	return hkdf.Key(create, ikm, op.GetSalt(), string(op.GetInfo()), int(op.GetLength()))
}

func (s *Service) hmac(op *pb.Hmac) ([]byte, error) {
	create, _, err := hashOf(op.GetHash())
	if err != nil {
		return nil, err
	}
	if err := checkLength("data", len(op.GetData()), 0, MaxData); err != nil {
		return nil, err
	}
	key, err := s.secret(op.GetKey(), typeHMAC)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(create, key)
	mac.Write(op.GetData())
	return mac.Sum(nil), nil
}

func (*Service) digest(op *pb.Digest) ([]byte, error) {
	create, _, err := hashOf(op.GetHash())
	if err != nil {
		return nil, err
	}
	if err := checkLength("data", len(op.GetData()), 0, MaxData); err != nil {
		return nil, err
	}
	h := create()
	h.Write(op.GetData())
	return h.Sum(nil), nil
}

func (s *Service) encrypt(op *pb.Encrypt) (*pb.Response, error) {
	nonce := op.GetNonce()
	err := firstOf(
		checkLength("plaintext", len(op.GetPlaintext()), 0, MaxData),
		checkLength("aad", len(op.GetAad()), 0, MaxText),
	)
	if err == nil && len(nonce) > 0 {
		err = checkLength("nonce", len(nonce), nonceSize, nonceSize)
	}
	if err != nil {
		return nil, err
	}
	if _, named := op.GetKey().GetSource().(*pb.Key_Name); named && len(nonce) > 0 {
		return nil, failf(pb.ErrorCode_BAD_REQUEST, "a named key takes no nonce from a request")
	}
	aead, err := s.aead(op.GetKey())
	if err != nil {
		return nil, err
	}
	if len(nonce) == 0 {
		nonce = make([]byte, nonceSize)
		if _, err := rand.Read(nonce); err != nil {
			return nil, err
		}
	}
	return &pb.Response{Result: &pb.Response_Encrypted{Encrypted: &pb.Encrypted{
		Nonce: nonce, Ciphertext: aead.Seal(nil, nonce, op.GetPlaintext(), op.GetAad()),
	}}}, nil
}

func (s *Service) decrypt(op *pb.Decrypt) ([]byte, error) {
	err := firstOf(
		checkLength("nonce", len(op.GetNonce()), nonceSize, nonceSize),
		checkLength("ciphertext", len(op.GetCiphertext()), tagSize, MaxData+tagSize),
		checkLength("aad", len(op.GetAad()), 0, MaxText),
	)
	if err != nil {
		return nil, err
	}
	aead, err := s.aead(op.GetKey())
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Open(nil, op.GetNonce(), op.GetCiphertext(), op.GetAad())
	if err != nil {
		return nil, failf(pb.ErrorCode_DECRYPTION_FAILED, "the ciphertext is not authentic")
	}
	return plaintext, nil
}

// aead returns AES-256-GCM with a key.
func (s *Service) aead(key *pb.Key) (cipher.AEAD, error) {
	found, err := s.namedOf(key, typeAES256)
	if err != nil {
		return nil, err
	}
	if found != nil {
		return found.aead, nil
	}
	raw, err := rawSecret(key, typeAES256)
	if err != nil {
		return nil, err
	}
	return newAEAD(raw)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (*Service) random(op *pb.Random) ([]byte, error) {
	if err := checkLength("output", int(op.GetLength()), 1, MaxRandom); err != nil {
		return nil, err
	}
	octets := make([]byte, op.GetLength())
	_, err := rand.Read(octets)
	return octets, err
}

func (*Service) scrypt(op *pb.Scrypt) ([]byte, error) {
	err := firstOf(
		checkLength("password", len(op.GetPassword()), 0, MaxPassword),
		checkLength("salt", len(op.GetSalt()), 0, MaxText),
		checkLength("output", int(op.GetLength()), 1, MaxScrypt),
	)
	if err != nil {
		return nil, err
	}
	n, r, p := uint64(op.GetN()), uint64(op.GetR()), uint64(op.GetP())
	switch {
	case n < 2 || n > MaxScryptN || n&(n-1) != 0:
		err = failf(pb.ErrorCode_BAD_REQUEST, "scrypt: n is %d: allowed are powers of two from 2 to %d", n, MaxScryptN)
	case r < 1 || r > MaxScryptR || p < 1 || p > MaxScryptP:
		err = failf(pb.ErrorCode_BAD_REQUEST, "scrypt: r is %d and p is %d: allowed are 1 to %d and 1 to %d", r, p, MaxScryptR, MaxScryptP)
	case 128*n*r > MaxScryptMemory:
		err = failf(pb.ErrorCode_BAD_REQUEST, "scrypt: 128·n·r is %d: allowed are up to %d", 128*n*r, MaxScryptMemory)
	case n*r*p > MaxScryptWork:
		err = failf(pb.ErrorCode_BAD_REQUEST, "scrypt: n·r·p is %d: allowed are up to %d", n*r*p, MaxScryptWork)
	}
	if err != nil {
		return nil, err
	}
	return scrypt.Key(op.GetPassword(), op.GetSalt(), int(n), int(r), int(p), int(op.GetLength()))
}
