// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

// minNamedSecret is the least length of a named key of HKDF or HMAC in octets:
// shorter ones are no secrets.
const minNamedSecret = 16

// parseKey reads the content of a file. Its errors do not quote the content.
func parseKey(typ keyType, content []byte) (*namedKey, error) {
	switch typ {
	case typeHKDF, typeHMAC:
		return parseSecret(typ, content, minNamedSecret, MaxKey)
	case typeAES256:
		return parseAES(content)
	case typeEd25519, typeP256, typeRSAPKCS1, typeRSAPSS:
		return parsePEM(typ, content)
	case typeDSA:
		return parseDSA(content)
	default:
		return nil, fmt.Errorf("%q is no type of key", string(typ))
	}
}

func parseSecret(typ keyType, content []byte, least, most int) (*namedKey, error) {
	digits := bytes.Trim(content, " \t\r\n")
	secret := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(secret, digits); err != nil {
		return nil, errors.New("not an even number of hexadecimal digits")
	}
	if len(secret) < least || len(secret) > most {
		return nil, fmt.Errorf("%d octets, allowed are %d to %d", len(secret), least, most)
	}
	return &namedKey{typ: typ, secret: secret}, nil
}

func parseAES(content []byte) (*namedKey, error) {
	k, err := parseSecret(typeAES256, content, keySize, keySize)
	if err != nil {
		return nil, err
	}
	defer clear(k.secret)
	aead, err := newAEAD(k.secret)
	return &namedKey{typ: typeAES256, aead: aead}, err
}

func parsePEM(typ keyType, content []byte) (*namedKey, error) {
	content = bytes.Trim(content, " \t\r\n")
	if !bytes.HasPrefix(content, []byte("-----BEGIN ")) {
		return nil, errors.New("not PEM: it does not begin with -----BEGIN")
	}
	block, rest := pem.Decode(content)
	if block == nil || len(rest) > 0 || len(block.Headers) > 0 {
		return nil, errors.New("not PEM with one block and nothing else")
	}
	defer clear(block.Bytes)
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	default:
		return nil, errors.New("the block is neither PRIVATE KEY (PKCS#8, not encrypted) nor PUBLIC KEY")
	}
	if err != nil {
		return nil, errors.New("the block cannot be read")
	}
	return newNamed(typ, key)
}

// newNamed makes a named key of what crypto/x509 read, if it is of that type.
func newNamed(typ keyType, key any) (*namedKey, error) {
	k := &namedKey{typ: typ, algorithm: map[keyType]pb.SignatureAlgorithm{
		typeEd25519: pb.SignatureAlgorithm_ED25519, typeP256: pb.SignatureAlgorithm_ECDSA_P256_SHA256,
		typeRSAPKCS1: pb.SignatureAlgorithm_RSA_PKCS1_SHA256, typeRSAPSS: pb.SignatureAlgorithm_RSA_PSS_SHA256,
	}[typ]}
	pss := typ == typeRSAPSS
	var err error
	switch key := key.(type) {
	case ed25519.PrivateKey:
		k.private, k.public, err = ed25519PrivateKey(key), ed25519PublicKey(key.Public().(ed25519.PublicKey)), wants(typ, typeEd25519)
	case ed25519.PublicKey:
		// What was read is part of the file's octets, which are wiped.
		k.public, err = ed25519PublicKey(bytes.Clone(key)), wants(typ, typeEd25519)
	case *ecdsa.PrivateKey:
		k.private, k.public, err = p256PrivateKey{key}, p256PublicKey{&key.PublicKey}, firstOf(wants(typ, typeP256), checkCurve(key.Curve))
	case *ecdsa.PublicKey:
		k.public, err = p256PublicKey{key}, firstOf(wants(typ, typeP256), checkCurve(key.Curve))
	case *rsa.PrivateKey:
		k.private, k.public = rsaPrivateKey{key, pss}, rsaPublicKey{&key.PublicKey, pss}
		err = firstOf(wants(typ, typeRSAPKCS1, typeRSAPSS), checkRSA(&key.PublicKey, MinRSAToSign), checkPrimes(key))
	case *rsa.PublicKey:
		k.public = rsaPublicKey{key, pss}
		err = firstOf(wants(typ, typeRSAPKCS1, typeRSAPSS), checkRSA(key, MinRSAToVerify))
	default:
		err = wants(typ)
	}
	return k, err
}

func wants(typ keyType, fits ...keyType) error {
	for _, t := range fits {
		if t == typ {
			return nil
		}
	}
	return fmt.Errorf("the key in it is not of the type %s", typ)
}

func checkCurve(curve elliptic.Curve) error {
	if curve != elliptic.P256() {
		return errors.New("the curve is not P-256")
	}
	return nil
}

func checkPrimes(key *rsa.PrivateKey) error {
	if len(key.Primes) != 2 {
		return errors.New("n is not a product of two numbers")
	}
	return completeRSA(key)
}
