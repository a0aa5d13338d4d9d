// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// judged writes records and journals as processes would, and returns what the
// check says about them. Times are in milliseconds.
func judged(t *testing.T, record, journals string, change func(*evidence)) []string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		text = strings.ReplaceAll(strings.Trim(text, "\n"), "ms", "000000")
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600))
	}
	write("record-0.1", record)
	for i, journal := range strings.Split(journals, "--") {
		if journal = strings.Trim(journal, "\n"); journal != "" {
			write(fmt.Sprintf("journal-%d.%d", i, 100+i), journal)
		}
	}
	e := &evidence{jobs: map[string]*submission{}, starts: map[string][]start{}, files: map[string][]start{}}
	require.NoError(t, e.loadRunners(dir))
	require.NoError(t, e.loadWorkers(dir))
	if change != nil {
		change(e)
	}
	var found []string
	e.check(func(_, format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) })
	return found
}

func TestCheckFindsEachLie(t *testing.T) {
	t.Parallel()
	const (
		asked     = "S a 1000ms 2000ms record quick 0 0 0\n"
		again     = "S a 1000ms 2000ms record quick 1 0 0\n"
		cancelled = "S a 1000ms 2000ms record quick 0 0 100ms\n"
		fails     = "S a 1000ms 2000ms record fail 0 0 0\n"
		ran       = "S a 1100ms\nE a 1200ms"
		nothing   = "\n"
	)
	for name, c := range map[string]struct {
		record, journals string
		finds            string // empty: all is well
	}{
		"all is well":                     {asked + "E a 1300ms ok true ", ran, ""},
		"a job error":                     {fails + `E a 1300ms job-error true "failed_a"`, ran, ""},
		"timed out in time":               {asked + "E a 2003ms timed-out-running true ", "S a 1100ms", ""},
		"cancelled":                       {cancelled + "E a 1100ms cancelled false ", nothing, ""},
		"run again where that is allowed": {again + "E a 1300ms ok true ", "S a 1050ms--" + ran, ""},
		"gave up at its deadline":         {asked + `E a 1998ms job-error true "cancelled_a"`, "S a 1100ms\nC a 1997ms", ""},
		"gave up too early":               {asked + `E a 1398ms job-error true "cancelled_a"`, "S a 1100ms\nC a 1397ms", "no handler gave"},
		"its runner was killed":           {asked, "S a 1100ms", ""},

		"did not run, but it did":       {asked + "E a 1300ms master-lost false ", ran, "it started 1 times"},
		"did not run, but it will":      {asked + "E a 1300ms closed false ", "S a 1900ms", "it started 1 times"},
		"started twice":                 {asked + "E a 1300ms ok true ", "S a 1050ms--" + ran, "started 2 times"},
		"a result of nobody":            {asked + "E a 1300ms ok true ", nothing, "no worker had finished"},
		"a result before its end":       {asked + "E a 1150ms ok true ", ran, "no worker had finished"},
		"the wrong result":              {asked + "E a 1300ms wrong true x", ran, "wrong"},
		"too late":                      {asked + "E a 2200ms timed-out-running true ", "S a 1100ms", "after its deadline"},
		"timed out too early":           {asked + "E a 1500ms timed-out-waiting false ", nothing, "before its deadline"},
		"nobody cancelled":              {asked + "E a 1500ms cancelled false ", nothing, "nobody did"},
		"an error that nobody gave":     {asked + `E a 1300ms job-error true "other"`, ran, "no handler gave"},
		"lost, and did not run":         {asked + "E a 1300ms worker-lost false ", nothing, "it did not run"},
		"busy, and may have run":        {asked + "E a 1300ms busy true ", nothing, "may have run"},
		"no outcome":                    {asked + "X 3000ms", nothing, "no outcome"},
		"an undocumented error":         {asked + "E a 1300ms unexplained true ", nothing, "unexplained"},
		"started long after its end":    {asked + "E a 2000ms timed-out-running true ", "S a 2500ms", "cannot be explained"},
		"started before it was sent":    {asked + "E a 1300ms ok true ", "S a 900ms\nE a 1000ms", "before it was submitted"},
		"a job of nobody":               {asked + "E a 1300ms busy false ", "S b 1100ms", "nobody submitted"},
		"more at once than it can hold": {asked + strings.Replace(again, "a", "b", 1) + "X 9ms", "S a 1100ms\nS b 1110ms", "2 jobs at once"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := judged(t, c.record, c.journals, nil)
			if c.finds == "" {
				require.Empty(t, found)
				return
			}
			require.Contains(t, strings.Join(found, "\n"), c.finds)
		})
	}
}

func TestCheckAllowsWhatTheMachineDid(t *testing.T) {
	t.Parallel()
	const asked = "S a 1000ms 2000ms record quick 0 0 0\n"
	require.Empty(t, judged(t, asked+"L 2000ms 2180ms\nE a 2200ms timed-out-running true ", "S a 1100ms", nil), "its process got no processor")
	const late = asked + "E a 2000ms timed-out-running true "
	require.Empty(t, judged(t, late, "S a 4000ms", func(e *evidence) {
		e.workerTroubles[0] = []span{{1500 * time.Millisecond, 3900 * time.Millisecond}}
	}), "its worker was stopped")
	require.NotEmpty(t, judged(t, late, "S a 4000ms", func(e *evidence) {
		e.workerTroubles[1] = []span{{1500 * time.Millisecond, 3900 * time.Millisecond}}
	}), "another worker was stopped")
}

func TestOverlap(t *testing.T) {
	t.Parallel()
	spans := []span{{0, 10}, {5, 20}, {30, 40}, {32, 35}, {100, 200}}
	require.EqualValues(t, 30, overlap(spans, 0, 50))
	require.EqualValues(t, 12, overlap(spans, 15, 37))
	require.Zero(t, overlap(spans, 40, 100))
}

func TestASeedIsASchedule(t *testing.T) {
	t.Parallel()
	one, two := schedule(7, time.Minute), schedule(7, time.Minute)
	require.Equal(t, one, two)
	require.NotEqual(t, one, schedule(8, time.Minute))
	for seed := range uint64(20) {
		seen := map[faultKind]bool{}
		for _, f := range schedule(seed, time.Minute) {
			seen[f.kind] = true
			require.LessOrEqual(t, f.at+f.last, time.Minute)
		}
		require.Len(t, seen, faultKinds, "each kind in a minute")
	}
}
