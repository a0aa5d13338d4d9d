// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

func rawKeyOf(raw []byte) *pb.Key    { return &pb.Key{Source: &pb.Key_Raw{Raw: raw}} }
func namedKeyOf(name string) *pb.Key { return &pb.Key{Source: &pb.Key_Name{Name: name}} }

// pair is a fresh key in both of its forms.
type pair struct {
	algorithm       pb.SignatureAlgorithm
	private, public *pb.Key
}

func newPairs(t testing.TB) []pair {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	p256 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	rsaPair := func(a pb.SignatureAlgorithm) pair {
		n, e := rsaKey.N.Bytes(), []byte{1, 0, 1}
		return pair{
			a,
			&pb.Key{Source: &pb.Key_Rsa{Rsa: &pb.RsaKey{N: n, E: e, D: rsaKey.D.Bytes(), P: rsaKey.Primes[0].Bytes(), Q: rsaKey.Primes[1].Bytes()}}},
			&pb.Key{Source: &pb.Key_Rsa{Rsa: &pb.RsaKey{N: n, E: e}}},
		}
	}
	dsaPair := func(g *dsaGroup) pair {
		x := must(rand.Int(rand.Reader, g.Q))(t)
		y := new(big.Int).Exp(g.G, x, g.P)
		return pair{
			g.algorithm,
			&pb.Key{Source: &pb.Key_Dsa{Dsa: &pb.DsaKey{P: g.p, Q: g.q, G: g.g, X: x.Bytes()}}},
			&pb.Key{Source: &pb.Key_Dsa{Dsa: &pb.DsaKey{P: g.p, Q: g.q, G: g.g, Y: y.Bytes()}}},
		}
	}
	return []pair{
		{pb.SignatureAlgorithm_ED25519, rawKeyOf(private.Seed()), rawKeyOf(public)},
		{pb.SignatureAlgorithm_ECDSA_P256_SHA256, rawKeyOf(must(p256.Bytes())(t)), rawKeyOf(must(p256.PublicKey.Bytes())(t))},
		rsaPair(pb.SignatureAlgorithm_RSA_PKCS1_SHA256),
		rsaPair(pb.SignatureAlgorithm_RSA_PSS_SHA256),
		dsaPair(ds128),
		dsaPair(ds256),
	}
}

func TestWhatIsSignedVerifies(t *testing.T) {
	t.Parallel()
	service := New(testKeys(t))
	pairs := newPairs(t)
	pairs = append(pairs, pair{pb.SignatureAlgorithm_ED25519, namedKeyOf("ed"), namedKeyOf("ed")},
		pair{pb.SignatureAlgorithm_ECDSA_P256_SHA256, namedKeyOf("ec"), namedKeyOf("ec-public")},
		pair{pb.SignatureAlgorithm_RSA_PKCS1_SHA256, namedKeyOf("rs"), namedKeyOf("rs")},
		pair{pb.SignatureAlgorithm_RSA_PSS_SHA256, namedKeyOf("ps"), namedKeyOf("ps")},
		pair{pb.SignatureAlgorithm_DS128, namedKeyOf("example.com"), namedKeyOf("example.com")},
		pair{pb.SignatureAlgorithm_DS256, namedKeyOf("ds256.example.com"), namedKeyOf("ds256.example.com")})
	rapid.Check(t, func(rt *rapid.T) {
		p := rapid.SampledFrom(pairs).Draw(rt, "key")
		data := rapid.SliceOfN(rapid.Byte(), 0, 1000).Draw(rt, "data")
		signature := call(t, service, signOf(&pb.Sign{Algorithm: p.algorithm, Key: p.private, Data: data})).GetOutput()
		require.NotEmpty(rt, signature)
		valid := func(data, signature []byte) bool {
			return call(t, service, verifyOf(&pb.Verify{Algorithm: p.algorithm, Key: p.public, Data: data, Signature: signature})).GetValid()
		}
		require.True(rt, valid(data, signature))
		at := rapid.IntRange(0, len(signature)*8-1).Draw(rt, "bit")
		signature[at/8] ^= 1 << (at % 8)
		require.False(rt, valid(data, signature), "bit %d", at)
		signature[at/8] ^= 1 << (at % 8)
		require.False(rt, valid(append(data, 0), signature))
		require.False(rt, valid(data, append(signature, 0)))
		if signature[len(signature)-1] != 0 {
			require.False(rt, valid(data, signature[:len(signature)-1]))
		}
	})
}

