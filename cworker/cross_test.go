// SPDX-License-Identifier: Apache-2.0

package cworker_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/powerhose/powerhose/internal/cryptosvc"
	"github.com/powerhose/powerhose/jobrunner"
	pb "github.com/powerhose/powerhose/protocol/crypto"
	"github.com/powerhose/powerhose/worker"
)

// answerer answers requests of the service crypto: a worker in C++, or the
// service in Go.
type answerer func(t testing.TB, request []byte) *pb.Response

// inGo answers in this process.
func inGo(t testing.TB, keys string) answerer {
	t.Helper()
	service := goService(t, keys)
	return func(t testing.TB, request []byte) *pb.Response {
		t.Helper()
		// It overwrites what it is given.
		octets, err := service.Do(t.Context(), bytes.Clone(request))
		require.NoError(t, err)
		return decodeResponse(t, octets)
	}
}

// inCpp answers in a C++ worker behind a master.
func inCpp(t testing.TB, keys string) answerer {
	t.Helper()
	r := startCrypto(t, keys)
	return func(t testing.TB, request []byte) *pb.Response {
		t.Helper()
		return submit(t, r, request)
	}
}

// cryptoProgram builds powerhose-cworker and skips the test if it came out
// without the service.
func cryptoProgram(t testing.TB) {
	t.Helper()
	help, err := exec.Command(program(t), "--help").Output()
	require.NoError(t, err)
	if strings.Contains(string(help), "--keys") {
		return
	}
	const why = "THE C++ CRYPTO SERVICE IS NOT TESTED: cmake found no Crypto++ or no protobuf " +
		"(scripts/deps.sh test installs them)"
	if os.Getenv("POWERHOSE_REQUIRE_ALL") == "1" {
		require.FailNow(t, why)
	}
	t.Skip(why)
}

// startCrypto starts a master and a C++ worker that offers the service.
func startCrypto(t testing.TB, keys string) *jobrunner.Runner {
	t.Helper()
	cryptoProgram(t)
	return start(t, jobrunner.Config{}, 1, "--services=crypto", "--keys="+keys)
}

func submit(t testing.TB, r *jobrunner.Runner, request []byte) *pb.Response {
	t.Helper()
	octets, err := r.ExecuteBytes(t.Context(), cryptosvc.Name, request)
	require.NoError(t, err)
	return decodeResponse(t, octets)
}

func decodeResponse(t testing.TB, octets []byte) *pb.Response {
	t.Helper()
	response := &pb.Response{}
	require.NoError(t, proto.Unmarshal(octets, response))
	require.NotNil(t, response.GetResult())
	return response
}

func goService(t testing.TB, dir string) *cryptosvc.Service {
	t.Helper()
	keys, err := cryptosvc.LoadKeys(dir)
	require.NoError(t, err)
	return cryptosvc.New(keys)
}

// keyDir copies the keys of the test data to where they have the modes that keys
// must have.
func keyDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	files, err := filepath.Glob("../protocol/crypto/testdata/keys/*.*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(file)), content, 0o600))
	}
	return dir
}

// requireSame compares two answers to a request: octet by octet where the
// operation has but one, else what can be compared. Texts of errors may differ.
func requireSame(t testing.TB, request []byte, want, got *pb.Response, what string) {
	t.Helper()
	if want.GetError() != nil || got.GetError() != nil {
		require.Equal(t, want.GetError().GetCode(), got.GetError().GetCode(), "%s: %x: in Go %q, in C++ %q",
			what, request, want.GetError().GetText(), got.GetError().GetText())
		return
	}
	decoded := &pb.Request{}
	require.NoError(t, proto.Unmarshal(request, decoded), what)
	random := decoded.GetRandom() != nil || decoded.GetEncrypt() != nil && len(decoded.GetEncrypt().GetNonce()) == 0
	switch decoded.GetSign().GetAlgorithm() {
	case pb.SignatureAlgorithm_ECDSA_P256_SHA256, pb.SignatureAlgorithm_RSA_PSS_SHA256,
		pb.SignatureAlgorithm_DS128, pb.SignatureAlgorithm_DS256:
		random = true
	}
	if !random {
		require.True(t, proto.Equal(want, got), "%s: %x: in Go %v, in C++ %v", what, request, want, got)
		return
	}
	require.IsType(t, want.GetResult(), got.GetResult(), what)
	require.Len(t, got.GetOutput(), len(want.GetOutput()), what)
	require.Len(t, got.GetEncrypted().GetNonce(), len(want.GetEncrypted().GetNonce()), what)
	require.Len(t, got.GetEncrypted().GetCiphertext(), len(want.GetEncrypted().GetCiphertext()), what)
}

