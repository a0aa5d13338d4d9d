// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// helperEnv makes this test binary a worker with a ledger in the directory it
// names. It prints the path, then claims one job for each line it reads, and
// answers "claimed" or "closed".
const helperEnv = "LEDGER_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		if err := helper(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func helper(dir string) error {
	w, err := Create(dir)
	if err != nil {
		return err
	}
	fmt.Println(w.Path())
	lines := bufio.NewScanner(os.Stdin)
	for n := uint64(1); lines.Scan(); n++ {
		if w.Claim(n) {
			fmt.Println("claimed")
		} else {
			fmt.Println("closed")
		}
	}
	return w.Close()
}

// process is a worker in a process of its own.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(t *testing.T, dir string) (p *process, path string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"="+dir)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p = &process{t: t, cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return p, p.read()
}

func (p *process) read() string {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	require.NoError(p.t, err)
	return strings.TrimSpace(line)
}

func (p *process) claim() string {
	p.t.Helper()
	_, err := io.WriteString(p.in, "\n")
	require.NoError(p.t, err)
	return p.read()
}

func (p *process) kill() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Kill())
	require.Error(p.t, p.cmd.Wait())
}

func create(t *testing.T) *Worker {
	t.Helper()
	w, err := Create(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

func open(t *testing.T, path string) *Master {
	t.Helper()
	m, err := Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Release()) })
	return m
}

func requireCount(t *testing.T, want uint64, m *Master) {
	t.Helper()
	claimed, ok := m.CloseAndCount()
	require.True(t, ok)
	require.Equal(t, want, claimed)
}

func TestCountSurvivesTheWorker(t *testing.T) {
	t.Parallel()
	for _, jobs := range []uint64{0, 1, 7} {
		worker, path := start(t, t.TempDir())
		m := open(t, path)
		for range jobs {
			require.Equal(t, "claimed", worker.claim())
		}
		worker.kill()
		requireCount(t, jobs, m)
		require.NoError(t, m.Release())
		requireCount(t, jobs, m)
	}
}

func TestLivingWorkerCannotClaimOnceClosed(t *testing.T) {
	t.Parallel()
	worker, path := start(t, t.TempDir())
	m := open(t, path)
	require.Equal(t, "claimed", worker.claim())
	require.Equal(t, "claimed", worker.claim())
	requireCount(t, 2, m)
	require.Equal(t, "closed", worker.claim())
	require.Equal(t, "closed", worker.claim())
	requireCount(t, 2, m)
	require.NoError(t, worker.in.Close())
	require.NoError(t, worker.cmd.Wait())
	_, err := os.Lstat(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestClaimsInOrder(t *testing.T) {
	t.Parallel()
	w := create(t)
	m := open(t, w.Path())
	for _, c := range []struct {
		n    uint64
		want bool
	}{{0, false}, {2, false}, {1, true}, {1, false}, {3, false}, {2, true}, {closedBit, false}, {closedBit + 3, false}, {^uint64(0), false}} {
		require.Equal(t, c.want, w.Claim(c.n), "%d", c.n)
	}
	requireCount(t, 2, m)
	require.False(t, w.Claim(3))
	require.False(t, w.Claim(closedBit+3))
}

// Close and claims race: what the master counts is what was claimed.
func TestCloseRacesWithClaims(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 300 {
		w, err := Create(dir)
		require.NoError(t, err)
		m := open(t, w.Path())
		var claimed atomic.Uint64
		var wg sync.WaitGroup
		wg.Go(func() {
			for n := uint64(1); w.Claim(n); n++ {
				claimed.Store(n)
			}
		})
		for claimed.Load() == 0 {
			runtime.Gosched()
		}
		count, ok := m.CloseAndCount()
		wg.Wait()
		require.True(t, ok)
		require.Equal(t, claimed.Load(), count)
		require.NoError(t, w.Close())
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	w := create(t)
	require.True(t, filepath.IsAbs(w.Path()))
	require.Regexp(t, fmt.Sprintf(`^ledger-%d-[0-9a-f]{16}$`, os.Getpid()), filepath.Base(w.Path()))
	fi, err := os.Stat(w.Path())
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), fi.Mode())
	require.EqualValues(t, Size, fi.Size())
}

func TestMemoryOutlivesTheFile(t *testing.T) {
	t.Parallel()
	w := create(t)
	m := open(t, w.Path())
	require.NoError(t, w.Unlink())
	require.NoError(t, w.Unlink())
	require.True(t, w.Claim(1))
	requireCount(t, 1, m)
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
}

func TestShortenedFileIsNoCrash(t *testing.T) {
	t.Parallel()
	w := create(t)
	m := open(t, w.Path())
	require.True(t, w.Claim(1))
	require.NoError(t, os.Truncate(w.Path(), 0))
	for range 2 {
		claimed, ok := m.CloseAndCount()
		require.False(t, ok)
		require.Zero(t, claimed)
	}
	require.NoError(t, m.Release())
	require.NoError(t, m.Release())
}

func TestReleasedLedgerCountsNothing(t *testing.T) {
	t.Parallel()
	w := create(t)
	m := open(t, w.Path())
	require.NoError(t, m.Release())
	_, ok := m.CloseAndCount()
	require.False(t, ok)
	require.True(t, w.Claim(1))
}

func TestOtherPanicsPassThrough(t *testing.T) {
	t.Parallel()
	require.False(t, isFault("text"))
	require.False(t, isFault(fmt.Errorf("no fault")))
	require.False(t, func() (fault bool) {
		defer func() { fault = isFault(recover()) }()
		var none []int
		return none[len(os.Args)] == 0
	}())
}

func TestOpenRefusesOtherFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := create(t).Path()
	for name, c := range map[string]struct {
		make func(path string) error
		says string
	}{
		"ledger-1-short":   {func(p string) error { return os.WriteFile(p, make([]byte, Size-1), 0o600) }, "octets"},
		"ledger-1-long":    {func(p string) error { return os.WriteFile(p, make([]byte, Size+1), 0o600) }, "octets"},
		"ledger-1-folder":  {func(p string) error { return os.Mkdir(p, 0o700) }, "directory"},
		"ledger-1-fifo":    {func(p string) error { return unix.Mkfifo(p, 0o600) }, "not a regular file"},
		"ledger-1-link":    {func(p string) error { return os.Symlink(good, p) }, ""},
		"ledger-1-missing": {func(string) error { return nil }, "no such file"},
		"precious":         {func(p string) error { return os.WriteFile(p, make([]byte, Size), 0o600) }, "PID-RANDOM"},
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, c.make(path))
		_, err := Open(path)
		require.ErrorContains(t, err, c.says, name)
	}
	for _, path := range []string{"", "/", "ledger-1-a", "./ledger-1-a", "/x\x00/ledger-1-a", "/proc/self/mem"} {
		_, err := Open(path)
		require.Error(t, err, path)
	}
}

