// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"github.com/powerhose/powerhose/internal/version"
	"github.com/powerhose/powerhose/internal/zmqnet"
)

// system is what was measured, and where.
type system struct {
	when        string
	machine     string
	loadAverage string // over 1, 5 and 15 minutes, before the first round
	versions    map[string]string
}

func describe(ctx context.Context, tools string) system {
	s := system{
		when:        time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		loadAverage: loadAverage(),
		machine: fmt.Sprintf("%s, %d CPUs, %s, %s", field("/proc/cpuinfo", "model name", ":"), runtime.NumCPU(),
			strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `"`), kernel()),
		versions: map[string]string{
			"powerhose":   version.Version,
			"go":          strings.TrimPrefix(runtime.Version(), "go"),
			"libzmq":      zmqnet.Version(),
			"nats-server": server.VERSION,
			"nats.go":     nats.Version,
			"grpc-go":     grpc.Version,
		},
	}
	if commit, err := output(ctx, "", "git", "describe", "--always", "--dirty", "--abbrev=12"); err == nil {
		s.versions["powerhose"] += " (" + commit + ")"
	}
	said, err := output(ctx, "", filepath.Join(tools, "gearmand"), "--version")
	if words := strings.Fields(said); err == nil && len(words) > 1 {
		s.versions["gearmand"] = words[1]
	}
	return s
}

// loadAverage is how many processes wanted a processor lately.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

func kernel() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return "Linux"
	}
	return "Linux " + unix.ByteSliceToString(name.Release[:])
}

// field returns the value behind the first line that begins with that name.
func field(path, name, separator string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		key, value, found := strings.Cut(line, separator)
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