func TestWhatIsEncryptedDecrypts(t *testing.T) {
	t.Parallel()
	service := New(testKeys(t))
	rapid.Check(t, func(rt *rapid.T) {
		key := rapid.SampledFrom([]*pb.Key{namedKeyOf("box"), rawKeyOf(bytes.Repeat([]byte{7}, keySize))}).Draw(rt, "key")
		plaintext := rapid.SliceOfN(rapid.Byte(), 0, 1000).Draw(rt, "plaintext")
		aad := rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(rt, "aad")
		encrypted := call(t, service, encryptOf(&pb.Encrypt{Key: key, Plaintext: plaintext, Aad: aad})).GetEncrypted()
		decrypt := func() *pb.Response {
			return call(t, service, decryptOf(&pb.Decrypt{Key: key, Nonce: encrypted.GetNonce(), Ciphertext: encrypted.GetCiphertext(), Aad: aad}))
		}
		got := decrypt()
		require.Nil(rt, got.GetError())
		require.True(rt, bytes.Equal(plaintext, got.GetOutput()))
		at := rapid.IntRange(0, len(encrypted.GetCiphertext())*8-1).Draw(rt, "bit")
		encrypted.Ciphertext[at/8] ^= 1 << (at % 8)
		got = decrypt()
		require.Equal(rt, pb.ErrorCode_DECRYPTION_FAILED, got.GetError().GetCode())
		require.Nil(rt, got.GetOutput())
	})
}

func TestNoncesAndRandomOctetsDoNotRepeat(t *testing.T) {
	t.Parallel()
	service := New(testKeys(t))
	seen := map[string]bool{}
	for range 1000 {
		nonce := call(t, service, encryptOf(&pb.Encrypt{Key: namedKeyOf("box")})).GetEncrypted().GetNonce()
		random := call(t, service, &pb.Request{Operation: &pb.Request_Random{Random: &pb.Random{Length: 16}}}).GetOutput()
		for _, octets := range [][]byte{nonce, random} {
			require.False(t, seen[string(octets)])
			seen[string(octets)] = true
		}
	}
}

func TestNamedKeysMayBeUsedByManyAtOnce(t *testing.T) {
	t.Parallel()
	service := New(testKeys(t))
	vectors := readVectors(t, testdata+"/vectors/named.txt")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for _, v := range vectors {
				got := &pb.Response{}
				octets, err := service.Do(t.Context(), v.request(t))
				if err == nil {
					err = proto.Unmarshal(octets, got)
				}
				if err != nil || v["valid"] == "true" && !got.GetValid() || v["error"] != "" && got.GetError().GetCode().String() != v["error"] {
					t.Errorf("%s: %v, %v", v["name"], err, got.GetError())
				}
			}
		})
	}
	all.Wait()
}

func TestPayloadIsOverwritten(t *testing.T) {
	t.Parallel()
	service := New(testKeys(t))
	for _, v := range allVectors(t) {
		if v.large() || v["operation"] == "scrypt" {
			continue
		}
		payload := v.request(t)
		_, err := service.Do(t.Context(), payload)
		require.NoError(t, err)
		require.Empty(t, bytes.Trim(payload, "\x00"), v["name"])
	}
}