func TestOpenRefusesFilesOfOthers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	w := create(t)
	require.NoError(t, os.Chown(w.Path(), 12345, -1))
	_, err := Open(w.Path())
	require.ErrorContains(t, err, "is not a file of user")
}

func TestCreateWithoutDirectory(t *testing.T) {
	t.Parallel()
	_, err := Create(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestCleanStale(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dead, deadPath := start(t, dir)
	dead.kill()
	_, livingPath := start(t, dir)
	mine, err := Create(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, mine.Close()) }()
	pid := dead.cmd.Process.Pid
	keep := []string{livingPath, mine.Path()}
	for _, name := range []string{
		"ledger-x-1", "ledger--1", "ledger-0-1", "ledger--5-1", "other",
		fmt.Sprintf("ledger-%d", pid), fmt.Sprintf("ledger-%d-", pid), fmt.Sprintf("xledger-%d-1", pid),
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		keep = append(keep, path)
	}
	folder := filepath.Join(dir, fmt.Sprintf("ledger-%d-folder", pid))
	require.NoError(t, os.Mkdir(folder, 0o700))
	keep = append(keep, folder)

	removed, err := CleanStale(dir)
	require.NoError(t, err)
	require.Equal(t, 1, removed)
	_, err = os.Lstat(deadPath)
	require.ErrorIs(t, err, fs.ErrNotExist)
	for _, path := range keep {
		_, err = os.Lstat(path)
		require.NoError(t, err)
	}

	removed, err = CleanStale(filepath.Join(dir, "none"))
	require.NoError(t, err)
	require.Zero(t, removed)
}

// Not parallel: it counts the descriptors of the whole process.
func TestNothingStaysOpen(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc/self/fd to count descriptors: ", err)
		}
		return len(entries)
	}
	dir := t.TempDir()
	base := count()
	for range 100 {
		w, err := Create(dir)
		require.NoError(t, err)
		m, err := Open(w.Path())
		require.NoError(t, err)
		require.NoError(t, m.Release())
		require.NoError(t, w.Close())
	}
	require.Equal(t, base, count())
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	require.NotContains(t, string(maps), dir)
}

func BenchmarkClaim(b *testing.B) {
	w, err := Create(b.TempDir())
	require.NoError(b, err)
	n := uint64(0)
	for b.Loop() {
		n++
		if !w.Claim(n) {
			b.Fatal("closed")
		}
	}
	require.NoError(b, w.Close())
}
