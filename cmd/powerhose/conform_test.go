// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/conform"
)

// conformTimeout is generous: the machine that runs all tests at once is slow.
const conformTimeout = "--timeout=10s"

// conformRun runs conform to its end, which takes longer than other commands.
func conformRun(w *world, args ...string) result {
	w.t.Helper()
	p := w.start("powerhose", append([]string{"conform"}, args...)...)
	select {
	case <-p.ended:
	case <-time.After(5 * patience):
		require.FailNow(w.t, "does not end", "%v: %s", args, p.stderr.String())
	}
	return result{p.cmd.ProcessState.ExitCode(), p.stdout.String(), p.stderr.String()}
}

func TestConformGoWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := conformRun(w, "--json", "--parallel=8", conformTimeout, "--", filepath.Join(bin, "powerhose-worker"), "--capacity", "2")
	var findings []conform.Finding
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &findings))
	verdicts := map[conform.Verdict]int{}
	for _, f := range findings {
		verdicts[f.Verdict]++
		require.NotEqual(t, conform.Broken, f.Verdict, "%v %s: %s", f.Rule, f.Name, f.Evidence)
	}
	require.Zero(t, got.code)
	require.Greater(t, verdicts[conform.Holds], 90)
	require.Len(t, strings.Split(strings.TrimSpace(got.stderr), "\n"), len(findings), "one line of progress for each")
}

func TestConformPythonWorker(t *testing.T) {
	t.Parallel()
	requirePython(t)
	w := newWorld(t)
	program, err := filepath.Abs(filepath.Join("..", "..", "examples", "python-worker", "worker.py"))
	require.NoError(t, err)
	got := conformRun(w, "--quiet", "--parallel=8", conformTimeout, "--", python, program)
	require.Zero(t, got.code, got.stdout)
	require.Empty(t, got.stderr)
	require.Contains(t, got.stdout, ", python, services echo,square,fail,sleep, capacity 1, prefetch 0, batch 0\n")
	require.Contains(t, got.stdout, "\n11 Leaving\n  holds   R-59  ")
	require.Contains(t, got.stdout, "  n/a     R-17  a batch of jobs is the same as the jobs (it offers no batches)\n")
	require.Contains(t, got.stdout, " hold, 0 broken, ")
}

const python = "/usr/bin/python3"

// requirePython skips where there is no Python with pyzmq, and fails where
// everything must be tested.
func requirePython(t *testing.T) {
	t.Helper()
	out, err := exec.Command(python, "-c", "import zmq").CombinedOutput()
	if err == nil {
		return
	}
	if os.Getenv("POWERHOSE_REQUIRE_ALL") == "1" {
		t.Fatalf("%s cannot import zmq (Debian: python3-zmq): %v: %s", python, err, out)
	}
	t.Skipf("THE PYTHON WORKER IS NOT TESTED: %s cannot import zmq (Debian: python3-zmq): %v", python, err)
}

func TestConformFindsFault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := conformRun(w, "--quiet", "--only", "R-60", "--", "false")
	require.Equal(t, 1, got.code)
	require.Empty(t, got.stderr)
	require.Regexp(t, `^\n7 Registering
  BROKEN  R-21  it registers when a probe arrives
                expected REGISTER within 10s, got nothing; it ended: exit status 1

no other check was reached, as it did not register

0 hold, 1 broken, 1 not applicable
$`, got.stdout)
}

// The programs in docs/writing-a-worker.md are right workers as they stand there.
func TestWorkersInTheDocumentConform(t *testing.T) {
	t.Parallel()
	requirePython(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "writing-a-worker.md"))
	require.NoError(t, err)
	w := newWorld(t)
	for language, file := range map[string]string{"go": "main.go", "python": "square.py"} {
		_, code, found := strings.Cut(string(text), "```"+language+"\n")
		require.True(t, found)
		code, _, _ = strings.Cut(code, "```")
		require.NoError(t, os.WriteFile(filepath.Join(w.dir, file), []byte(code), 0o600))
	}
	library, err := os.ReadFile(filepath.Join("..", "..", "examples", "python-worker", "worker.py"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "worker.py"), library, 0o600))
	program := filepath.Join(w.dir, "square-worker")
	out, err := exec.Command("go", "build", "-o", program, filepath.Join(w.dir, "main.go")).CombinedOutput()
	require.NoError(t, err, string(out))
	for _, command := range [][]string{{program}, {python, filepath.Join(w.dir, "square.py")}} {
		got := conformRun(w, append([]string{"-q", conformTimeout, "--only=R-42,R-53,R-60", "--"}, command...)...)
		require.Zero(t, got.code, got.stdout)
		require.Contains(t, got.stdout, "4 hold, 0 broken, 0 not applicable")
	}
}

// The names of services and the switch for listen mode are the user's to say.
func TestConformTakesNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	worker := filepath.Join(bin, "powerhose-worker")
	got := conformRun(w, "-q", conformTimeout, "--only=R-40,R-74", "--echo=square", "--sleep=sleep", "--burn=nothing", "--fail=square", "--fill=nothing",
		"--listen-arg=--listen={endpoint}", "--", "sh", "-c", `unset POWERHOSE_LISTEN; exec "$@"`, "sh", worker)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stdout, "holds   R-40  a handler that fails gives an error with a text")
	require.Contains(t, got.stdout, "holds   R-74  each REGISTER names another endpoint, and the one before is closed")
	require.Contains(t, got.stdout, `expected echo of 1 octets to succeed, got the error "square: not a decimal integer"`)
}

func TestConformIsInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.start("powerhose", "conform", "--", filepath.Join(bin, "powerhose-worker"))
	require.Eventually(t, func() bool { return strings.Contains(p.stderr.String(), "[1/") }, patience, time.Millisecond)
	p.signal(syscall.SIGTERM)
	require.Equal(t, 1, p.wait())
	require.Contains(t, p.stderr.String(), "powerhose conform: signal: terminated\n")
	require.Empty(t, p.stdout.String())
}

func TestConformWrongUsage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for line, text := range map[string]string{
		"conform":                       "name the program to test after --",
		"conform --timeout 0 -- true":   "--timeout must be more than 0",
		"conform --parallel 0 -- true":  "--parallel must be at least 1",
		"conform --only R-99 -- true":   `--only: "R-99" is not the number of a rule`,
		"conform --only R-37 -- true":   "--only: there is no check of R-37",
		"conform --what -- true":        "unknown flag: --what",
		"conform -- /no/such/program x": "cannot run the command",
	} {
		got := w.run("", strings.Fields(line)...)
		require.Equal(t, 2, got.code, "%s: %+v", line, got)
		require.Empty(t, got.stdout, line)
		require.Contains(t, got.stderr, text, line)
	}
}

// docs/commands.md has the flags of conform.
func TestConformIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "commands.md"))
	require.NoError(t, err)
	require.Contains(t, string(text), "`powerhose conform")
	fs := conformCommand().Flags()
	for line := range strings.Lines(fs.FlagUsages()) {
		_, flag, found := strings.Cut(line, "--")
		require.True(t, found, line)
		name, _, _ := strings.Cut(flag, " ")
		require.Contains(t, string(text), "`--"+name, line)
	}
}
