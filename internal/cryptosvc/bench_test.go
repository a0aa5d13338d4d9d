// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/dsa" //nolint:staticcheck // the comparison is with what the service uses
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

// BenchmarkOperations measures each operation through the service, encoded
// request to encoded answer, beside the library's own call.
func BenchmarkOperations(b *testing.B) {
	service := New(testKeys(b))
	data := []byte("1000 octets ")
	for len(data) < 1000 {
		data = append(data, data...)
	}
	data = data[:1000]
	secret := make([]byte, keySize)
	named := service.keys.byName
	block, err := aes.NewCipher(secret)
	require.NoError(b, err)
	gcm, err := cipher.NewGCM(block)
	require.NoError(b, err)

	compare(b, service, "hkdf", hkdfOf(&pb.Hkdf{Hash: pb.Hash_SHA256, Key: rawKeyOf(secret), Length: 32}), func() {
		_, _ = hkdf.Key(sha256.New, secret, nil, "", 32)
	})
	compare(b, service, "hmac", &pb.Request{Operation: &pb.Request_Hmac{Hmac: &pb.Hmac{Hash: pb.Hash_SHA256, Key: rawKeyOf(secret), Data: data}}}, func() {
		mac := hmac.New(sha256.New, secret)
		mac.Write(data)
		mac.Sum(nil)
	})
	compare(b, service, "encrypt", encryptOf(&pb.Encrypt{Key: namedKeyOf("box"), Plaintext: data}), func() {
		gcm.Seal(nil, make([]byte, nonceSize), data, nil)
	})
	for _, name := range []string{"ed", "ec", "rs", "ps", "example.com", "ds256.example.com"} {
		key := named[name]
		signature, err := key.private.sign(data)
		require.NoError(b, err)
		compare(b, service, "sign/"+key.algorithm.String(), signOf(&pb.Sign{Algorithm: key.algorithm, Key: namedKeyOf(name), Data: data}), func() {
			_, _ = key.private.sign(data)
		})
		compare(b, service, "verify/"+key.algorithm.String(), verifyOf(&pb.Verify{Algorithm: key.algorithm, Key: namedKeyOf(name), Data: data, Signature: signature}), func() {
			key.public.verify(data, signature)
		})
	}
	benchmarkKeyInRequest(b, service, data)
}

// benchmarkKeyInRequest is what a token server does most: a key from elsewhere.
func benchmarkKeyInRequest(b *testing.B, service *Service, data []byte) {
	b.Helper()
	key := service.keys.byName["example.com"]
	signature, err := key.private.sign(data)
	require.NoError(b, err)
	public := key.public.(dsaPublicKey).key
	r, s := new(big.Int).SetBytes(signature[:20]), new(big.Int).SetBytes(signature[20:])
	compare(b, service, "verify/DS128-key-in-request", verifyOf(&pb.Verify{
		Algorithm: pb.SignatureAlgorithm_DS128, Data: data, Signature: signature,
		Key: &pb.Key{Source: &pb.Key_Dsa{Dsa: &pb.DsaKey{P: ds128.p, Q: ds128.q, G: ds128.g, Y: public.Y.Bytes()}}},
	}), func() {
		digest := sha1.Sum(data)
		dsa.Verify(public, digest[:], r, s)
	})
}

func compare(b *testing.B, service *Service, name string, request *pb.Request, bare func()) {
	b.Helper()
	octets, err := proto.Marshal(request)
	require.NoError(b, err)
	payload := make([]byte, len(octets))
	b.Run(name+"/bare", func(b *testing.B) {
		for b.Loop() {
			bare()
		}
	})
	b.Run(name+"/service", func(b *testing.B) {
		for b.Loop() {
			copy(payload, octets) // it was overwritten
			if _, err := service.Do(b.Context(), payload); err != nil {
				b.Fatal(err)
			}
		}
	})
}
