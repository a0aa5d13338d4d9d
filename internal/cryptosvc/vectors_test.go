// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

const testdata = "../../protocol/crypto/testdata"

// vector is a block of a file of vectors, whose form is described beside them.
type vector map[string]string

func readVectors(t testing.TB, path string) (all []vector) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	block := vector{}
	for line := range strings.Lines(string(text) + "\n\n") {
		line = strings.TrimRight(line, "\n")
		switch key, value, found := strings.Cut(line, ":"); {
		case strings.HasPrefix(line, "#"):
		case found:
			require.NotContains(t, block, key, block["name"])
			block[key] = strings.TrimPrefix(value, " ")
		case len(block) > 0:
			all, block = append(all, block), vector{}
		}
	}
	return all
}

func allVectors(t testing.TB) (all []vector) {
	t.Helper()
	paths, err := filepath.Glob(testdata + "/vectors/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	seen := map[string]bool{}
	for _, path := range paths {
		for _, v := range readVectors(t, path) {
			require.False(t, seen[v["name"]], "two vectors are called %s", v["name"])
			require.NotEmpty(t, v["source"], v["name"])
			seen[v["name"]] = true
			all = append(all, v)
		}
	}
	return all
}

// large tells whether there are megabytes in it, which one test is enough for.
func (v vector) large() bool {
	for _, value := range v {
		if _, times, found := strings.Cut(value, "*"); found && len(times) > 6 {
			return true
		}
	}
	return false
}

// octets returns the value of a key, nil if it is not there.
func (v vector) octets(t testing.TB, key string) []byte {
	t.Helper()
	value, found := v[key]
	if !found {
		return nil
	}
	all := []byte{}
	for _, word := range strings.Fields(value) {
		digits, times, repeated := strings.Cut(word, "*")
		octets, err := hex.DecodeString(digits)
		require.NoError(t, err, v["name"])
		if repeated {
			n, err := strconv.Atoi(times)
			require.NoError(t, err, v["name"])
			octets = bytes.Repeat(octets, n)
		}
		all = append(all, octets...)
	}
	return all
}

func (v vector) number(t testing.TB, key string) uint32 {
	t.Helper()
	if v[key] == "" {
		return 0
	}
	n, err := strconv.ParseUint(v[key], 10, 32)
	require.NoError(t, err, v["name"])
	return uint32(n)
}

// enum returns the number of a name; unknown ones stand as numbers.
func (v vector) enum(t testing.TB, key string, numbers map[string]int32) int32 {
	t.Helper()
	if n, found := numbers[v[key]]; found || v[key] == "" {
		return n
	}
	n, err := strconv.ParseInt(v[key], 10, 32)
	require.NoError(t, err, v["name"])
	return int32(n)
}

func (v vector) key(t testing.TB) *pb.Key {
	t.Helper()
	has := func(prefix string) bool {
		for key := range v {
			if strings.HasPrefix(key, prefix) {
				return true
			}
		}
		return false
	}
	name, named := v["key-name"]
	_, raw := v["key"]
	switch {
	case named:
		return &pb.Key{Source: &pb.Key_Name{Name: name}}
	case raw:
		return &pb.Key{Source: &pb.Key_Raw{Raw: v.octets(t, "key")}}
	case has("rsa-"):
		return &pb.Key{Source: &pb.Key_Rsa{Rsa: &pb.RsaKey{
			N: v.octets(t, "rsa-n"), E: v.octets(t, "rsa-e"),
			D: v.octets(t, "rsa-d"), P: v.octets(t, "rsa-p"), Q: v.octets(t, "rsa-q"),
		}}}
	case has("dsa-"):
		return &pb.Key{Source: &pb.Key_Dsa{Dsa: &pb.DsaKey{
			P: v.octets(t, "dsa-p"), Q: v.octets(t, "dsa-q"), G: v.octets(t, "dsa-g"),
			Y: v.octets(t, "dsa-y"), X: v.octets(t, "dsa-x"),
		}}}
	case has("key-empty"):
		return &pb.Key{}
	default:
		return nil
	}
}

func (v vector) request(t testing.TB) []byte {
	t.Helper()
	if v["operation"] == "raw" {
		return v.octets(t, "request")
	}
	octets, err := proto.Marshal(v.message(t))
	require.NoError(t, err, v["name"])
	return octets
}

func (v vector) message(t testing.TB) *pb.Request {
	t.Helper()
	of := func(key string) []byte { return v.octets(t, key) }
	hash := pb.Hash(v.enum(t, "hash", pb.Hash_value))
	algorithm := pb.SignatureAlgorithm(v.enum(t, "algorithm", pb.SignatureAlgorithm_value))
	key, length := v.key(t), v.number(t, "length")
	switch v["operation"] {
	case "hkdf":
		return hkdfOf(&pb.Hkdf{Hash: hash, Key: key, Salt: of("salt"), Info: of("info"), Length: length})
	case "hmac":
		return &pb.Request{Operation: &pb.Request_Hmac{Hmac: &pb.Hmac{Hash: hash, Key: key, Data: of("data")}}}
	case "digest":
		return &pb.Request{Operation: &pb.Request_Digest{Digest: &pb.Digest{Hash: hash, Data: of("data")}}}
	case "sign":
		return signOf(&pb.Sign{Algorithm: algorithm, Key: key, Data: of("data")})
	case "verify":
		return verifyOf(&pb.Verify{Algorithm: algorithm, Key: key, Data: of("data"), Signature: of("signature")})
	case "encrypt":
		return encryptOf(&pb.Encrypt{Key: key, Plaintext: of("plaintext"), Aad: of("aad"), Nonce: of("nonce")})
	case "decrypt":
		return decryptOf(&pb.Decrypt{Key: key, Nonce: of("nonce"), Ciphertext: of("ciphertext"), Aad: of("aad")})
	case "random":
		return &pb.Request{Operation: &pb.Request_Random{Random: &pb.Random{Length: length}}}
	case "scrypt":
		return scryptOf(&pb.Scrypt{
			Password: of("password"), Salt: of("salt"),
			N: v.number(t, "n"), R: v.number(t, "r"), P: v.number(t, "p"), Length: length,
		})
	default:
		require.FailNow(t, "unknown operation", "%s: %s", v["name"], v["operation"])
		return nil
	}
}

func TestVectors(t *testing.T) {
	t.Parallel()
	service := New(testKeys(t))
	count := map[string]int{}
	for _, v := range allVectors(t) {
		v.check(t, decodeResponse(t, do(t, service, v.request(t))))
		count[v["operation"]]++
	}
	t.Log(count)
	require.Len(t, count, 10, "every operation has vectors, and so have requests that are none")
}

func (v vector) check(t testing.TB, got *pb.Response) {
	t.Helper()
	name := v["name"]
	if want, found := v["error"]; found {
		require.Equal(t, want, got.GetError().GetCode().String(), "%s: %v", name, got.GetError().GetText())
		require.NotEmpty(t, got.GetError().GetText(), name)
		require.LessOrEqual(t, len(got.GetError().GetText()), maxErrorText, name)
		return
	}
	require.Nil(t, got.GetError(), name)
	output := got.GetOutput()
	if encrypted := got.GetEncrypted(); encrypted != nil {
		output = encrypted.GetCiphertext()
		require.Len(t, encrypted.GetNonce(), nonceSize, name)
		if v["nonce"] != "" {
			require.Equal(t, v.octets(t, "nonce"), encrypted.GetNonce(), name)
		}
	}
	if want, found := v["valid"]; found {
		require.IsType(t, &pb.Response_Valid{}, got.GetResult(), name)
		require.Equal(t, want, strconv.FormatBool(got.GetValid()), name)
	} else if _, found := v["output"]; found {
		require.Equal(t, hex.EncodeToString(v.octets(t, "output")), hex.EncodeToString(output), name)
	} else {
		require.Len(t, output, int(v.number(t, "output-length")), name)
	}
}

// do gives the service a copy, as the payload is overwritten.
func do(t testing.TB, service *Service, request []byte) []byte {
	t.Helper()
	response, err := service.Do(t.Context(), bytes.Clone(request))
	require.NoError(t, err)
	return response
}

func decodeResponse(t testing.TB, response []byte) *pb.Response {
	t.Helper()
	got := &pb.Response{}
	require.NoError(t, proto.Unmarshal(response, got))
	require.NotNil(t, got.GetResult())
	return got
}

// call encodes a request, has it answered and decodes the answer.
func call(t testing.TB, service *Service, request *pb.Request) *pb.Response {
	t.Helper()
	octets, err := proto.Marshal(request)
	require.NoError(t, err)
	return decodeResponse(t, do(t, service, octets))
}

func hkdfOf(op *pb.Hkdf) *pb.Request { return &pb.Request{Operation: &pb.Request_Hkdf{Hkdf: op}} }
func signOf(op *pb.Sign) *pb.Request { return &pb.Request{Operation: &pb.Request_Sign{Sign: op}} }

func verifyOf(op *pb.Verify) *pb.Request {
	return &pb.Request{Operation: &pb.Request_Verify{Verify: op}}
}

func encryptOf(op *pb.Encrypt) *pb.Request {
	return &pb.Request{Operation: &pb.Request_Encrypt{Encrypt: op}}
}

func decryptOf(op *pb.Decrypt) *pb.Request {
	return &pb.Request{Operation: &pb.Request_Decrypt{Decrypt: op}}
}

func scryptOf(op *pb.Scrypt) *pb.Request {
	return &pb.Request{Operation: &pb.Request_Scrypt{Scrypt: op}}
}
