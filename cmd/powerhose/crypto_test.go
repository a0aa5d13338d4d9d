// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/powerhose/powerhose/protocol/crypto"
)

// macKey is RFC 4231's test case 1.
const macKey = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"

func (w *world) keyDir(files map[string]string) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, "keys")
	require.NoError(w.t, os.Mkdir(dir, 0o700))
	for name, content := range files {
		require.NoError(w.t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

func (w *world) hmac(key *crypto.Key) *crypto.Response {
	w.t.Helper()
	job, err := proto.Marshal(&crypto.Request{Operation: &crypto.Request_Hmac{Hmac: &crypto.Hmac{
		Hash: crypto.Hash_SHA256, Key: key, Data: []byte("Hi There"),
	}}})
	require.NoError(w.t, err)
	got := w.run(string(job), "exec", "--service", "crypto")
	require.Zero(w.t, got.code, "%+v", got)
	response := &crypto.Response{}
	require.NoError(w.t, proto.Unmarshal([]byte(got.stdout), response))
	return response
}

func TestCryptoWithAKeyThatOnlyTheWorkerHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("powerhose-master")
	dir := w.keyDir(map[string]string{"mac.hmac": macKey})
	worker := w.start("powerhose-worker", "--services", "crypto", "--keys", dir)
	w.ready(1)
	const want = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
	got := w.hmac(&crypto.Key{Source: &crypto.Key_Name{Name: "mac"}})
	require.Equal(t, want, fmt.Sprintf("%x", got.GetOutput()))
	got = w.hmac(&crypto.Key{Source: &crypto.Key_Raw{Raw: []byte(strings.Repeat("\x0b", 20))}})
	require.Equal(t, want, fmt.Sprintf("%x", got.GetOutput()))
	got = w.hmac(&crypto.Key{Source: &crypto.Key_Name{Name: "other"}})
	require.Equal(t, crypto.ErrorCode_UNKNOWN_KEY, got.GetError().GetCode())

	said := worker.stderr.String()
	require.Contains(t, said, "mac.hmac")
	require.NotContains(t, said, macKey[:8])
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", worker.pid()))
	require.NoError(t, err)
	require.Regexp(t, `Max core file size +0 +0 `, string(limits))
}

func TestKeysOfAWorkerAreChecked(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		text    string
		code    int
		prepare func(w *world) []string
	}{
		"readable by others": {"mac.hmac: its mode is 0644: others could use it; chmod 0600", 1, func(w *world) []string {
			dir := w.keyDir(map[string]string{"mac.hmac": macKey})
			require.NoError(t, os.Chmod(filepath.Join(dir, "mac.hmac"), 0o644))
			return []string{"--keys", dir}
		}},
		"not a key": {"mac.hmac: not an even number of hexadecimal digits", 1, func(w *world) []string {
			return []string{"--keys", w.keyDir(map[string]string{"mac.hmac": "secret!"})}
		}},
		"no directory": {"no such file or directory", 1, func(w *world) []string {
			return []string{"--keys", filepath.Join(w.dir, "missing")}
		}},
		"no use": {"--keys is of no use without the service crypto", 2, func(w *world) []string {
			return []string{"--services", "echo", "--keys", w.dir}
		}},
	} {
		w := newWorld(t)
		got := w.runCommand(w.command("powerhose-worker", c.prepare(w)...), "")
		require.Equal(t, c.code, got.code, "%s: %+v", what, got)
		require.Contains(t, got.stderr, c.text, what)
		require.NotContains(t, got.stderr, "secret!", what)
	}
}
