// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/protocol"
)

// vector is one block of testdata/vectors/*.txt; its README describes the form.
type vector struct {
	name, rule string
	role       protocol.Role
	direction  protocol.Direction
	frames     [][]byte
	message    string
	lines      []string // what describe gives for the frames
	err        string
	noEncode   bool
}

func (v vector) good() bool { return v.err == "" }

func loadVectors(t testing.TB) []vector {
	t.Helper()
	paths, err := filepath.Glob("testdata/vectors/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	var out []vector
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for block := range strings.SplitSeq(string(text), "\n\n") {
			if v := parseVector(t, block); v.name != "" {
				out = append(out, v)
			}
		}
	}
	return out
}

func parseVector(t testing.TB, block string) vector {
	var v vector
	for line := range strings.Lines(block) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		require.True(t, ok, "%s: %q", v.name, line)
		value = strings.TrimPrefix(value, " ")
		switch {
		case key == "name":
			v.name = value
		case key == "rule":
			v.rule = value
		case key == "role":
			v.role = map[string]protocol.Role{"worker": protocol.RoleWorker, "runner": protocol.RoleRunner}[value]
		case key == "direction":
			v.direction = map[string]protocol.Direction{"to-master": protocol.ToMaster, "from-master": protocol.FromMaster}[value]
		case key == "frame":
			v.frames = append(v.frames, parseWords(t, value))
		case key == "message":
			v.message = value
		case key == "error":
			v.err = value
		case key == "encode":
			v.noEncode = true
		case key == "repeat":
			n, err := strconv.Atoi(value)
			require.NoError(t, err)
			lines := v.lines
			for range n - 1 {
				v.lines = append(v.lines, lines...)
			}
		default:
			v.lines = append(v.lines, key+": "+value)
		}
	}
	return v
}

func parseWords(t testing.TB, text string) []byte {
	out := []byte{}
	for word := range strings.FieldsSeq(text) {
		digits, count, repeated := strings.Cut(word, "*")
		octets, err := hex.DecodeString(digits)
		require.NoError(t, err)
		n := 1
		if repeated {
			n, err = strconv.Atoi(count)
			require.NoError(t, err)
		}
		for range n {
			out = append(out, octets...)
		}
	}
	return out
}

func TestVectorsDecodeAsDescribed(t *testing.T) {
	t.Parallel()
	for _, v := range loadVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			m := decode(v.role, v.direction, v.frames)
			require.Equal(t, v.err, m.err, "error kind")
			require.Equal(t, v.lines, m.lines)
			if v.good() || len(v.lines) > 0 {
				require.Equal(t, v.message, m.command.String())
			}
		})
	}
}

func TestVectorsEncodeToTheirFrames(t *testing.T) {
	t.Parallel()
	for _, v := range loadVectors(t) {
		if !v.good() || v.noEncode {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			header, err := decode(v.role, v.direction, v.frames).encode()
			require.NoError(t, err)
			require.Equal(t, hex.EncodeToString(v.frames[0]), hex.EncodeToString(header))
		})
	}
}

// A good message with its last octets missing, or one more, is never accepted,
// unless what is missing is a whole property or a whole record.
func TestVectorsShortenedOrLengthened(t *testing.T) {
	t.Parallel()
	for _, v := range loadVectors(t) {
		if !v.good() || v.message == "BATCH" {
			continue
		}
		header := v.frames[0]
		list := v.message == "REGISTER" || v.message == "WELCOME"
		for n := range header {
			m := decode(v.role, v.direction, append([][]byte{header[:n:n]}, v.frames[1:]...))
			if !list {
				require.NotEmpty(t, m.err, "%s cut to %d octets", v.name, n)
			}
		}
		longer := append(header[:len(header):len(header)], 0)
		require.NotEmpty(t, decode(v.role, v.direction, append([][]byte{longer}, v.frames[1:]...)).err, v.name)
	}
}

func TestVectorsCoverEveryMessage(t *testing.T) {
	t.Parallel()
	good, bad := map[string]bool{}, 0
	names := map[string]bool{}
	for _, v := range loadVectors(t) {
		require.False(t, names[v.name], "two vectors are called %s", v.name)
		names[v.name] = true
		require.Regexp(t, `^R-[0-9]+$`, v.rule, v.name)
		if v.good() {
			good[messageKey(v.role, v.direction, v.message)] = true
		} else {
			bad++
		}
	}
	for _, key := range everyMessage() {
		require.True(t, good[key], "no good vector for %s", key)
	}
	require.GreaterOrEqual(t, bad, 60)
}

func messageKey(role protocol.Role, d protocol.Direction, message string) string {
	return role.String() + " " + d.String() + " " + message
}

// everyMessage lists what Header.Frames allows.
func everyMessage() []string {
	var out []string
	for _, role := range []protocol.Role{protocol.RoleWorker, protocol.RoleRunner} {
		for _, d := range []protocol.Direction{protocol.ToMaster, protocol.FromMaster} {
			for c := range protocol.Command(255) {
				if (protocol.Header{Version: 1, Role: role, Command: c}).Frames(d) > 0 {
					out = append(out, messageKey(role, d, c.String()))
				}
			}
		}
	}
	return out
}
