// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"bytes"
	"crypto/cipher"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

// keyType is what a named key is good for: the end of its file's name.
type keyType string

const (
	typeHKDF     keyType = "hkdf"
	typeHMAC     keyType = "hmac"
	typeAES256   keyType = "aes256"
	typeEd25519  keyType = "ed25519"
	typeP256     keyType = "p256"
	typeRSAPKCS1 keyType = "rsa-pkcs1"
	typeRSAPSS   keyType = "rsa-pss"
	typeDSA      keyType = "dsa"
)

// Keys are those that requests may name. They do not change, so they may be used
// from several goroutines at once.
type Keys struct {
	byName map[string]*namedKey
}

// namedKey is a key that only the worker holds.
type namedKey struct {
	typ    keyType
	secret []byte      // of hkdf and hmac
	aead   cipher.AEAD // of aes256

	// Of the others. private is nil if there is only a public key.
	algorithm pb.SignatureAlgorithm
	private   privateKey
	public    publicKey
}

// privateKey signs data, after hashing it as its algorithm wants.
type privateKey interface {
	sign(data []byte) ([]byte, error)
	// wipe overwrites what can be reached of the key, which is then no use.
	wipe()
}

// publicKey tells whether a signature is good; its length may be anything.
type publicKey interface {
	verify(data, signature []byte) bool
}

// named returns the key of that name, if a request names one.
func (s *Service) named(key *pb.Key) (found *namedKey, err error) {
	switch source := key.GetSource().(type) {
	case nil:
		return nil, failf(pb.ErrorCode_BAD_REQUEST, "the request has no key")
	case *pb.Key_Name:
		if found = s.keys.byName[source.Name]; found == nil {
			return nil, failf(pb.ErrorCode_UNKNOWN_KEY, "there is no key of that name here")
		}
	}
	return found, nil
}

// namedOf returns the key that the request names if it is of that type, or nil
// if it names none.
func (s *Service) namedOf(key *pb.Key, typ keyType) (*namedKey, error) {
	found, err := s.named(key)
	if err == nil && found != nil && found.typ != typ {
		err = badKey("the one of that name is for %s, not for %s", found.typ, typ)
	}
	return found, err
}

// secret returns a key of HKDF or HMAC.
func (s *Service) secret(key *pb.Key, typ keyType) ([]byte, error) {
	found, err := s.namedOf(key, typ)
	if err != nil {
		return nil, err
	}
	if found != nil {
		return found.secret, nil
	}
	return rawSecret(key, typ)
}

// rawSecret returns a symmetric key that is in the request.
func rawSecret(key *pb.Key, typ keyType) ([]byte, error) {
	raw, ok := key.GetSource().(*pb.Key_Raw)
	if !ok {
		return nil, badKey("%s takes one of raw octets", typ)
	}
	least, most := 1, MaxKey
	if typ == typeAES256 {
		least, most = keySize, keySize
	}
	if len(raw.Raw) < least || len(raw.Raw) > most {
		return nil, badKey("%d octets, allowed are %d to %d", len(raw.Raw), least, most)
	}
	return raw.Raw, nil
}

// number returns a number of a key without the zeros in front of it.
func number(name string, octets []byte) ([]byte, error) {
	if len(octets) > MaxNumber {
		return nil, badKey("%s has more than %d octets", name, MaxNumber)
	}
	octets = bytes.TrimLeft(octets, "\x00")
	if len(octets) == 0 {
		return nil, badKey("%s is missing or zero", name)
	}
	return octets, nil
}
