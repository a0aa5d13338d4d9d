// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	stdcrypto "crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/dsa" //nolint:staticcheck // the service signs with it, for BrowserID has it
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"golang.org/x/crypto/scrypt"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

// bareCall is an operation as a call of a library, without a request or an
// answer.
type bareCall func() (output []byte, err error)

const nonceSize = 12

var errUnknown = errors.New("the library has no such operation, or not with such a key")

// libraryCall makes the bare call of Go's library that computes what a request
// asks for. What can be made once is made here: keys, and what computes with
// them. The output of verify is 1 or 0, that of encrypt the nonce and what was
// sealed.
func libraryCall(request *pb.Request, key any) (bareCall, error) {
	switch op := request.GetOperation().(type) {
	case *pb.Request_Sign:
		return signCall(op.Sign, key)
	case *pb.Request_Verify:
		return verifyCall(op.Verify, key)
	case *pb.Request_Digest:
		return func() ([]byte, error) {
			sum := sha256.Sum256(op.Digest.GetData())
			return sum[:], nil
		}, nil
	case *pb.Request_Random:
		return func() ([]byte, error) {
			octets := make([]byte, op.Random.GetLength())
			_, err := rand.Read(octets)
			return octets, err
		}, nil
	case *pb.Request_Scrypt:
		o := op.Scrypt
		return func() ([]byte, error) {
			return scrypt.Key(o.GetPassword(), o.GetSalt(), int(o.GetN()), int(o.GetR()), int(o.GetP()), int(o.GetLength()))
		}, nil
	}
	secret, ok := key.([]byte)
	if !ok {
		return nil, errUnknown
	}
	return secretCall(request, secret)
}

