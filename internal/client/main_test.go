// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/powerhose/powerhose/internal/call"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// patience is for what must happen; nothing is expected to take that long.
const patience = 30 * time.Second

// helperEnv makes this test binary a master at the endpoint that it holds, with
// the service "hold" beside what every testMaster has, until it is killed or
// its standard input ends.
const helperEnv = "CLIENT_TEST_MASTER"

func TestMain(m *testing.M) {
	if address := os.Getenv(helperEnv); address != "" {
		helper(address)
		return
	}
	code := m.Run()
	if code == 0 {
		if err := zmqnet.Shutdown(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func helper(address string) {
	// Only the end of its process can tell that it is gone.
	m, err := listen(address, protocol.Welcome{Heartbeat: protocol.MaxHeartbeat, Batch: 16})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	m.holding = func() { fmt.Println("holding") }
	go m.run()
	fmt.Println("listening")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// process is a master in a process of its own.
type process struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func startProcess(t testing.TB, address string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"="+address)
	cmd.Stderr = os.Stderr
	_, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &process{cmd: cmd, lines: bufio.NewScanner(out)}
	t.Cleanup(p.kill)
	p.expect(t, "listening")
	return p
}

func (p *process) expect(t testing.TB, line string) {
	t.Helper()
	require.True(t, p.lines.Scan(), "the master ended")
	require.Equal(t, line, p.lines.Text())
}

// kill ends it with SIGKILL. Killing twice is harmless.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// address returns an ipc endpoint in a folder of its own with a short name:
// t.TempDir can exceed what a unix socket allows.
func address(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pc")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return "ipc://" + filepath.Join(dir, "f")
}

func dial(t testing.TB, cfg Config) *Client {
	t.Helper()
	c, err := Dial(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// connect returns a client that is up with its first master.
func connect(t testing.TB, cfg Config) *Client {
	t.Helper()
	c := dial(t, cfg)
	awaitMaster(t, c, cfg.Masters[0])
	return c
}

// awaitMaster waits until jobs go to that master.
func awaitMaster(t testing.TB, c *Client, endpoint string) {
	t.Helper()
	eventually(t, func() bool {
		_, _, at, err := c.Master(t.Context())
		require.NoError(t, err)
		return at == endpoint
	})
}

// inside has f called by whoever is at work, and waits for it.
func inside(t testing.TB, c *Client, f func()) {
	t.Helper()
	done := make(chan struct{})
	require.True(t, c.queue.Add(task{kind: taskDo, do: func() { f(); close(done) }}))
	<-done
}

// eventually waits until ok says so, for what has no event.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); yield() {
		require.True(t, time.Now().Before(end), "it did not come")
	}
}

// yield passes a moment between two looks at something without an event.
func yield() { <-time.After(time.Millisecond) }

// newCall returns a call of the default service with a minute left.
func newCall(payload string, change ...func(*call.Call)) *call.Call {
	c := call.New()
	return again(c, payload, change...)
}

func again(c *call.Call, payload string, change ...func(*call.Call)) *call.Call {
	c.Reset()
	c.Payload, c.Wait, c.Deadline = []byte(payload), protocol.WaitForever, time.Now().Add(time.Minute)
	for _, f := range change {
		f(c)
	}
	return c
}

func service(name string) func(*call.Call) { return func(c *call.Call) { c.Service = name } }

func within(d time.Duration) func(*call.Call) {
	return func(c *call.Call) { c.Deadline = time.Now().Add(d) }
}

// await waits for the answer.
func await(t testing.TB, c *call.Call) *call.Call {
	t.Helper()
	select {
	case <-c.Done:
	case <-time.After(patience):
		require.FailNow(t, "no answer")
	}
	return c
}

func submit(c *Client, calls ...*call.Call) {
	for _, cl := range calls {
		c.Submit(cl)
	}
}

// done requires that the call is or will be answered with this result.
func done(t testing.TB, c *call.Call, result string) {
	t.Helper()
	hasResult(t, await(t, c), result)
}

func hasResult(t testing.TB, c *call.Call, result string) {
	t.Helper()
	require.Equal(t, verdict{MayHaveRun: true}, verdictOf(c))
	require.Equal(t, result, string(c.Result))
}

// verdict is what a caller is told beside the result.
type verdict struct {
	Outcome    protocol.Outcome
	MasterLost bool
	MayHaveRun bool
}

func verdictOf(c *call.Call) verdict { return verdict{c.Outcome, c.MasterLost, c.MayHaveRun} }
