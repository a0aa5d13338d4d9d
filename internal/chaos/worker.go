// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/worker"
)

// envJournal is the directory where a worker keeps its journal, and the name of
// the file: the number of its place, to which it adds its pid.
const envJournal = "CHAOS_JOURNAL"

func journalPath() string {
	return os.Getenv(envJournal) + "." + strconv.Itoa(os.Getpid())
}

// ServeWorker does not return in a process that was started as a worker.
func ServeWorker() {
	if os.Getenv(envJournal) == "" {
		return
	}
	journal, err := openRecord(journalPath())
	if err != nil {
		panic(err)
	}
	h := func(ctx context.Context, job *worker.Job) ([]byte, error) { return do(ctx, journal, job.Payload) }
	worker.Main(worker.Services{serviceAny: h, serviceGo: h})
}

// do is the service: it writes the job's id down before anything else.
func do(ctx context.Context, journal *record, p []byte) ([]byte, error) {
	id, mode, work, err := parsePayload(p)
	if err != nil {
		return nil, err
	}
	journal.say("S %s %d", id, now())
	switch mode {
	case modeSleep:
		t := time.NewTimer(work)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			journal.say("C %s %d", id, now())
			return nil, errors.New(cancellation(id))
		}
	case modeBurn:
		for end := now() + work; now() < end; {
		}
	case modeHang:
		time.Sleep(work)
	case modeCrash:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	journal.say("E %s %d", id, now())
	if mode == modeFail {
		return nil, errors.New(failure(id))
	}
	return []byte(answer(p)), nil
}

// journals lists the journals in dir with the place of each.
func journals(dir string) (map[string]int, error) {
	found := map[string]int{}
	paths, err := filepath.Glob(filepath.Join(dir, "journal-*.*"))
	for _, path := range paths {
		name := filepath.Base(path)
		place, err := strconv.Atoi(name[len("journal-") : len(name)-len(filepath.Ext(name))])
		if err != nil {
			return nil, err
		}
		found[path] = place
	}
	return found, err
}