// secretCall is libraryCall with a symmetric key.
func secretCall(request *pb.Request, secret []byte) (bareCall, error) {
	switch op := request.GetOperation().(type) {
	case *pb.Request_Hkdf:
		return func() ([]byte, error) { return hkdf.Key(sha256.New, secret, nil, "", int(op.Hkdf.GetLength())) }, nil
	case *pb.Request_Hmac:
		mac := hmac.New(sha256.New, secret)
		return func() ([]byte, error) {
			mac.Reset()
			mac.Write(op.Hmac.GetData())
			return mac.Sum(nil), nil
		}, nil
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	switch op := request.GetOperation().(type) {
	case *pb.Request_Encrypt:
		return func() ([]byte, error) {
			nonce := make([]byte, nonceSize, nonceSize+len(op.Encrypt.GetPlaintext())+gcm.Overhead())
			_, err := rand.Read(nonce)
			return gcm.Seal(nonce, nonce, op.Encrypt.GetPlaintext(), nil), err
		}, nil
	case *pb.Request_Decrypt:
		return func() ([]byte, error) {
			return gcm.Open(nil, op.Decrypt.GetNonce(), op.Decrypt.GetCiphertext(), nil)
		}, nil
	}
	return nil, errUnknown
}

var pssOptions = &rsa.PSSOptions{SaltLength: sha256.Size, Hash: stdcrypto.SHA256}

func signCall(op *pb.Sign, key any) (bareCall, error) {
	data := op.GetData()
	switch k := key.(type) {
	case ed25519.PrivateKey:
		return func() ([]byte, error) { return ed25519.Sign(k, data), nil }, nil
	case *ecdsa.PrivateKey:
		return func() ([]byte, error) {
			digest := sha256.Sum256(data)
			r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
			if err != nil {
				return nil, err
			}
			return joined(r, s, sha256.Size), nil
		}, nil
	case *rsa.PrivateKey:
		pss := op.GetAlgorithm() == pb.SignatureAlgorithm_RSA_PSS_SHA256
		return func() ([]byte, error) {
			digest := sha256.Sum256(data)
			if pss {
				return rsa.SignPSS(rand.Reader, k, stdcrypto.SHA256, digest[:], pssOptions)
			}
			return rsa.SignPKCS1v15(nil, k, stdcrypto.SHA256, digest[:])
		}, nil
	case *dsa.PrivateKey:
		size := k.Q.BitLen() / 8
		return func() ([]byte, error) {
			r, s, err := dsa.Sign(rand.Reader, k, dsaDigest(data, size))
			if err != nil {
				return nil, err
			}
			return joined(r, s, size), nil
		}, nil
	}
	return nil, errUnknown
}

// verifyCall has seen, when it returns, that another signature is not good.
func verifyCall(op *pb.Verify, key any) (bareCall, error) {
	good, err := verifier(op, key)
	if err != nil {
		return nil, err
	}
	other := slices.Clone(op.GetSignature())
	other[len(other)-1] ^= 1
	if good(other) {
		return nil, errors.New("a wrong signature is good")
	}
	yes, no := []byte{1}, []byte{0}
	return func() ([]byte, error) {
		if good(op.GetSignature()) {
			return yes, nil
		}
		return no, nil
	}, nil
}

func verifier(op *pb.Verify, key any) (good func(signature []byte) bool, err error) {
	data := op.GetData()
	switch k := key.(type) {
	case ed25519.PrivateKey:
		public := ed25519.PublicKey(k[ed25519.SeedSize:])
		return func(signature []byte) bool { return ed25519.Verify(public, data, signature) }, nil
	case *ecdsa.PrivateKey:
		return func(signature []byte) bool {
			digest := sha256.Sum256(data)
			r, s := halves(signature)
			return ecdsa.Verify(&k.PublicKey, digest[:], r, s)
		}, nil
	case *rsa.PrivateKey:
		pss := op.GetAlgorithm() == pb.SignatureAlgorithm_RSA_PSS_SHA256
		return func(signature []byte) bool {
			digest := sha256.Sum256(data)
			if pss {
				return rsa.VerifyPSS(&k.PublicKey, stdcrypto.SHA256, digest[:], signature, pssOptions) == nil
			}
			return rsa.VerifyPKCS1v15(&k.PublicKey, stdcrypto.SHA256, digest[:], signature) == nil
		}, nil
	case *dsa.PrivateKey:
		size := k.Q.BitLen() / 8
		return func(signature []byte) bool {
			r, s := halves(signature)
			return dsa.Verify(&k.PublicKey, dsaDigest(data, size), r, s)
		}, nil
	}
	return nil, errUnknown
}

// dsaDigest has as many octets as q: it is of SHA-1 or SHA-256.
func dsaDigest(data []byte, size int) []byte {
	if size == sha1.Size {
		digest := sha1.Sum(data)
		return digest[:]
	}
	digest := sha256.Sum256(data)
	return digest[:]
}

// joined is the form that the service has for signatures of two numbers.
func joined(r, s *big.Int, size int) []byte {
	signature := make([]byte, 2*size)
	r.FillBytes(signature[:size])
	s.FillBytes(signature[size:])
	return signature
}

func halves(signature []byte) (r, s *big.Int) {
	size := len(signature) / 2
	return new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
}

// checkOutput has the service judge what a bare call made of a request: it
// verifies what was signed, decrypts what was encrypted, and computes anew what
// always comes out the same.
func checkOutput(ask asker, request *pb.Request, output []byte) error {
	question, wanted := request, output
	switch op := request.GetOperation().(type) {
	case *pb.Request_Sign:
		question = &pb.Request{Operation: &pb.Request_Verify{Verify: &pb.Verify{
			Algorithm: op.Sign.GetAlgorithm(), Key: op.Sign.GetKey(), Data: op.Sign.GetData(), Signature: output,
		}}}
	case *pb.Request_Encrypt:
		if len(output) < nonceSize {
			return fmt.Errorf("%d octets are nothing encrypted", len(output))
		}
		question = &pb.Request{Operation: &pb.Request_Decrypt{Decrypt: &pb.Decrypt{
			Key: op.Encrypt.GetKey(), Nonce: output[:nonceSize], Ciphertext: output[nonceSize:],
		}}}
		wanted = op.Encrypt.GetPlaintext()
	}
	answer, err := ask(question)
	if err != nil {
		return err
	}
	good := bytes.Equal(answer.GetOutput(), wanted)
	switch request.GetOperation().(type) {
	case *pb.Request_Sign:
		good = answer.GetValid()
	case *pb.Request_Verify:
		good = answer.GetValid() && bytes.Equal(output, []byte{1})
	case *pb.Request_Random:
		good = len(answer.GetOutput()) == len(output) && !bytes.Equal(output, make([]byte, len(output)))
	}
	if e := answer.GetError(); e != nil {
		return fmt.Errorf("the library's result: %v: %s", e.GetCode(), e.GetText())
	}
	if !good {
		return errors.New("the library's result is not what the service computes")
	}
	return nil
}

// inputs of a bare call in C++, a line each: name and hexadecimal digits.
func inputs(request *pb.Request, key any) ([]byte, error) {
	all, err := numbers(key)
	if err != nil {
		return nil, err
	}
	if all == nil {
		all = map[string][]byte{}
	}
	switch op := request.GetOperation().(type) {
	case *pb.Request_Hmac:
		all["data"] = op.Hmac.GetData()
	case *pb.Request_Digest:
		all["data"] = op.Digest.GetData()
	case *pb.Request_Encrypt:
		all["data"] = op.Encrypt.GetPlaintext()
	case *pb.Request_Decrypt:
		all["nonce"], all["ciphertext"] = op.Decrypt.GetNonce(), op.Decrypt.GetCiphertext()
	case *pb.Request_Sign:
		all["data"] = op.Sign.GetData()
	case *pb.Request_Verify:
		all["data"], all["signature"] = op.Verify.GetData(), op.Verify.GetSignature()
	}
	var lines bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&lines, "%s %x\n", name, all[name])
	}
	return lines.Bytes(), nil
}