func TestCryptoVectorsAreAnsweredAsInGo(t *testing.T) {
	t.Parallel()
	keys := keyDir(t)
	goes, cpp := inGo(t, keys), inCpp(t, keys)
	vectors := cryptoVectors(t)
	for _, v := range vectors {
		requireSame(t, v.request, goes(t, v.request), cpp(t, v.request), v.name)
	}
	t.Logf("%d requests", len(vectors))
}

// What is wrong with a request is found in the same order by both.
func TestCryptoRequestsThatWereChangedAreAnsweredAsInGo(t *testing.T) {
	t.Parallel()
	keys := keyDir(t)
	goes, cpp := inGo(t, keys), inCpp(t, keys)
	var good [][]byte
	for _, v := range cryptoVectors(t) {
		if len(v.request) < 4096 {
			good = append(good, v.request)
		}
	}
	rng := rand.New(rand.NewPCG(seed(t), 1))
	codes := map[string]int{}
	for range rounds(t, 3000) {
		request := changed(t, rng, good)
		if !answeredQuickly(request) || isStrangelyEncoded(request) {
			continue
		}
		want := goes(t, request)
		requireSame(t, request, want, cpp(t, request), "changed request")
		codes[want.GetError().GetCode().String()]++
	}
	t.Log(codes)
	require.Greater(t, len(codes), 6, "the changes are too dull")
}

// changed returns one of some requests with a field of another, or with changed
// octets in it or in one of its fields.
func changed(t testing.TB, rng *rand.Rand, good [][]byte) []byte {
	t.Helper()
	request := bytes.Clone(good[rng.IntN(len(good))])
	switch decoded := (&pb.Request{}); {
	case rng.IntN(5) == 0:
		return append(request, good[rng.IntN(len(good))]...) // the fields of both
	case rng.IntN(3) == 0 || proto.Unmarshal(request, decoded) != nil:
		return changedOctets(rng, request)
	default:
		if fields := bytesFields(decoded.ProtoReflect()); len(fields) > 0 {
			at := fields[rng.IntN(len(fields))]
			octets := bytes.Clone(at.in.Get(at.field).Bytes())
			at.in.Set(at.field, protoreflect.ValueOfBytes(changedOctets(rng, octets)))
		}
		return marshal(t, decoded)
	}
}

func changedOctets(rng *rand.Rand, octets []byte) []byte {
	for range 1 + rng.IntN(3) {
		at := rng.IntN(len(octets) + 1)
		switch rng.IntN(6) {
		case 0, 1:
			if at < len(octets) {
				octets[at] ^= 1 << rng.IntN(8)
			}
		case 2:
			octets = octets[:at]
		case 3:
			octets = octets[at:]
		case 4:
			octets = append(make([]byte, rng.IntN(4)), octets...)
		default:
			octets = slices.Insert(octets, at, byte(rng.Uint32()))
		}
	}
	return octets
}

// bytesField is a field of a message, or of one in it, that is set.
type bytesField struct {
	in    protoreflect.Message
	field protoreflect.FieldDescriptor
}

func bytesFields(message protoreflect.Message) (all []bytesField) {
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch field.Kind() {
		case protoreflect.BytesKind:
			all = append(all, bytesField{message, field})
		case protoreflect.MessageKind:
			all = append(all, bytesFields(value.Message())...)
		}
		return true
	})
	slices.SortFunc(all, func(a, b bytesField) int { // Range has no order
		return cmp.Compare(a.field.FullName(), b.field.FullName())
	})
	return all
}

