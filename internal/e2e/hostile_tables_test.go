// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/protocol"
)

// TestNoTableHasAHashThatPeersKnow looks at the sources. Whoever knows how a table
// hashes can choose names that all fall into one place. Go's maps hash with a
// secret of each map, so all that is forbidden there is a hash of one's own. In
// C++ std::hash has no secret: what is keyed by names must be an ordered tree, of
// which a search among n needs at most 2 log2(n+1) comparisons, whoever chose them.
func TestNoTableHasAHashThatPeersKnow(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	looked := map[string]int{}
	for _, dir := range []string{
		"protocol", "master", "worker", "jobrunner", "cmd",
		"internal/call", "internal/client", "internal/combine", "internal/dispatch", "internal/hub", "internal/session", "internal/zmqnet",
	} {
		sources(t, filepath.Join(root, dir), ".go", func(path string) {
			if strings.HasSuffix(path, "_test.go") {
				return
			}
			looked["go"]++
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			require.NoError(t, err)
			for _, imported := range f.Imports {
				require.NotRegexp(t, `^"(hash/|math/rand")`, imported.Path.Value, path)
			}
		})
	}
	hashed := regexp.MustCompile(`\bunordered_(multi)?(map|set)\b|\bstd::hash\b`)
	for _, dir := range []string{"cworker/src", "cworker/include", "cworker/program"} {
		for _, ext := range []string{".cpp", ".hpp"} {
			sources(t, filepath.Join(root, dir), ext, func(path string) {
				looked["c++"]++
				text, err := os.ReadFile(path)
				require.NoError(t, err)
				require.Empty(t, hashed.FindString(string(text)), path)
			})
		}
	}
	t.Log(looked)
	require.Greater(t, looked["go"], 50)
	require.Greater(t, looked["c++"], 30)
}

func sources(t *testing.T, dir, ext string, look func(path string)) {
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ext {
			look(path)
		}
		return err
	}))
}

// TestChosenNamesAndIDsCostWhatOthersCost has a master keep thousands of waiting
// jobs whose ids and services are such as fall together in tables without a
// secret, and compares with others what that costs it.
func TestChosenNamesAndIDsCostWhatOthersCost(t *testing.T) {
	s := newSite(t)
	m := s.master()
	r := dial(t, s.frontend, 100000)
	r.register(protocol.RoleRunner, protocol.Registration{Identity: "r"})
	const n = 8000
	cost := func(id func(i int) uint64, service func(i int) string) time.Duration {
		before := consumed(t, m.pid())
		for i := range n {
			r.send(submission(t, id(i), service(i), time.Hour), nil)
		}
		for i := range n {
			r.send(protocol.AppendRunnerCancel(nil, id(i)))
		}
		for range n {
			res, _ := r.next()
			require.Equal(t, protocol.OutcomeCancelled, res.Outcome)
		}
		return consumed(t, m.pid()) - before
	}
	ordinary := func() time.Duration {
		return cost(func(i int) uint64 { return uint64(i) }, func(i int) string { return fmt.Sprintf("service-%d", i) })
	}
	ordinary() // memory is there, code is in the caches
	base := max(ordinary(), ordinary())
	for name, chosen := range map[string]time.Duration{
		"the same low bits": cost(func(i int) uint64 { return uint64(i) << 48 }, func(int) string { return "x" }),
		"the same high bits and a step of a power of two": cost(func(i int) uint64 { return 1<<63 | uint64(i)<<20 }, func(int) string { return "x" }),
		// In tables that hash by h = 31*h + c, or 33*h ^ c, all of these are one.
		"names of equal sums": cost(func(i int) uint64 { return uint64(i) }, func(i int) string { return equalSum(i, "Aa", "BB") }),
		"names of equal ends": cost(func(i int) uint64 { return uint64(i) }, func(i int) string { return fmt.Sprintf("%08d", i) + strings.Repeat("z", 56) }),
	} {
		t.Logf("%s: %.2f of what others cost (%v)", name, float64(chosen)/float64(base), base)
		// One place for all would be thousands of comparisons for each.
		require.Less(t, chosen, 4*base+100*time.Millisecond, name)
	}
}

// equalSum spells a number with two digits.
func equalSum(i int, zero, one string) string {
	var b strings.Builder
	for bit := range 13 {
		if i>>bit&1 == 0 {
			b.WriteString(zero)
		} else {
			b.WriteString(one)
		}
	}
	return b.String()
}

// consumed is how much processor time a process has used: unlike time, it does
// not depend on who else wants the processor.
func consumed(t testing.TB, pid int) time.Duration {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	require.NoError(t, err)
	require.NotEmpty(t, tasks)
	var sum time.Duration
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		ns, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		require.NoError(t, err)
		sum += time.Duration(ns)
	}
	return sum
}
