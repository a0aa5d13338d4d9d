// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/jobrunner"
	"github.com/powerhose/powerhose/protocol"
)

// kept is how much more memory a master may have after an assault than after
// its first tenth: what its allocator keeps for the next.
const kept = memoryFactor * 24 << 20

// assaulted is a master with a worker and a runner that behave.
type assaulted struct {
	*site
	master *process
	good   *jobrunner.Runner
	jobs   int
}

func newAssaulted(t *testing.T) *assaulted {
	s := newSite(t)
	a := &assaulted{site: s, master: s.master()}
	s.worker()
	a.good = s.connect()
	workers(t, a.good, 1)
	return a
}

// work has a job done between those who behave.
func (a *assaulted) work() {
	a.t.Helper()
	a.jobs++
	want := strconv.Itoa(a.jobs)
	// A starved machine may let the heartbeats of a busy master wait too long:
	// that costs a retry.
	got, err := a.good.Do(context.Background(), jobrunner.Job{Service: "echo", Payload: []byte(want), Retries: 255})
	require.NoError(a.t, err)
	require.Equal(a.t, want, string(got))
}

// over waits until nothing of the others is left: no peers, no jobs.
func (a *assaulted) over() {
	a.t.Helper()
	until(a.t, a.good, func(s jobrunner.Status) bool {
		return s.Runners == 1 && len(s.Workers) == 1 && s.Jobs.Waiting == 0 && s.Jobs.Running == 0 && s.Jobs.Abandoned == 0
	})
	a.work()
}

// TestWorkerThatNeverReads registers for far more than it takes, and never reads
// a job: it is given up, and its jobs' callers are told the truth.
func TestWorkerThatNeverReads(t *testing.T) {
	t.Parallel()
	a := newAssaulted(t)
	bad := dial(t, a.backend, 1)
	bad.register(protocol.RoleWorker, protocol.Registration{
		Identity: "deaf", Services: []string{"deaf"}, Capacity: protocol.MaxCapacity, Prefetch: protocol.MaxPrefetch,
	})
	done := make(chan outcome, 2000)
	payload := []byte(strings.Repeat("x", 64<<10))
	for range 1500 {
		background(a.good, jobrunner.Job{Service: "deaf", Payload: payload, Timeout: 2 * time.Second}, "", done)
	}
	for range 50 {
		a.work()
	}
	kinds := map[string]int{}
	for range 1500 {
		o := receive(t, done)
		require.Error(t, o.err)
		switch {
		case jobrunner.MayHaveRun(o.err):
			require.True(t, isOneOf(o.err, jobrunner.ErrTimedOutRunning, jobrunner.ErrWorkerLost), "%v", o.err)
			kinds["may have run"]++
		default:
			require.True(t, isOneOf(o.err, jobrunner.ErrTimedOutWaiting, jobrunner.ErrBusy, jobrunner.ErrNoWorker), "%v", o.err)
			kinds["did not run"]++
		}
	}
	t.Log(kinds)
	a.over()
}