func TestRequestIsWiped(t *testing.T) {
	t.Parallel()
	secret := func() []byte { return []byte("secret") }
	key := func() *pb.Key { return rawKeyOf(secret()) }
	for _, request := range []*pb.Request{
		hkdfOf(&pb.Hkdf{Key: key()}),
		{Operation: &pb.Request_Hmac{Hmac: &pb.Hmac{Key: key(), Data: secret()}}},
		{Operation: &pb.Request_Digest{Digest: &pb.Digest{Data: secret()}}},
		signOf(&pb.Sign{Key: key(), Data: secret()}),
		signOf(&pb.Sign{Key: &pb.Key{Source: &pb.Key_Rsa{Rsa: &pb.RsaKey{D: secret(), P: secret(), Q: secret()}}}}),
		signOf(&pb.Sign{Key: &pb.Key{Source: &pb.Key_Dsa{Dsa: &pb.DsaKey{X: secret()}}}}),
		verifyOf(&pb.Verify{Key: key()}),
		encryptOf(&pb.Encrypt{Key: key(), Plaintext: secret()}),
		decryptOf(&pb.Decrypt{Key: key()}),
		scryptOf(&pb.Scrypt{Password: secret()}),
		{},
	} {
		wipeRequest(request)
		octets, err := proto.Marshal(request)
		require.NoError(t, err)
		require.NotContains(t, string(octets), "s")
	}
}

func TestErrorsHaveNoSecrets(t *testing.T) {
	t.Parallel()
	service := New(testKeys(t))
	secret := "0123456789abcdef-a-secret"
	for _, request := range []*pb.Request{
		hkdfOf(&pb.Hkdf{Hash: pb.Hash_SHA1, Key: namedKeyOf(secret), Length: 1}),
		signOf(&pb.Sign{Algorithm: pb.SignatureAlgorithm_ED25519, Key: rawKeyOf([]byte(secret))}),
		decryptOf(&pb.Decrypt{Key: rawKeyOf([]byte(strings.Repeat(secret, 2)[:32])), Nonce: []byte(secret)[:12], Ciphertext: []byte(secret)}),
	} {
		got := call(t, service, request)
		require.NotNil(t, got.GetError())
		require.NotContains(t, got.GetError().GetText(), secret[:5])
	}
	// What is no failure stays here.
	got := answerTo(errors.New(secret))
	require.Equal(t, pb.ErrorCode_INTERNAL, got.GetError().GetCode())
	require.Equal(t, "internal error", got.GetError().GetText())
	got = answerTo(failf(pb.ErrorCode_BAD_KEY, "%s", strings.Repeat("·", 200)))
	require.Equal(t, strings.Repeat("·", maxErrorText/2), got.GetError().GetText())
	got = answerTo(failf(pb.ErrorCode_BAD_KEY, "x%s", strings.Repeat("·", 200)))
	require.Equal(t, "x"+strings.Repeat("·", maxErrorText/2-1), got.GetError().GetText(), "no half letter")
}

func TestGroupsAreThoseOfTheFile(t *testing.T) {
	t.Parallel()
	groups := readVectors(t, testdata+"/groups.txt")
	require.Len(t, groups, 2)
	for i, g := range []*dsaGroup{ds128, ds256} {
		require.Equal(t, g.name, groups[i]["name"])
		require.Equal(t, g.algorithm.String(), g.name)
		require.Equal(t, groups[i]["p"], hex.EncodeToString(g.p))
		require.Equal(t, groups[i]["q"], hex.EncodeToString(g.q))
		require.Equal(t, groups[i]["g"], hex.EncodeToString(g.g))
	}
}

// The service refuses the groups of RFC 6979, so this goes below that check.
func TestRFC6979(t *testing.T) {
	t.Parallel()
	vectors := readVectors(t, testdata+"/rfc6979-dsa.txt")
	require.Len(t, vectors, 4)
	for _, v := range vectors {
		known := map[string]*dsaGroup{"DS128": ds128, "DS256": ds256}[v["algorithm"]]
		key := v.key(t).GetDsa()
		group := newGroup(known.name, known.algorithm, v["dsa-p"], v["dsa-q"], v["dsa-g"], known.digest)
		public, err := dsaPublicOf(group)(&pb.Key{Source: &pb.Key_Dsa{Dsa: key}})
		require.NoError(t, err)
		data, signature := v.octets(t, "data"), v.octets(t, "signature")
		require.True(t, public.verify(data, signature), v["name"])
		require.False(t, public.verify(append(data, 0), signature), v["name"])
		_, err = dsaPublicOf(known)(&pb.Key{Source: &pb.Key_Dsa{Dsa: key}})
		require.ErrorContains(t, err, "not that of the group", v["name"])
	}
}
