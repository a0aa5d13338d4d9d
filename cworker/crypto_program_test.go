// SPDX-License-Identifier: Apache-2.0

package cworker_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/cryptosvc"
	"github.com/powerhose/powerhose/jobrunner"
	"github.com/powerhose/powerhose/protocol"
	pb "github.com/powerhose/powerhose/protocol/crypto"
)

const macKey = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"

// macKeyDir makes a directory with one key, mac.hmac.
func macKeyDir(t testing.TB, mode os.FileMode, content string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	file := filepath.Join(dir, "mac.hmac")
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	require.NoError(t, os.Chmod(file, mode))
	return dir
}

func TestCryptoProgramChecksItsKeys(t *testing.T) {
	t.Parallel()
	cryptoProgram(t)
	missing := filepath.Join(t.TempDir(), "missing")
	for _, c := range []struct {
		args []string
		env  string
		code int
		text string
	}{
		{args: []string{"--keys", macKeyDir(t, 0o644, macKey)}, code: 1, text: "mac.hmac: its mode is 0644: others could use it; chmod 0600"},
		{args: []string{"--keys", macKeyDir(t, 0o600, macKey+"!")}, code: 1, text: "mac.hmac: key: not an even number of hexadecimal digits"},
		{args: []string{"--keys", missing}, code: 1, text: "No such file or directory"},
		{env: "POWERHOSE_KEYS=" + missing, code: 1, text: "No such file or directory"},
		{args: []string{"--keys", t.TempDir(), "--services", "echo"}, code: 2, text: "--keys is of no use without the service crypto"},
		{args: []string{"--services", "crypto,nonsense"}, code: 2, text: `there is no built-in service "nonsense", only burn, crypto, echo, sleep, square`},
		{env: "POWERHOSE_CORE_DUMPS=perhaps", code: 2, text: "perhaps"},
	} {
		cmd := exec.Command(program(t), c.args...)
		if c.env != "" {
			cmd.Env = append(os.Environ(), c.env)
		}
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, "%v", c)
		require.Equal(t, c.code, exit.ExitCode(), "%v: %s", c, out)
		require.Contains(t, string(out), c.text)
		require.NotContains(t, string(out), macKey)
	}
}

// The directory of keys comes from the environment too, as a supervisor would
// set it.
func TestCryptoProgramFindsItsKeysInTheEnvironment(t *testing.T) {
	t.Parallel()
	cryptoProgram(t)
	env := []string{"POWERHOSE_KEYS=" + macKeyDir(t, 0o600, macKey), "POWERHOSE_SERVICES=echo,crypto"}
	r := start(t, jobrunner.Config{Env: env}, 1)
	mac := func(key *pb.Key) []byte {
		got := submit(t, r, marshal(t, &pb.Request{Operation: &pb.Request_Hmac{Hmac: &pb.Hmac{
			Hash: pb.Hash_SHA256, Key: key, Data: []byte("data"),
		}}}))
		require.Nil(t, got.GetError())
		return got.GetOutput()
	}
	require.Equal(t, mac(rawKey(bytes.Repeat([]byte{0x0b}, 16))), mac(nameKey("mac")))
	require.ElementsMatch(t, []string{"crypto", "echo"}, onlyWorker(t, r).Services)
}

// What a request may ask for at most is worth a worker's second or two; what is
// larger than any request is refused before it is decoded.
func TestCryptoProgramRefusesWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	r := startCrypto(t, keyDir(t))
	for _, size := range []int{cryptosvc.MaxRequest, cryptosvc.MaxRequest + 1} {
		want := pb.ErrorCode_BAD_REQUEST
		if size > cryptosvc.MaxRequest {
			want = pb.ErrorCode_BAD_LENGTH
		}
		got := submit(t, r, bytes.Repeat([]byte{0xff}, size))
		require.Equal(t, want, got.GetError().GetCode())
	}
}

var coreLimit = regexp.MustCompile(`(?m)^Max core file size +(\S+) +(\S+)`)

// That others may not trace it cannot be seen from outside as root, which tests
// often are; crypto-tests looks at that from inside.
func TestCryptoProgramLeavesNoCoreDump(t *testing.T) {
	t.Parallel()
	own := coreLimitOf(t, os.Getpid())
	for _, c := range []struct {
		args []string
		want string
	}{
		{want: "0 0"},
		{args: []string{"--services=echo"}, want: "0 0"},
		{args: []string{"--core-dumps"}, want: own},
	} {
		r := start(t, jobrunner.Config{}, 1, c.args...)
		require.Equal(t, c.want, coreLimitOf(t, onlyWorker(t, r).PID), "%v", c.args)
	}
}

func onlyWorker(t testing.TB, r *jobrunner.Runner) protocol.WorkerStatus {
	t.Helper()
	status, err := r.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, status.Workers, 1)
	return status.Workers[0]
}

func coreLimitOf(t testing.TB, pid int) string {
	t.Helper()
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	require.NoError(t, err)
	found := coreLimit.FindSubmatch(limits)
	require.NotNil(t, found)
	return fmt.Sprintf("%s %s", found[1], found[2])
}
