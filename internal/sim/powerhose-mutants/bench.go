// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// packages have the tests that may find what the simulation does not.
var packages = []string{"internal/dispatch", "internal/session", "internal/hub"}

// How long the steps may take on a slow machine.
const (
	mostBuild = 5 * time.Minute
	mostTests = 90 * time.Second
	mostSeed  = 20 * time.Second
)

// quickLink leaves out what only a debugger reads.
const quickLink = "-ldflags=-s -w"

// bench is where mutants are tried.
type bench struct {
	root, dir string
	seeds     int
	limit     time.Duration
	both      bool
	quick     bool
}

// try tells who finds a mutant.
func (b *bench) try(ctx context.Context, i int, m mutant) (v verdict) {
	dir := filepath.Join(b.dir, strconv.Itoa(i))
	defer os.RemoveAll(dir)
	overlay, err := b.overlay(dir, m)
	if err != nil {
		return verdict{err: err}
	}
	testing := slices.Clone(packages)
	slices.SortStableFunc(testing, func(x, y string) int { // its own first
		return strings.Compare(strings.Replace(x, m.pkg, "", 1), strings.Replace(y, m.pkg, "", 1))
	})
	if b.quick {
		if v.tests, v.err = b.test(ctx, dir, overlay, testing[0]); v.err != nil || v.tests != "" {
			return v
		}
		testing = testing[1:]
	}
	if v.simulation, v.err = b.simulate(ctx, dir, overlay); v.err != nil || v.simulation != "" && !b.both {
		return v
	}
	for _, pkg := range testing {
		if v.tests, v.err = b.test(ctx, dir, overlay, pkg); v.err != nil || v.tests != "" {
			return v
		}
	}
	return v
}

// overlay writes the file as the mutant has it, and tells the compiler of it.
func (b *bench) overlay(dir string, m mutant) (string, error) {
	path, text, err := m.apply(b.root)
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	changed := filepath.Join(dir, "mutant.go")
	if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
		return "", err
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, replace, 0o600)
}

// simulate tells how the simulation finds the mutant; "" if it does not.
func (b *bench) simulate(ctx context.Context, dir, overlay string) (string, error) {
	sim := filepath.Join(dir, "sim")
	if err := b.build(ctx, "build", "-buildvcs=false", quickLink, "-overlay", overlay, "-o", sim, "./internal/sim/powerhose-sim"); err != nil {
		return "", err
	}
	out, err := command(ctx, b.limit+2*mostSeed, b.root, sim, "-from", "1", "-seeds", strconv.Itoa(b.seeds), "-parallel", "1",
		"-time", b.limit.String(), "-hang", mostSeed.String(), "-shrink=false")
	switch {
	case err == nil:
		return "", nil
	case errors.Is(err, context.DeadlineExceeded):
		return "simulation: it does not end", nil
	}
	return "simulation, " + complaint(out), nil
}

// test tells which test of a package finds the mutant; "" if none does. It runs
// in a folder where it may leave what it likes.
func (b *bench) test(ctx context.Context, dir, overlay, pkg string) (string, error) {
	test := filepath.Join(dir, "test")
	if err := b.build(ctx, "test", "-c", quickLink, "-overlay", overlay, "-o", test, "./"+pkg); err != nil {
		return "", err
	}
	at := filepath.Join(dir, filepath.Base(pkg))
	data := filepath.Join(b.root, pkg, "testdata")
	if _, err := os.Stat(data); err == nil {
		if err := os.CopyFS(filepath.Join(at, "testdata"), os.DirFS(data)); err != nil {
			return "", err
		}
	} else if err := os.MkdirAll(at, 0o700); err != nil {
		return "", err
	}
	for _, name := range append(failures(ctx, at, test, "."), "") {
		if name == "" {
			return "", nil
		}
		// On a busy machine a test may fail for no fault of the mutant's, but hardly twice.
		if again := failures(ctx, at, test, name); len(again) > 0 {
			return fmt.Sprintf("test: %s, %s", strings.TrimPrefix(pkg, "internal/"), name), nil
		}
	}
	return "", nil
}

// failures are the tests that fail, of those that match; "." if it cannot be told
// which.
func failures(ctx context.Context, dir, test, which string) (names []string) {
	run := which
	if which != "." {
		run = "^" + which + "$"
	}
	out, err := command(ctx, 2*mostTests, dir, test, "-test.timeout", mostTests.String(), "-test.run", run)
	if err == nil {
		return nil
	}
	for _, m := range failedTest.FindAllSubmatch(out, -1) {
		names = append(names, string(m[1]))
	}
	if m := panics.Find(out); len(names) == 0 && m != nil {
		names = runningTest(out)
	}
	if len(names) == 0 {
		names = []string{"."}
	}
	return names
}

// runningTest is the test in which all came to an end.
func runningTest(out []byte) []string {
	if m := inTest.FindSubmatch(out); m != nil {
		return []string{string(m[1])}
	}
	return nil
}

var (
	failedTest = regexp.MustCompile(`(?m)^--- FAIL: (Test\w+)`)
	inTest     = regexp.MustCompile(`(?m)\.(Test\w+)\(`)
	panics     = regexp.MustCompile(`(?m)^panic: .*$`)
)

// build runs the go command. A mutant that does not compile is none.
func (b *bench) build(ctx context.Context, args ...string) error {
	if out, err := command(ctx, mostBuild, b.root, "go", args...); err != nil {
		return fmt.Errorf("it does not compile: %w\n%s", err, out)
	}
	return nil
}

func command(ctx context.Context, limit time.Duration, dir, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	return out, err
}

var (
	failed = regexp.MustCompile(`(?m)^FAILED (seed \d+).*?: (.*)$`)
	events = regexp.MustCompile(`(?m)^that was after \d+ seeds and (\d+) events`)
)

// complaint is what the simulation says of a mutant.
func complaint(out []byte) string {
	m := failed.FindSubmatch(out)
	if m == nil {
		return "it crashes: " + string(out[:min(len(out), 200)])
	}
	text := string(bytes.TrimSpace(m[2]))
	if len(text) > 110 {
		text = text[:110] + "…"
	}
	if n := events.FindSubmatch(out); n != nil {
		return fmt.Sprintf("%s after %s events: %s", m[1], n[1], text)
	}
	return fmt.Sprintf("%s: %s", m[1], text)
}

var (
	seedOf  = regexp.MustCompile(`simulation, seed \d+( after \d+ events)?: (job \d+ \(.*?\): )?`)
	numbers = regexp.MustCompile(`(\b(worker|runner|master|app)\d+\b)|\{[^}]*\}?|\d+(\.\d+)?(ns|µs|ms|s)\b|\b\d+\b`)
)

// lasting leaves out of a verdict what changes with every change of the source.
func lasting(text string) string {
	text, _, _ = strings.Cut(seedOf.ReplaceAllString(text, "simulation: "), "\n")
	return strings.ReplaceAll(numbers.ReplaceAllStringFunc(text, func(found string) string {
		for _, who := range []string{"worker", "runner", "master"} {
			if strings.HasPrefix(found, who) {
				return "a " + who
			}
		}
		if strings.HasPrefix(found, "app") {
			return "a master"
		}
		return "…"
	}), "|", "/")
}