// answeredQuickly tells whether a request is none that may take seconds.
func answeredQuickly(request []byte) bool {
	decoded := &pb.Request{}
	if proto.Unmarshal(request, decoded) != nil {
		return true
	}
	op := decoded.GetScrypt()
	return uint64(op.GetN())*uint64(op.GetR())*uint64(op.GetP()) < 1<<16
}

// Points of a small order, and forms of points that are not the usual ones, are
// where libraries of Ed25519 differ.
func TestCryptoStrangePointsOfEd25519(t *testing.T) {
	t.Parallel()
	keys := keyDir(t)
	goes, cpp := inGo(t, keys), inCpp(t, keys)
	points := [][]byte{}
	for _, hexadecimal := range []string{
		"01 00*30 00", "01 00*30 80", "ec ff*30 7f", "ec ff*30 ff", "00*32", "00*31 80",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"ed ff*30 7f", "ed ff*30 ff", "ee ff*30 7f", "ee ff*30 ff", "ff*31 7f", "ff*32", "02 00*31", "58 66*31",
	} {
		points = append(points, octetsOf(t, hexadecimal))
	}
	valid := 0
	for _, key := range points {
		for _, r := range points {
			for _, s := range []string{
				"00*32", "01 00*31", "edd3f55c1a631258d69cf7a2def9de14 00*15 10",
				"ecd3f55c1a631258d69cf7a2def9de14 00*15 10", "ff*31 1f", "00*31 20", "00*31 80",
			} {
				request := marshal(t, &pb.Request{Operation: &pb.Request_Verify{Verify: &pb.Verify{
					Algorithm: pb.SignatureAlgorithm_ED25519, Key: rawKey(key),
					Data: r[:1], Signature: append(bytes.Clone(r), octetsOf(t, s)...),
				}}})
				want := goes(t, request)
				requireSame(t, request, want, cpp(t, request), "strange point")
				if want.GetValid() {
					valid++
				}
			}
		}
	}
	require.Positive(t, valid, "a key of a small order has signatures that need no secret")
}

func TestCryptoAcrossLanguages(t *testing.T) {
	t.Parallel()
	keys := keyDir(t)
	goes, cpp := inGo(t, keys), inCpp(t, keys)
	rng := rand.New(rand.NewPCG(seed(t), 2))
	for _, p := range append(newPairs(t), namedPairs...) {
		for _, way := range []struct {
			name           string
			signs, answers answerer
		}{{"Go to C++", goes, cpp}, {"C++ to Go", cpp, goes}, {"C++ to C++", cpp, cpp}} {
			for range rounds(t, 5) {
				checkSignature(t, way.signs, way.answers, p, randomOctets(rng, 1000), fmt.Sprint(way.name, ", ", p.algorithm))
			}
		}
	}
	for range rounds(t, 50) {
		key := []*pb.Key{rawKey(randomOctetsOf(rng, 32)), nameKey("box")}[rng.IntN(2)]
		plaintext, aad := randomOctets(rng, 1000), randomOctets(rng, 100)
		checkEncryption(t, goes, cpp, key, plaintext, aad)
		checkEncryption(t, cpp, goes, key, plaintext, aad)
	}
	for range rounds(t, 200) {
		request := marshal(t, randomDerivation(rng))
		requireSame(t, request, goes(t, request), cpp(t, request), "derivation")
	}
}

// checkSignature has data signed by one and verified by the other, good and
// changed.
func checkSignature(t testing.TB, signs, verifies answerer, p pair, data []byte, what string) {
	t.Helper()
	got := signs(t, marshal(t, &pb.Request{Operation: &pb.Request_Sign{Sign: &pb.Sign{
		Algorithm: p.algorithm, Key: p.private, Data: data,
	}}}))
	require.Nil(t, got.GetError(), what)
	signature := got.GetOutput()
	valid := func(data, signature []byte) bool {
		got := verifies(t, marshal(t, &pb.Request{Operation: &pb.Request_Verify{Verify: &pb.Verify{
			Algorithm: p.algorithm, Key: p.public, Data: data, Signature: signature,
		}}}))
		require.Nil(t, got.GetError(), what)
		return got.GetValid()
	}
	require.True(t, valid(data, signature), what)
	require.False(t, valid(append(bytes.Clone(data), 0), signature), what)
	require.False(t, valid(data, append(bytes.Clone(signature), 0)), what)
	for _, at := range []int{0, len(signature) / 2, len(signature) - 1} {
		other := bytes.Clone(signature)
		other[at] ^= 1
		require.False(t, valid(data, other), what)
	}
}