func isOneOf(err error, kinds ...error) bool {
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// TestRunnerThatNeverTakesItsResults asks for more than it reads. The master
// keeps a number of messages for it, and then gives it up.
func TestRunnerThatNeverTakesItsResults(t *testing.T) {
	t.Parallel()
	a := newAssaulted(t)
	bad := dial(t, a.frontend, 4)
	bad.register(protocol.RoleRunner, protocol.Registration{Identity: "deaf"})
	payload := []byte(strings.Repeat("x", 1<<10))
	before := resident(t, a.master.pid())
	for id := uint64(1); ; id++ {
		for !bad.offer(submission(t, id, "echo", patience), payload) {
			require.NoError(t, bad.poller.Wait(time.Millisecond))
		}
		if id%1000 == 0 {
			a.work()
			if s := until(t, a.good, func(jobrunner.Status) bool { return true }); s.Runners == 1 {
				t.Logf("given up after %d jobs", id)
				break
			}
			require.Less(t, id, uint64(200000), "never given up")
		}
	}
	grown := resident(t, a.master.pid()) - before
	t.Logf("the master grew by %d KiB", grown>>10)
	require.Less(t, grown, int64(memoryFactor*128<<20))
	require.NoError(t, bad.s.Close(0))
	a.over()
}

// TestFloodsOfRegistrations registers over and over at both endpoints, from one
// connection and from many, with every service and identity there can be.
func TestFloodsOfRegistrations(t *testing.T) {
	t.Parallel()
	a := newAssaulted(t)
	random := rand.New(rand.NewPCG(1, 2))
	flood := func(n int) {
		front, back := dial(t, a.frontend, 1000), dial(t, a.backend, 1000)
		for i := range n {
			front.send(registration(t, protocol.RoleRunner, protocol.Registration{Identity: fmt.Sprintf("r%d", random.Uint64())}))
			var names []string
			for range 1 + random.IntN(20) {
				names = append(names, fmt.Sprintf("s%d", random.Uint64()))
			}
			back.send(registration(t, protocol.RoleWorker, protocol.Registration{
				Identity: fmt.Sprintf("w%d", random.Uint64()), Services: names, Capacity: protocol.MaxCapacity, Prefetch: protocol.MaxPrefetch,
			}))
			if i%500 == 0 {
				a.work()
			}
			for _, p := range []*peer{front, back} { // a reader, if a hostile one
				for p.s.Recv(&p.m, nil) == nil {
				}
			}
		}
		require.NoError(t, front.s.Close(0))
		require.NoError(t, back.s.Close(0))
		a.over()
	}
	flood(1000)
	before, open := resident(t, a.master.pid()), descriptorsOf(t, a.master.pid())
	flood(9000)
	t.Logf("memory %d KiB, then %d KiB", before>>10, resident(t, a.master.pid())>>10)
	require.Less(t, resident(t, a.master.pid()), before+kept)
	require.Eventually(t, func() bool { return descriptorsOf(t, a.master.pid()) <= open+4 }, patience, 10*time.Millisecond)
	s := until(t, a.good, func(jobrunner.Status) bool { return true })
	require.LessOrEqual(t, len(s.Services), len(services)+1)
}

// TestWorkerThatLies answers jobs that it never had, twice, after it gave them
// back, and those of others, one by one and in batches.
func TestWorkerThatLies(t *testing.T) {
	t.Parallel()
	a := newAssaulted(t)
	honest, liar := dial(t, a.backend, 1000), dial(t, a.backend, 1000)
	honest.register(protocol.RoleWorker, protocol.Registration{Identity: "honest", Services: []string{"x"}})
	liar.register(protocol.RoleWorker, protocol.Registration{Identity: "liar", Services: []string{"y"}, Batch: 64})
	r := dial(t, a.frontend, 1000)
	r.register(protocol.RoleRunner, protocol.Registration{Identity: "r"})
	r.send(submission(t, 1, "x", patience), []byte("of the honest"))
	theirs := honest.job()
	r.send(submission(t, 2, "y", patience), []byte("of the liar"))
	mine := liar.job()

	lies := 0
	lie := func(id uint64, attempt uint32) {
		forged := protocol.WorkerResult{ID: id, Attempt: attempt}
		liar.send(forged.Append(nil), []byte("forged"))
		batch := protocol.AppendBatchHeader(nil, protocol.RoleWorker)
		for range 10 {
			var err error
			batch, err = forged.AppendRecord(batch, []byte("forged"))
			require.NoError(t, err)
		}
		liar.send(batch)
		liar.send(protocol.JobRef{ID: id, Attempt: attempt}.Append(nil, protocol.CommandReturn))
		lies += 12
	}
	for attempt := range uint32(4) { // those of the other, whatever attempt it is
		lie(theirs.ID, attempt)
	}
	for id := range uint64(100) { // that nobody has
		lie(1<<40+id, 1)
	}
	lie(mine.ID, mine.Attempt+1)
	liar.send(result(mine), []byte("true")) // its own, then again
	res, payload := r.next()
	require.Equal(t, protocol.RunnerResult{ID: 2, Outcome: protocol.OutcomeOK, MayHaveRun: true}, res)
	require.Equal(t, "true", payload)
	lie(mine.ID, mine.Attempt)

	// What it gave back it cannot answer any more.
	r.send(submission(t, 3, "y", patience), nil)
	back := liar.job()
	liar.send(protocol.JobRef{ID: back.ID, Attempt: back.Attempt}.Append(nil, protocol.CommandReturn))
	again := liar.job()
	require.Equal(t, back.ID, again.ID)
	require.NotEqual(t, back.Attempt, again.Attempt)
	lie(back.ID, back.Attempt)
	liar.send(result(again), []byte("in the end"))
	res, payload = r.next()
	require.Equal(t, uint64(3), res.ID)
	require.Equal(t, "in the end", payload)

	honest.send(result(theirs), []byte("honest"))
	res, payload = r.next()
	require.Equal(t, protocol.RunnerResult{ID: 1, Outcome: protocol.OutcomeOK, MayHaveRun: true}, res)
	require.Equal(t, "honest", payload)
	liar.settle(protocol.RoleWorker)
	s := until(t, a.good, func(jobrunner.Status) bool { return true })
	require.EqualValues(t, lies, s.Counters.Late)
	a.work()
}

// TestRunnerThatReusesIDs uses the id of a job that has no result yet, and those
// of another runner.
func TestRunnerThatReusesIDs(t *testing.T) {
	t.Parallel()
	a := newAssaulted(t)
	w := dial(t, a.backend, 1000)
	w.register(protocol.RoleWorker, protocol.Registration{Identity: "w", Services: []string{"x"}, Capacity: 4})
	one, two := dial(t, a.frontend, 1000), dial(t, a.frontend, 1000)
	one.register(protocol.RoleRunner, protocol.Registration{Identity: "one"})
	two.register(protocol.RoleRunner, protocol.Registration{Identity: "two"})
	one.send(submission(t, 7, "x", patience), []byte("first"))
	first := w.job()
	for range 100 {
		one.send(submission(t, 7, "x", patience), []byte("the same id"))
		res, _ := one.next()
		require.Equal(t, protocol.RunnerResult{ID: 7, Outcome: protocol.OutcomeRefused}, res)
	}
	// Another runner's ids are its own, and so is what it cancels.
	two.send(submission(t, 7, "x", patience), []byte("of the other"))
	other := w.job()
	require.NotEqual(t, first.ID, other.ID)
	two.send(protocol.AppendRunnerCancel(nil, 7))
	res, _ := two.next()
	require.Equal(t, protocol.RunnerResult{ID: 7, Outcome: protocol.OutcomeCancelled, MayHaveRun: true}, res)
	for id := range uint64(1000) {
		two.send(protocol.AppendRunnerCancel(nil, id))
	}
	two.settle(protocol.RoleRunner)
	w.send(result(first), []byte("done"))
	res, payload := one.next()
	require.Equal(t, protocol.RunnerResult{ID: 7, Outcome: protocol.OutcomeOK, MayHaveRun: true}, res)
	require.Equal(t, "done", payload)
	// Now the id is free again.
	one.send(submission(t, 7, "echo", patience), []byte("again"))
	_, payload = one.next()
	require.Equal(t, "again", payload)
	a.work()
}

// TestRunnersThatSubmitAndVanish has thousands of runners connect, submit a job
// and be gone in the middle of any word; POWERHOSE_VANISH says how many.
func TestRunnersThatSubmitAndVanish(t *testing.T) {
	t.Parallel()
	n := 10000
	if text := os.Getenv("POWERHOSE_VANISH"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	a := newAssaulted(t)
	path := strings.TrimPrefix(a.frontend, "ipc://")
	backend := strings.TrimPrefix(a.backend, "ipc://")
	const hands = 8
	vanish := func(from, to int) {
		work := make(chan vanishing, hands)
		failed := make(chan error, hands)
		var all sync.WaitGroup
		for range hands {
			all.Add(1)
			go func() {
				defer all.Done()
				var first error
				for v := range work {
					if err := shout(v.path, v.octets, v.listen); err != nil && first == nil {
						first = err
					}
				}
				failed <- first
			}()
		}
		for i := from; i < to; i++ {
			work <- newVanishing(t, i, path, backend)
		}
		close(work)
		all.Wait()
		for range hands {
			require.NoError(t, <-failed)
		}
		a.work()
	}
	start := time.Now()
	vanish(0, n/10)
	a.over()
	before, open := resident(t, a.master.pid()), descriptorsOf(t, a.master.pid())
	submitted := until(t, a.good, func(jobrunner.Status) bool { return true }).Jobs.Submitted
	for i := 1; i < 10; i++ {
		vanish(i*n/10, (i+1)*n/10)
	}
	a.over()
	s := until(t, a.good, func(jobrunner.Status) bool { return true })
	t.Logf("%d vanished in %v, %d of their jobs were taken", n, time.Since(start).Round(time.Millisecond), s.Jobs.Submitted-uint64(a.jobs))
	t.Logf("memory %d KiB, then %d KiB; descriptors %d, then %d", before>>10, resident(t, a.master.pid())>>10, open, descriptorsOf(t, a.master.pid()))
	require.Greater(t, s.Jobs.Submitted-submitted, uint64(n/20), "so many were there long enough")
	require.Less(t, resident(t, a.master.pid()), before+kept)
	require.Eventually(t, func() bool { return descriptorsOf(t, a.master.pid()) <= open+4 }, patience, 10*time.Millisecond)
}

// vanishing is what one peer says before it is gone.
type vanishing struct {
	path   string
	octets []byte
	listen int // so many octets before it goes
}

func newVanishing(t *testing.T, i int, frontend, backend string) vanishing {
	identity := fmt.Sprintf("v%d", i)
	v := vanishing{
		path: frontend,
		octets: zmtp(
			[][]byte{registration(t, protocol.RoleRunner, protocol.Registration{Identity: identity, Batch: 64})},
			[][]byte{submission(t, uint64(i), []string{"echo", "sleep", "nobody"}[i%3], patience), []byte("1ms")}),
		// Greeting, READY and probe are less than that: the master has read
		// REGISTER, and may have read the job.
		listen: 120,
	}
	switch i % 10 {
	case 0: // in the middle of a word
		v.octets, v.listen = v.octets[:rand.IntN(len(v.octets))], 0
	case 1:
		v.listen = 0
	case 2: // a worker, for a change
		v.path = backend
		v.octets = zmtp([][]byte{registration(t, protocol.RoleWorker, protocol.Registration{Identity: identity, Services: []string{"vanished"}})})
	}
	return v
}
