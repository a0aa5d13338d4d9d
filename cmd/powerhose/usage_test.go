// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/version"
)

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for line, text := range map[string]string{
		"powerhose":                                         "name a command",
		"powerhose ecex":                                    `unknown command "ecex"`,
		"powerhose exec --what":                             "unknown flag: --what",
		"powerhose exec a b":                                "a job is one: quote it",
		"powerhose exec -7":                                 "unknown shorthand flag: '7'",
		"powerhose exec --timeout 5 x":                      "invalid argument \"5\" for \"-t, --timeout\"",
		"powerhose exec --timeout 0 x":                      "--timeout must be more than 0",
		"powerhose exec --retries 300 x":                    "--retries must be from 0 to 255",
		"powerhose exec --max-message 1 x":                  "MaxMessage",
		"powerhose exec --frontend nowhere x":               "does not begin with ipc:// or tcp://",
		"powerhose exec --frontend tcp://10.0.0.1:5555 x":   "--insecure",
		"powerhose status x":                                `unexpected argument "x"`,
		"powerhose status --timeout -1s":                    "--timeout must be more than 0",
		"powerhose status --frontend ipc://relative":        "path is not absolute",
		"powerhose run --workers 0":                         "--workers must be from 1 to 4096",
		"powerhose run --nice 20":                           "--nice must be from 0 to 19",
		"powerhose run --frontend tcp://*:1":                "--insecure",
		"powerhose-master x":                                `unexpected argument "x"`,
		"powerhose-master --frontend tcp://0.0.0.0:5555":    "--frontend: endpoint \"tcp://0.0.0.0:5555\": traffic would be neither encrypted",
		"powerhose-master --backend tcp://192.168.0.1:5555": "--backend: endpoint",
		"powerhose-master --heartbeat 0":                    "--heartbeat is 0s, allowed are 1ms to 1m0s",
		"powerhose-master --max-waiting 0":                  "--max-waiting is 0, allowed are",
		"powerhose-master --log-level loud":                 "must be one of debug, info, warn, error",
		"powerhose-worker --services echo,shave":            `there is no built-in service "shave", only burn, crypto, echo, sleep, square`,
		"powerhose-worker --capacity 2000":                  "Capacity is 2000",
		"powerhose-worker --backend tcp://10.0.0.1:5555":    "--insecure",
	} {
		words := strings.Fields(line)
		got := w.runCommand(w.command(words[0], words[1:]...), "")
		require.Equal(t, 2, got.code, "%s: %+v", line, got)
		require.Empty(t, got.stdout, line)
		require.Contains(t, got.stderr, text, line)
		require.Contains(t, got.stderr, "--help' for usage", line)
	}
	for _, args := range [][]string{{"check", "x"}, {"check", "--what"}, {"check", "--wait", "soon"}} {
		got := w.run("", args...)
		require.Equal(t, 3, got.code, "%v: %+v", args, got)
	}
	w.env = append(w.env, "POWERHOSE_MAX_MESSAGE=big")
	got := w.run("", "exec", "x")
	require.Equal(t, 2, got.code)
	require.Contains(t, got.stderr, "POWERHOSE_MAX_MESSAGE")
}

func TestHelpHasDefaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sockets := "ipc://" + w.dir + "/powerhose/"
	for line, texts := range map[string][]string{
		"powerhose":        {"run ", "exec ", "status ", "check ", "version ", "completion "},
		"powerhose exec":   {sockets + "frontend.sock", "(default 5s)", "(default 32MiB)", "12  the master is shutting down", "Exit codes"},
		"powerhose status": {"(default 2s)", "(default warn)"},
		"powerhose check":  {"(default 2s)", "CRITICAL"},
		"powerhose run": {
			sockets + "backend.sock", fmt.Sprintf("(default %d)", runtime.NumCPU()), "added to this process's niceness for the workers, 0 to 19 (default 5)", "(default info)",
		},
		"powerhose-master": {
			sockets + "frontend.sock", sockets + "backend.sock", "(default 1s)", "(default 3)", "(default 16384)", "(default 256MiB)",
			"(default 32MiB)", "(default 4096)", "(default 30s)", "(default text)", "Exit codes",
		},
		"powerhose-worker": {sockets + "backend.sock", "(default [burn,crypto,echo,sleep,square])", "(default 1)", "(default 5s)", "(default 30s)", "Exit codes"},
	} {
		words := append(strings.Fields(line), "--help")
		got := w.runCommand(w.command(words[0], words[1:]...), "")
		require.Zero(t, got.code, line)
		require.Empty(t, got.stderr, line)
		for _, text := range texts {
			require.Contains(t, got.stdout, text, line)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Contains(t, w.run("", "version").stdout, "powerhose "+version.Version)
	for _, program := range []string{"powerhose-master", "powerhose-worker"} {
		got := w.runCommand(w.command(program, "--version"), "")
		require.Equal(t, result{0, program + " version " + version.Version + "\n", ""}, got)
	}
}

func TestShellCompletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.run("", "completion", "bash")
	require.Zero(t, got.code)
	require.Contains(t, got.stdout, "__start_powerhose")
}

// docs/commands.md has the flags, commands and exit codes that there are.
func TestCommandsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "commands.md"))
	require.NoError(t, err)
	doc := string(text)
	for _, o := range outcomes {
		require.Contains(t, doc, fmt.Sprintf("| %d | %s |", o.code, o.means))
	}
	w := newWorld(t)
	for _, program := range []string{"powerhose run", "powerhose exec", "powerhose status", "powerhose check", "powerhose-master", "powerhose-worker"} {
		require.Contains(t, doc, "`"+program)
		words := append(strings.Fields(program), "--help")
		for line := range strings.Lines(w.runCommand(w.command(words[0], words[1:]...), "").stdout) {
			_, flag, found := strings.Cut(line, "      --")
			if !found {
				_, flag, found = strings.Cut(line, ", --")
			}
			if name, _, _ := strings.Cut(flag, " "); found && strings.TrimSpace(name) != "help" && strings.TrimSpace(name) != "version" {
				require.Contains(t, doc, "`--"+strings.TrimSpace(name), "%s: %s", program, line)
			}
		}
	}
}