func checkEncryption(t testing.TB, encrypts, decrypts answerer, key *pb.Key, plaintext, aad []byte) {
	t.Helper()
	sealed := encrypts(t, marshal(t, &pb.Request{Operation: &pb.Request_Encrypt{Encrypt: &pb.Encrypt{
		Key: key, Plaintext: plaintext, Aad: aad,
	}}})).GetEncrypted()
	require.NotNil(t, sealed)
	open := func() *pb.Response {
		return decrypts(t, marshal(t, &pb.Request{Operation: &pb.Request_Decrypt{Decrypt: &pb.Decrypt{
			Key: key, Nonce: sealed.GetNonce(), Ciphertext: sealed.GetCiphertext(), Aad: aad,
		}}}))
	}
	require.True(t, bytes.Equal(plaintext, open().GetOutput()))
	sealed.Ciphertext[len(sealed.GetCiphertext())/2] ^= 1
	require.Equal(t, pb.ErrorCode_DECRYPTION_FAILED, open().GetError().GetCode())
}

// A master with a worker of each kind, and many callers who do not care which of
// them answers.
func TestCryptoWorkersOfBothKindsAtOnce(t *testing.T) {
	t.Parallel()
	keys := keyDir(t)
	r := startCrypto(t, keys)
	service := goService(t, keys)
	var inGo, all atomic.Int64
	w, err := worker.New(worker.Config{
		Backend: r.Backend(),
		Services: worker.Services{cryptosvc.Name: func(ctx context.Context, job *worker.Job) ([]byte, error) {
			inGo.Add(1)
			return service.Do(ctx, job.Payload)
		}},
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var running, callers sync.WaitGroup
	running.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Errorf("worker: %v", err)
		}
	})
	both := func(t testing.TB, request []byte) *pb.Response {
		all.Add(1)
		return submit(t, r, request)
	}
	pairs := append(newPairs(t), namedPairs...)
	for caller := range 8 {
		callers.Go(func() {
			rng := rand.New(rand.NewPCG(seed(t), uint64(caller)))
			for range rounds(t, 25) {
				checkSignature(t, both, both, pairs[rng.IntN(len(pairs))], randomOctets(rng, 1000), "both")
				checkEncryption(t, both, both, nameKey("box"), randomOctets(rng, 100_000), nil)
			}
		})
	}
	callers.Wait()
	stop()
	running.Wait()
	t.Logf("%d jobs, %d of them in Go", all.Load(), inGo.Load())
	require.Positive(t, inGo.Load())
	require.Less(t, inGo.Load(), all.Load())
}

// pair is a key in both of its forms.
type pair struct {
	algorithm       pb.SignatureAlgorithm
	private, public *pb.Key
}

func rawKey(raw []byte) *pb.Key   { return &pb.Key{Source: &pb.Key_Raw{Raw: raw}} }
func nameKey(name string) *pb.Key { return &pb.Key{Source: &pb.Key_Name{Name: name}} }

var namedPairs = []pair{
	{pb.SignatureAlgorithm_ED25519, nameKey("ed"), nameKey("ed")},
	{pb.SignatureAlgorithm_ECDSA_P256_SHA256, nameKey("ec"), nameKey("ec-public")},
	{pb.SignatureAlgorithm_RSA_PKCS1_SHA256, nameKey("rs"), nameKey("rs")},
	{pb.SignatureAlgorithm_RSA_PSS_SHA256, nameKey("ps"), nameKey("ps")},
	{pb.SignatureAlgorithm_DS128, nameKey("example.com"), nameKey("example.com")},
	{pb.SignatureAlgorithm_DS256, nameKey("ds256.example.com"), nameKey("ds256.example.com")},
}

