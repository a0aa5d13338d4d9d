// SPDX-License-Identifier: Apache-2.0

package master_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/jobrunner"
	"github.com/powerhose/powerhose/master"
	"github.com/powerhose/powerhose/worker"
)

func config(t testing.TB) master.Config {
	dir := t.TempDir()
	return master.Config{
		Frontend: "ipc://" + filepath.Join(dir, "f", "frontend.sock"),
		Backend:  "ipc://" + filepath.Join(dir, "b", "backend.sock"),
	}
}

func run(t testing.TB, m *master.Master) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	<-m.Ready()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

func TestNewMakesPrivateDirectoriesAndSockets(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	m, err := master.New(cfg)
	require.NoError(t, err)
	run(t, m)
	for _, e := range []string{m.Frontend(), m.Backend()} {
		path := e[len("ipc://"):]
		fi, err := os.Stat(filepath.Dir(path))
		require.NoError(t, err)
		require.EqualValues(t, 0o700, fi.Mode().Perm())
		fi, err = os.Stat(path)
		require.NoError(t, err)
		require.EqualValues(t, 0o600, fi.Mode().Perm())
	}
	require.ErrorIs(t, m.Run(context.Background()), master.ErrRunning)
}

func TestNewNamesTheMasterThatIsThere(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	m, err := master.New(cfg)
	require.NoError(t, err)
	run(t, m)
	_, err = master.New(cfg)
	var inUse *master.InUseError
	require.ErrorAs(t, err, &inUse)
	require.Equal(t, os.Getpid(), inUse.PID)
	require.Contains(t, err.Error(), fmt.Sprint(os.Getpid()))
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*master.Config)
		says   string
	}{
		"scheme":     {func(c *master.Config) { c.Frontend = "http://localhost" }, "Config.Frontend"},
		"relative":   {func(c *master.Config) { c.Backend = "ipc://backend.sock" }, "Config.Backend"},
		"same":       {func(c *master.Config) { c.Frontend = c.Backend }, "must differ"},
		"everywhere": {func(c *master.Config) { c.Frontend = "tcp://0.0.0.0:7000" }, "Insecure"},
		"heartbeat":  {func(c *master.Config) { c.Heartbeat = 1 }, "heartbeat"},
		"liveness":   {func(c *master.Config) { c.Liveness = 1 }, "liveness"},
		"message":    {func(c *master.Config) { c.MaxMessage = 10 }, "MaxMessage"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t)
			c.change(&cfg)
			_, err := master.New(cfg)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestStatsAreThoseOfARunningMaster(t *testing.T) {
	t.Parallel()
	m, err := master.New(config(t))
	require.NoError(t, err)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = m.Stats(over)
	require.ErrorIs(t, err, context.Canceled, "before Run it waits")
	run(t, m)
	s, err := m.Stats(context.Background())
	require.NoError(t, err)
	require.Equal(t, os.Getpid(), s.PID)
	require.Equal(t, m.Frontend(), s.Frontend)
}

// A master, a worker and a runner in one process, over tcp.
func Example() {
	m, err := master.New(master.Config{Frontend: "tcp://127.0.0.1:*", Backend: "tcp://127.0.0.1:*"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 2)
	go func() { ended <- m.Run(ctx) }()

	w, err := worker.New(worker.Config{
		Backend:  m.Backend(),
		Services: worker.Services{"greet": worker.Text(greet)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	working, leave := context.WithCancel(context.Background())
	defer leave()
	go func() { ended <- w.Run(working) }()

	runner, err := jobrunner.Connect(jobrunner.Config{Masters: []string{m.Frontend()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(runner.Execute(ctx, "greet", "you"))
	_ = runner.Close()
	leave()
	fmt.Println("worker:", <-ended)
	stop()
	fmt.Println("master:", <-ended)
	// Output:
	// hello, you <nil>
	// worker: <nil>
	// master: <nil>
}

func greet(_ context.Context, who string) (string, error) { return "hello, " + who, nil }
