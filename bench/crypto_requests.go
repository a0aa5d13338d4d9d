// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/powerhose/powerhose/internal/cryptosvc"
	pb "github.com/powerhose/powerhose/protocol/crypto"
)

// asker has a request answered, for what another one needs.
type asker func(*pb.Request) (*pb.Response, error)

// cryptoOperations are all that the service can do.
var cryptoOperations = []struct {
	name string
	make func(ask asker) (*pb.Request, error)
}{
	{"hkdf SHA-256", always(&pb.Request{Operation: &pb.Request_Hkdf{
		Hkdf: &pb.Hkdf{Hash: pb.Hash_SHA256, Key: cryptoKey("ikm"), Length: 32},
	}})},
	{"hmac SHA-256", always(&pb.Request{Operation: &pb.Request_Hmac{
		Hmac: &pb.Hmac{Hash: pb.Hash_SHA256, Key: cryptoKey("mac"), Data: makePayload(cryptoData)},
	}})},
	{"digest SHA-256", always(&pb.Request{Operation: &pb.Request_Digest{
		Digest: &pb.Digest{Hash: pb.Hash_SHA256, Data: makePayload(cryptoData)},
	}})},
	{"encrypt", always(cryptoEncrypt())},
	{"decrypt", func(ask asker) (*pb.Request, error) {
		sealed, err := ask(cryptoEncrypt())
		return &pb.Request{Operation: &pb.Request_Decrypt{Decrypt: &pb.Decrypt{
			Key: cryptoKey("box"), Nonce: sealed.GetEncrypted().GetNonce(), Ciphertext: sealed.GetEncrypted().GetCiphertext(),
		}}}, err
	}},
	{"random 32", always(&pb.Request{Operation: &pb.Request_Random{Random: &pb.Random{Length: 32}}})},
	{"sign ED25519", cryptoSign(pb.SignatureAlgorithm_ED25519, "ed")},
	{"verify ED25519", cryptoVerify(pb.SignatureAlgorithm_ED25519, "ed")},
	{"sign ECDSA P-256", cryptoSign(pb.SignatureAlgorithm_ECDSA_P256_SHA256, "ec")},
	{"verify ECDSA P-256", cryptoVerify(pb.SignatureAlgorithm_ECDSA_P256_SHA256, "ec")},
	{"sign RSA PKCS1", cryptoSign(pb.SignatureAlgorithm_RSA_PKCS1_SHA256, "rs")},
	{"verify RSA PKCS1", cryptoVerify(pb.SignatureAlgorithm_RSA_PKCS1_SHA256, "rs")},
	{"sign RSA PSS", cryptoSign(pb.SignatureAlgorithm_RSA_PSS_SHA256, "ps")},
	{"verify RSA PSS", cryptoVerify(pb.SignatureAlgorithm_RSA_PSS_SHA256, "ps")},
	{"sign DS128", cryptoSign(pb.SignatureAlgorithm_DS128, "example.com")},
	{"verify DS128", cryptoVerify(pb.SignatureAlgorithm_DS128, "example.com")},
	{"sign DS256", cryptoSign(pb.SignatureAlgorithm_DS256, "ds256.example.com")},
	{"verify DS256", cryptoVerify(pb.SignatureAlgorithm_DS256, "ds256.example.com")},
	{"scrypt 4096/8/1", always(&pb.Request{Operation: &pb.Request_Scrypt{
		Scrypt: &pb.Scrypt{Password: []byte("password"), Salt: []byte("salt"), N: 4096, R: 8, P: 1, Length: 32},
	}})},
}

func cryptoKey(name string) *pb.Key { return &pb.Key{Source: &pb.Key_Name{Name: name}} }

func always(request *pb.Request) func(asker) (*pb.Request, error) {
	return func(asker) (*pb.Request, error) { return request, nil }
}

func cryptoEncrypt() *pb.Request {
	return &pb.Request{Operation: &pb.Request_Encrypt{Encrypt: &pb.Encrypt{Key: cryptoKey("box"), Plaintext: makePayload(cryptoData)}}}
}

func cryptoSign(algorithm pb.SignatureAlgorithm, key string) func(asker) (*pb.Request, error) {
	return always(&pb.Request{Operation: &pb.Request_Sign{
		Sign: &pb.Sign{Algorithm: algorithm, Key: cryptoKey(key), Data: makePayload(cryptoData)},
	}})
}

func cryptoVerify(algorithm pb.SignatureAlgorithm, key string) func(asker) (*pb.Request, error) {
	return func(ask asker) (*pb.Request, error) {
		sign, err := cryptoSign(algorithm, key)(ask)
		if err != nil {
			return nil, err
		}
		signed, err := ask(sign)
		return &pb.Request{Operation: &pb.Request_Verify{Verify: &pb.Verify{
			Algorithm: algorithm, Key: cryptoKey(key), Data: makePayload(cryptoData), Signature: signed.GetOutput(),
		}}}, err
	}
}

// askerOf asks the service itself, as a function.
func askerOf(ctx context.Context, service *cryptosvc.Service) asker {
	return func(request *pb.Request) (*pb.Response, error) {
		payload, err := proto.Marshal(request)
		if err != nil {
			return nil, err
		}
		answer, err := service.Do(ctx, payload)
		if err != nil {
			return nil, err
		}
		var response pb.Response
		return &response, proto.Unmarshal(answer, &response)
	}
}

// cryptoRequest makes the request for an operation.
func cryptoRequest(ask asker, name string) (*pb.Request, error) {
	for _, op := range cryptoOperations {
		if op.name != name {
			continue
		}
		request, err := op.make(ask)
		if err != nil {
			return nil, err
		}
		answer, err := ask(request)
		if err != nil {
			return nil, err
		}
		if e := answer.GetError(); e != nil {
			return nil, fmt.Errorf("%s: %v: %s", name, e.GetCode(), e.GetText())
		}
		return request, nil
	}
	return nil, fmt.Errorf("there is no operation %q", name)
}
