// SPDX-License-Identifier: Apache-2.0

package cworker_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

// cryptoVector is a request of protocol/crypto/testdata/vectors, without what is
// expected: here that is what the service in Go answers.
type cryptoVector struct {
	name    string
	request []byte
}

func cryptoVectors(t testing.TB) (all []cryptoVector) {
	t.Helper()
	paths, err := filepath.Glob("../protocol/crypto/testdata/vectors/*.txt")
	require.NoError(t, err)
	for _, path := range paths {
		for _, block := range readBlocks(t, path) {
			all = append(all, cryptoVector{block["name"], requestOf(t, block)})
		}
	}
	require.Greater(t, len(all), 500)
	return all
}

// readBlocks reads a file whose form is described beside the vectors.
func readBlocks(t testing.TB, path string) (all []map[string]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	block := map[string]string{}
	for line := range strings.Lines(string(text) + "\n\n") {
		line = strings.TrimRight(line, "\n")
		switch key, value, found := strings.Cut(line, ":"); {
		case strings.HasPrefix(line, "#"):
		case found:
			block[key] = strings.TrimPrefix(value, " ")
		case len(block) > 0:
			all, block = append(all, block), map[string]string{}
		}
	}
	return all
}

// requestOf makes a request whose fields are those of the block by name.
func requestOf(t testing.TB, block map[string]string) []byte {
	t.Helper()
	if block["operation"] == "raw" {
		return octetsOf(t, block["request"])
	}
	request := &pb.Request{}
	field := request.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(block["operation"]))
	require.NotNil(t, field, block["name"])
	operation := request.ProtoReflect().Mutable(field).Message()
	fill(t, operation, block, "")
	if key := operation.Descriptor().Fields().ByName("key"); key != nil && hasKey(block) {
		fillKey(t, operation.Mutable(key).Message(), block)
	}
	octets, err := proto.Marshal(request)
	require.NoError(t, err, block["name"])
	return octets
}

func hasKey(block map[string]string) bool {
	for name := range block {
		if name == "key" || strings.HasPrefix(name, "key-") || strings.HasPrefix(name, "rsa-") || strings.HasPrefix(name, "dsa-") {
			return true
		}
	}
	return false
}

func fillKey(t testing.TB, key protoreflect.Message, block map[string]string) {
	t.Helper()
	fields := key.Descriptor().Fields()
	for name, value := range block {
		kind, _, _ := strings.Cut(name, "-")
		switch {
		case name == "key":
			key.Set(fields.ByName("raw"), protoreflect.ValueOfBytes(octetsOf(t, value)))
		case name == "key-name":
			key.Set(fields.ByName("name"), protoreflect.ValueOfString(value))
		case kind == "rsa" || kind == "dsa":
			fill(t, key.Mutable(fields.ByName(protoreflect.Name(kind))).Message(), block, kind+"-")
		}
	}
}

// fill sets the fields of a message, but for messages in it, from the lines of a
// block whose keys have a prefix.
func fill(t testing.TB, to protoreflect.Message, block map[string]string, prefix string) {
	t.Helper()
	fields := to.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		text, found := block[prefix+string(field.Name())]
		if !found {
			continue
		}
		switch field.Kind() {
		case protoreflect.BytesKind:
			to.Set(field, protoreflect.ValueOfBytes(octetsOf(t, text)))
		case protoreflect.Uint32Kind:
			n, err := strconv.ParseUint(text, 10, 32)
			require.NoError(t, err, block["name"])
			to.Set(field, protoreflect.ValueOfUint32(uint32(n)))
		case protoreflect.EnumKind:
			value := field.Enum().Values().ByName(protoreflect.Name(text))
			if value != nil {
				to.Set(field, protoreflect.ValueOfEnum(value.Number()))
				continue
			}
			n, err := strconv.ParseInt(text, 10, 32)
			require.NoError(t, err, block["name"])
			to.Set(field, protoreflect.ValueOfEnum(protoreflect.EnumNumber(n)))
		default: // the key
		}
	}
}

// octetsOf reads hexadecimal words, of which WORD*N is WORD N times.
func octetsOf(t testing.TB, text string) []byte {
	t.Helper()
	all := []byte{}
	for _, word := range strings.Fields(text) {
		digits, times, repeated := strings.Cut(word, "*")
		octets, err := hex.DecodeString(digits)
		require.NoError(t, err)
		if repeated {
			n, err := strconv.Atoi(times)
			require.NoError(t, err)
			octets = bytes.Repeat(octets, n)
		}
		all = append(all, octets...)
	}
	return all
}

// isStrangelyEncoded tells whether there is an integer in a request that no
// encoder writes so: with more octets than it needs, or bits that do not fit.
// Decoders differ in which of these they take: C++ takes integers of 10 octets
// with more than 64 bits, and no tags and lengths of more than 5 octets; Go does
// not, and does.
func isStrangelyEncoded(request []byte) bool {
	return hasStrangeInteger((&pb.Request{}).ProtoReflect().Descriptor(), request)
}

func hasStrangeInteger(message protoreflect.MessageDescriptor, rest []byte) bool {
	groups := 0
	for len(rest) > 0 {
		tag, size, strange := readInteger(rest, 32)
		if strange || size == 0 {
			return strange
		}
		rest = rest[size:]
		switch protowire.Type(tag & 7) {
		case protowire.StartGroupType:
			groups++
		case protowire.EndGroupType:
			groups--
		case protowire.Fixed32Type:
			rest = rest[min(4, len(rest)):]
		case protowire.Fixed64Type:
			rest = rest[min(8, len(rest)):]
		case protowire.VarintType:
			if _, size, strange = readInteger(rest, 64); strange || size == 0 {
				return strange
			}
			rest = rest[size:]
		case protowire.BytesType:
			length, size, strange := readInteger(rest, 32)
			if strange || size == 0 || length > uint64(len(rest)-size) {
				return strange
			}
			content := rest[size:][:length]
			rest = rest[size:][length:]
			field := message.Fields().ByNumber(protowire.Number(tag >> 3))
			if groups == 0 && field != nil && field.Message() != nil && hasStrangeInteger(field.Message(), content) {
				return true
			}
		default:
			return false
		}
	}
	return false
}

// readInteger reads an integer of up to so many bits; its size is 0 if it is cut
// off.
func readInteger(octets []byte, bits int) (value uint64, size int, strange bool) {
	for size < len(octets) {
		octet := octets[size]
		if size*7 < 64 {
			value |= uint64(octet&0x7f) << (7 * size)
		}
		size++
		if octet >= 0x80 {
			continue
		}
		fits := size*7 <= bits || size == (bits+6)/7 && octet < 1<<(bits%7)
		return value, size, !fits || size > 1 && octet == 0
	}
	return 0, 0, len(octets) > (bits+6)/7
}

// setting returns a number from the environment, or the usual one.
func setting(t testing.TB, name string, usual uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, name)
	return n
}

func seed(t testing.TB) uint64 { return setting(t, "POWERHOSE_SEED", 1) }

// rounds multiplies how often a random test repeats itself by $POWERHOSE_ROUNDS.
func rounds(t testing.TB, usual int) int { return usual * int(setting(t, "POWERHOSE_ROUNDS", 1)) }
