// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// errAbsent is why a peer is skipped; any other trouble with its tools is a
// failure.
var errAbsent = errors.New("not installed (make bench-deps installs it)")

//go:embed native/*.cpp native/*.hpp
var native embed.FS

// tools are the programs that peers need beside this one. Each is built or found
// into the folder, under its name.
var tools = []struct {
	name string
	make func(ctx context.Context, to string) error
}{
	{"powerhose-master", func(ctx context.Context, to string) error { return buildCommand(ctx, "powerhose-master", to) }},
	{"powerhose-worker", func(ctx context.Context, to string) error { return buildCommand(ctx, "powerhose-worker", to) }},
	{"cxx-worker", func(ctx context.Context, to string) error { return buildNative(ctx, to, "OFF") }},
	{"powerhose-cworker", func(ctx context.Context, to string) error { return buildNative(ctx, to, "ON") }},
	{"crypto-service", func(ctx context.Context, to string) error { return buildNative(ctx, to, "ON") }},
	{"crypto-library", func(ctx context.Context, to string) error { return buildNative(ctx, to, "ON") }},
	{"crypto-keys", copyKeys},
	{"raw", func(ctx context.Context, to string) error { return compile(ctx, "raw.cpp", "libzmq", to) }},
	{"gearman", func(ctx context.Context, to string) error { return compile(ctx, "gearman.cpp", "gearmand", to) }},
	{"gearmand", findGearmand},
}

// makeTools makes all tools that any of the peers needs. A tool that cannot be
// had has an error in the result. More are tools that cases need.
func makeTools(ctx context.Context, dir string, wanted []*peer, more []string) (map[string]error, error) {
	if err := os.CopyFS(dir, native); err != nil {
		return nil, fmt.Errorf("unpack the sources: %w", err)
	}
	needed := map[string]bool{}
	for _, p := range wanted {
		for _, name := range p.needs {
			needed[name] = true
		}
	}
	for _, name := range more {
		needed[name] = true
	}
	built := map[string]error{}
	for _, t := range tools {
		if needed[t.name] {
			if err := t.make(ctx, filepath.Join(dir, t.name)); err != nil {
				built[t.name] = fmt.Errorf("%s: %w", t.name, err)
			}
		}
	}
	return built, ctx.Err()
}

// compile compiles a program of native/ against a library.
func compile(ctx context.Context, source, library, to string) error {
	compiler := os.Getenv("CXX")
	if compiler == "" {
		compiler = "g++"
	}
	flags, err := output(ctx, "", "pkg-config", "--cflags", "--libs", library)
	if err != nil {
		return fmt.Errorf("%s: %w", library, errAbsent)
	}
	args := []string{"-std=c++17", "-O2", "-o", to, filepath.Join(filepath.Dir(to), "native", source)}
	_, err = output(ctx, "", compiler, append(args, strings.Fields(flags)...)...)
	return err
}

// root is the folder of the module that is measured.
func root(ctx context.Context) (string, error) {
	return output(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}", "github.com/powerhose/powerhose")
}

// buildCommand builds one of our programs in Go.
func buildCommand(ctx context.Context, name, to string) error {
	dir, err := root(ctx)
	if err != nil {
		return err
	}
	_, err = output(ctx, dir, "go", "build", "-o", to, "./cmd/"+name)
	return err
}

// buildNative builds programs of native/worker and of cworker. It takes a while
// the first time, so the objects are kept beside the results.
func buildNative(ctx context.Context, to string, withCrypto string) error {
	dir, err := root(ctx)
	if err != nil {
		return err
	}
	cache, target := filepath.Join(dir, "bench", "out", "build"), filepath.Base(to)
	if _, err := output(ctx, "", "cmake", "-S", filepath.Join(dir, "bench", "native", "worker"), "-B", cache,
		"-DCMAKE_BUILD_TYPE=Release", "-DPOWERHOSE_CWORKER="+filepath.Join(dir, "cworker"), "-DBENCH_CRYPTO="+withCrypto); err != nil {
		return err
	}
	if withCrypto == "ON" {
		targets, err := output(ctx, "", "cmake", "--build", cache, "--target", "help")
		if err != nil {
			return err
		}
		if !strings.Contains(targets, " crypto-library") {
			return fmt.Errorf("libcrypto++ or libprotobuf: %w", errAbsent)
		}
	}
	if _, err := output(ctx, "", "cmake", "--build", cache, "--target", target, "-j", strconv.Itoa(runtime.NumCPU())); err != nil {
		return err
	}
	path := filepath.Join(cache, target)
	if _, err := os.Stat(path); err != nil {
		path = filepath.Join(cache, "cworker", "program", target)
	}
	return os.Symlink(path, to)
}

func findGearmand(_ context.Context, to string) error {
	path, err := exec.LookPath("gearmand")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/gearmand") // not everybody's PATH has it
	}
	if err != nil {
		return errAbsent
	}
	return os.Symlink(path, to)
}

// output runs a program and returns what it prints.
func output(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%s: %w", program, errAbsent)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}