// newPairs makes a fresh key for each algorithm.
func newPairs(t testing.TB) []pair {
	t.Helper()
	public, private, err := ed25519.GenerateKey(cryptorand.Reader)
	require.NoError(t, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	require.NoError(t, err)
	d, err := p256.Bytes()
	require.NoError(t, err)
	point, err := p256.PublicKey.Bytes()
	require.NoError(t, err)
	k, err := rsa.GenerateKey(cryptorand.Reader, 2048)
	require.NoError(t, err)
	n, e := k.N.Bytes(), []byte{1, 0, 1}
	rsaPrivate := &pb.Key{Source: &pb.Key_Rsa{Rsa: &pb.RsaKey{N: n, E: e, D: k.D.Bytes(), P: k.Primes[0].Bytes(), Q: k.Primes[1].Bytes()}}}
	rsaPublic := &pb.Key{Source: &pb.Key_Rsa{Rsa: &pb.RsaKey{N: n, E: e}}}
	return append([]pair{
		{pb.SignatureAlgorithm_ED25519, rawKey(private.Seed()), rawKey(public)},
		{pb.SignatureAlgorithm_ECDSA_P256_SHA256, rawKey(d), rawKey(point)},
		{pb.SignatureAlgorithm_RSA_PKCS1_SHA256, rsaPrivate, rsaPublic},
		{pb.SignatureAlgorithm_RSA_PSS_SHA256, rsaPrivate, rsaPublic},
	}, newDSAPairs(t)...)
}

func newDSAPairs(t testing.TB) (pairs []pair) {
	t.Helper()
	for _, group := range readBlocks(t, "../protocol/crypto/testdata/groups.txt") {
		number := func(key string) *big.Int {
			n, good := new(big.Int).SetString(group[key], 16)
			require.True(t, good)
			return n
		}
		p, q, g := number("p"), number("q"), number("g")
		x, err := cryptorand.Int(cryptorand.Reader, q)
		require.NoError(t, err)
		y := new(big.Int).Exp(g, x, p)
		key := func(x, y *big.Int) *pb.Key {
			return &pb.Key{Source: &pb.Key_Dsa{Dsa: &pb.DsaKey{P: p.Bytes(), Q: q.Bytes(), G: g.Bytes(), X: x.Bytes(), Y: y.Bytes()}}}
		}
		algorithm := pb.SignatureAlgorithm(pb.SignatureAlgorithm_value[group["name"]])
		pairs = append(pairs, pair{algorithm, key(x, new(big.Int)), key(new(big.Int), y)})
	}
	return pairs
}

// randomDerivation makes a request to which there is but one answer.
func randomDerivation(rng *rand.Rand) *pb.Request {
	hash := pb.Hash(1 + rng.IntN(3))
	key := rawKey(randomOctetsOf(rng, 1+rng.IntN(200)))
	switch rng.IntN(4) {
	case 0:
		return &pb.Request{Operation: &pb.Request_Hkdf{Hkdf: &pb.Hkdf{
			Hash: hash, Key: key, Salt: randomOctets(rng, 200), Info: randomOctets(rng, 200), Length: 1 + rng.Uint32N(5100),
		}}}
	case 1:
		return &pb.Request{Operation: &pb.Request_Hmac{Hmac: &pb.Hmac{Hash: hash, Key: key, Data: randomOctets(rng, 1000)}}}
	case 2:
		return &pb.Request{Operation: &pb.Request_Digest{Digest: &pb.Digest{Hash: hash, Data: randomOctets(rng, 1000)}}}
	default:
		return &pb.Request{Operation: &pb.Request_Scrypt{Scrypt: &pb.Scrypt{
			Password: randomOctets(rng, 100), Salt: randomOctets(rng, 100),
			N: 2 << rng.IntN(6), R: 1 + rng.Uint32N(8), P: 1 + rng.Uint32N(4), Length: 1 + rng.Uint32N(1024),
		}}}
	}
}

// randomOctets returns up to so many.
func randomOctets(rng *rand.Rand, most int) []byte { return randomOctetsOf(rng, rng.IntN(most+1)) }

func randomOctetsOf(rng *rand.Rand, size int) []byte {
	octets := make([]byte, size)
	for i := range octets {
		octets[i] = byte(rng.Uint32())
	}
	return octets
}

func marshal(t testing.TB, request *pb.Request) []byte {
	t.Helper()
	octets, err := proto.Marshal(request)
	require.NoError(t, err)
	return octets
}
