// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var rewrite = flag.Bool("rewrite", false, "record what the scenarios in testdata do now as what they should do; read the diff")

// TestScenarios runs testdata/*.txt. A file starts with a paragraph of lines
// beginning with # that names the rule it shows. Then come commands, one on a
// line, each followed by the actions it caused, indented. Further comments and
// empty lines may stand anywhere. The commands are the methods of scenario.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(text), "# "), "%s names no rule", file)
			got := runScenario(t, file, string(text))
			if *rewrite {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				return
			}
			require.Equal(t, string(text), got)
		})
	}
}

// runScenario returns the text with the actions that really happened.
func runScenario(t *testing.T, file, text string) string {
	sc := &scenario{t: t, core: New(Config{PrefetchBudget: time.Millisecond}), jobs: map[JobID]uint64{}, last: map[uint64]Action{}}
	var out strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if strings.HasPrefix(line, "  ") {
			continue // what was recorded
		}
		out.WriteString(line + "\n")
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		sc.line = fmt.Sprintf("%s:%d: %s", file, i+1, line)
		run, ok := scenarioCommands[words[0]]
		require.True(t, ok, "%s: no such command", sc.line)
		sc.shown = sc.shown[:0]
		sc.args = words[1:]
		run(sc)
		require.Empty(t, sc.args, "%s: arguments left over", sc.line)
		for _, s := range sc.shown {
			out.WriteString("  " + s + "\n")
		}
	}
	return out.String()
}

// scenario is a Core with a clock. Jobs go by their tags, which are unique in
// the whole scenario unless it shows what happens when they are not.
type scenario struct {
	t    *testing.T
	core *Core
	now  Time

	jobs map[JobID]uint64  // the tags of all jobs ever assigned
	last map[uint64]Action // the last assignment by tag

	line  string
	args  []string
	shown []string
}

var scenarioCommands = map[string]func(*scenario){
	"config": (*scenario).config, "runner": (*scenario).runner, "runner-beat": (*scenario).runnerBeat,
	"runner-gone": (*scenario).runnerGone, "worker": (*scenario).worker, "beat": (*scenario).beat,
	"worker-gone": (*scenario).workerGone, "worker-drains": (*scenario).workerDrains,
	"submit": (*scenario).submit, "cancel": (*scenario).cancel, "result": (*scenario).result,
	"return": (*scenario).returned, "drain": (*scenario).drain, "wait": (*scenario).wait,
	"measure": (*scenario).measure, "stats": (*scenario).stats, "counters": (*scenario).counters,
}

// word takes the next positional argument.
func (sc *scenario) word() string {
	require.NotEmpty(sc.t, sc.args, "%s: too few arguments", sc.line)
	w := sc.args[0]
	sc.args = sc.args[1:]
	return w
}

func (sc *scenario) id() uint64 { return sc.number(sc.word()) }

func (sc *scenario) number(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	require.NoError(sc.t, err, sc.line)
	return n
}

func (sc *scenario) span(s string) time.Duration {
	d, err := time.ParseDuration(s)
	require.NoError(sc.t, err, sc.line)
	return d
}

// opt takes the argument name=value, or returns def when there is none.
func (sc *scenario) opt(name, def string) string {
	for i, a := range sc.args {
		if v, ok := strings.CutPrefix(a, name+"="); ok {
			sc.args = append(sc.args[:i:i], sc.args[i+1:]...)
			return v
		}
	}
	return def
}

// flag takes the argument name, if it is there.
func (sc *scenario) flag(name string) bool {
	for i, a := range sc.args {
		if a == name {
			sc.args = append(sc.args[:i:i], sc.args[i+1:]...)
			return true
		}
	}
	return false
}

// step applies one event, checks the core and remembers the assignments.
func (sc *scenario) step(ev Event) []Action {
	out := sc.core.Step(sc.now, &ev, nil)
	check(sc.t, sc.core)
	for _, a := range out {
		if a.Kind == ActionAssign {
			tag := sc.number(strings.TrimRight(string(a.Payload), "."))
			sc.jobs[a.Job], sc.last[tag] = tag, a
		}
	}
	return out
}

func (sc *scenario) show(prefix string, out []Action) {
	for _, a := range out {
		sc.shown = append(sc.shown, prefix+sc.text(a))
	}
}

func (sc *scenario) do(ev Event) { sc.show("", sc.step(ev)) }

// text is an action as the scenarios show it: what a reader needs, no more.
func (sc *scenario) text(a Action) string {
	job := func() string { return fmt.Sprintf("worker=%d job=%d attempt=%d", a.Worker, sc.jobs[a.Job], a.Attempt) }
	switch a.Kind {
	case ActionAssign:
		s := "assign " + job()
		if a.Service != "" {
			s += " service=" + a.Service
		}
		return s + " left=" + a.Deadline.Sub(sc.now).String()
	case ActionCancel:
		return "cancel " + job()
	case ActionRecall:
		return "recall " + job()
	case ActionPing:
		return fmt.Sprintf("ping worker=%d", a.Worker)
	case ActionBye:
		return fmt.Sprintf("bye worker=%d", a.Worker)
	case ActionEvict:
		s := fmt.Sprintf("evict worker=%d %v", a.Worker, a.Reason)
		if a.Kill {
			s += " kill"
		}
		return s
	case ActionReply:
		s := fmt.Sprintf("reply runner=%d job=%d %v", a.Runner, a.Tag, a.Outcome)
		require.Equal(sc.t, a.Tag, a.Ref, sc.line)
		if a.MayHaveRun {
			s += ", may have run"
		}
		if a.RetryAfter > 0 {
			s += ", retry after " + a.RetryAfter.String()
		}
		if len(a.Payload) > 0 {
			s += fmt.Sprintf(", %q", a.Payload)
		}
		return s
	case ActionDropRunner:
		return fmt.Sprintf("drop runner=%d", a.Runner)
	case ActionDrained:
		return "drained"
	}
	return fmt.Sprintf("unknown action %d", a.Kind)
}
