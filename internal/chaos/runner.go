// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/jobrunner"
)

// How a runner process is told what to do.
const (
	envRecord  = "CHAOS_RECORD"  // the file that it writes
	envMasters = "CHAOS_MASTERS" // frontends, with blanks between
	envCallers = "CHAOS_CALLERS" // how many goroutines call at once
	envName    = "CHAOS_NAME"    // begins the ids of its jobs
	envSeed    = "CHAOS_SEED"
	envAbrupt  = "CHAOS_ABRUPT" // "1": SIGTERM closes the Runner under its callers
)

// BeRunner executes jobs until SIGTERM if this process was started as a runner,
// and tells whether it was.
func BeRunner() (bool, error) {
	if os.Getenv(envRecord) == "" {
		return false, nil
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return true, runRunner(ctx)
}

type runner struct {
	r      *jobrunner.Runner
	name   string
	record *record
	jobs   atomic.Int64
}

func runRunner(ctx context.Context) error {
	out, err := openRecord(os.Getenv(envRecord))
	if err != nil {
		return err
	}
	callers, err := strconv.Atoi(os.Getenv(envCallers))
	if err != nil {
		return err
	}
	seed, err := strconv.ParseUint(os.Getenv(envSeed), 10, 64)
	if err != nil {
		return err
	}
	r, err := jobrunner.Connect(jobrunner.Config{
		Masters: strings.Fields(os.Getenv(envMasters)), Insecure: true,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	var watching, calling sync.WaitGroup
	done := make(chan struct{})
	watching.Go(func() { watchLag(done, func(s span) { out.say("L %d %d", s.from, s.to) }) })
	me := &runner{r: r, name: os.Getenv(envName), record: out}
	for n := range callers {
		calling.Go(func() { me.call(ctx, rand.New(rand.NewPCG(seed, uint64(n)))) })
	}
	if os.Getenv(envAbrupt) == "1" {
		<-ctx.Done()
		err = r.Close()
		calling.Wait()
	} else {
		calling.Wait()
		err = r.Close()
	}
	close(done)
	watching.Wait()
	if err == nil {
		out.say("X %d", now())
	}
	return err
}

// call executes one job after another.
func (r *runner) call(ctx context.Context, random *rand.Rand) {
	for ctx.Err() == nil {
		r.execute(draw(random))
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(random.IntN(4000)) * time.Microsecond):
		}
	}
}

// plan is a job to be executed.
type plan struct {
	job     jobrunner.Job
	mode    string
	work    time.Duration
	padding int
	cancel  time.Duration // when the caller gives up; 0: never
	context bool          // the deadline is that of the context
}

// draw chooses what a job is like. Most are short and have time enough; the
// others make what goes wrong: too little time, a worker that dies or wedges.
func draw(random *rand.Rand) plan {
	p := plan{mode: modeQuick, job: jobrunner.Job{Service: serviceAny}}
	between := func(least, most time.Duration) time.Duration {
		return least + time.Duration(random.Int64N(int64(most-least)))
	}
	switch n := random.IntN(100); {
	case n < 60:
		p.job.Timeout = between(500*time.Millisecond, 2*time.Second)
	case n < 80:
		p.job.Timeout = between(50*time.Millisecond, 200*time.Millisecond)
	default:
		p.job.Timeout = between(2*time.Second, 4*time.Second)
	}
	switch n := random.IntN(10000); {
	case n < 4500:
	case n < 8000:
		p.mode, p.work = modeSleep, between(200*time.Microsecond, 20*time.Millisecond)
	case n < 8600:
		p.mode, p.work = modeSleep, between(20*time.Millisecond, 200*time.Millisecond)
	case n < 9300:
		p.mode, p.work = modeBurn, between(200*time.Microsecond, 4*time.Millisecond)
	case n < 9992:
		p.mode = modeFail
	case n < 9996:
		p.mode, p.work = modeHang, p.job.Timeout+between(0, 3*time.Second)
	default:
		p.mode = modeCrash
	}
	switch n := random.IntN(100); {
	case n < 15:
		p.job.Service = serviceGo
	case n < 30:
		p.job.Service = serviceCPP
	case n < 31:
		p.job.Service, p.job.Timeout = serviceNobody, 100*time.Millisecond
	}
	switch n := random.IntN(100); {
	case n < 15:
		p.job.Idempotent = true
	case n < 20:
		p.job.Retries = 3
	}
	switch n := random.IntN(100); {
	case n < 4:
		p.job.Wait = jobrunner.NoWait
	case n < 10:
		p.job.Wait = between(time.Millisecond, 100*time.Millisecond)
	}
	if random.IntN(100) < 4 {
		p.cancel = between(0, p.job.Timeout)
	}
	if random.IntN(100) < 2 {
		p.padding = random.IntN(512 << 10)
	}
	p.context = random.IntN(2) == 0
	return p
}

func (r *runner) execute(p plan) {
	id := fmt.Sprintf("%s-%d", r.name, r.jobs.Add(1))
	p.job.Payload = payload(id, p.mode, p.work, p.padding)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	timeout, began := p.job.Timeout, time.Now()
	submitted := now()
	r.record.say("S %s %d %d %s %s %d %d %d", id, submitted, submitted+timeout, p.job.Service, p.mode, retries(p.job), p.job.Wait, p.cancel)
	if p.context {
		ctx, stop = context.WithDeadline(ctx, began.Add(timeout))
		defer stop()
		p.job.Timeout = time.Minute
	} else {
		p.job.Timeout = time.Until(began.Add(timeout))
	}
	if p.cancel > 0 {
		t := time.AfterFunc(p.cancel, stop)
		defer t.Stop()
	}
	result, err := r.r.Do(ctx, p.job)
	returned := now()
	kind, text := kindOf(err), ""
	switch {
	case err == nil && string(result) != answer(p.job.Payload):
		kind, text = "wrong", quoted(string(result[:min(len(result), 200)]))
	case err != nil:
		var e *jobrunner.Error
		if errors.As(err, &e) {
			text = quoted(e.Text)
		}
	}
	r.record.say("E %s %d %s %v %s", id, returned, kind, err == nil || jobrunner.MayHaveRun(err), text)
}

func retries(j jobrunner.Job) int {
	if j.Idempotent {
		return max(j.Retries, 1)
	}
	return j.Retries
}

// The outcomes by name.
const (
	kindOK           = "ok"
	kindJob          = "job-error"
	kindNoWorker     = "no-worker"
	kindBusy         = "busy"
	kindTimedOutWait = "timed-out-waiting"
	kindTimedOutRun  = "timed-out-running"
	kindWorkerLost   = "worker-lost"
	kindMasterLost   = "master-lost"
	kindCancelled    = "cancelled"
	kindClosed       = "closed"
	kindUnexplained  = "unexplained" // no documented error, or more than one
	kindTooLarge     = "too-large"
	kindRefused      = "refused"
)

var sentinels = map[string]error{
	kindJob: jobrunner.ErrJob, kindNoWorker: jobrunner.ErrNoWorker, kindBusy: jobrunner.ErrBusy,
	kindTimedOutWait: jobrunner.ErrTimedOutWaiting, kindTimedOutRun: jobrunner.ErrTimedOutRunning,
	kindWorkerLost: jobrunner.ErrWorkerLost, kindMasterLost: jobrunner.ErrMasterLost,
	kindCancelled: jobrunner.ErrCancelled, kindClosed: jobrunner.ErrClosed,
	kindTooLarge: jobrunner.ErrTooLarge, kindRefused: jobrunner.ErrRefused,
}

// kindOf names the one outcome that the error is.
func kindOf(err error) string {
	if err == nil {
		return kindOK
	}
	kind := ""
	for name, sentinel := range sentinels {
		if errors.Is(err, sentinel) {
			if kind != "" {
				return kindUnexplained
			}
			kind = name
		}
	}
	if kind == "" {
		return kindUnexplained
	}
	return kind
}
