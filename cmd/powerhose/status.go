// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/powerhose/powerhose/internal/cli"
	"github.com/powerhose/powerhose/jobrunner"
	"github.com/powerhose/powerhose/protocol"
)

// defaultLook is how long status and check wait for a master's answer.
const defaultLook = 2 * time.Second

func statusCommand(g *global) *cobra.Command {
	var (
		c       = &client{global: g}
		asJSON  bool
		timeout time.Duration
	)
	cmd := &cobra.Command{
		Use: "status", Short: "Show the master's workers, jobs and counters",
		Long: `Shows the master's workers, jobs and counters. With --json it prints one JSON
object; later versions may add members.

Exit codes:
  0  shown
  1  no master answers
  2  wrong usage`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return errors.New("--timeout must be more than 0")
			}
			logger := c.log.Logger(cmd.ErrOrStderr())
			ctx, stop := cli.Interruptible(cmd.Context(), logger)
			defer stop()
			runner, err := c.connect(jobrunner.Config{Logger: logger})
			if err != nil {
				return err
			}
			defer runner.Close()
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			status, err := c.ask(ctx, runner)
			if err != nil {
				return cli.Fail(err)
			}
			return cli.Fail(writeStatus(cmd.OutOrStdout(), status, asJSON))
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&asJSON, "json", false, "print one JSON object")
	fs.DurationVarP(&timeout, "timeout", "t", defaultLook, "how long to wait for the master's answer")
	c.flags(fs)
	return cmd
}

// lookAgain is how long to wait before a master that is not there is asked again.
const lookAgain = 20 * time.Millisecond

// ask asks for the status until there is an answer or ctx ends.
func (c *client) ask(ctx context.Context, runner *jobrunner.Runner) (jobrunner.Status, error) {
	for {
		status, err := runner.Status(ctx)
		if err == nil {
			return status, nil
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			var signal *cli.SignalError
			if errors.As(context.Cause(ctx), &signal) {
				return status, signal
			}
			return status, errNoMaster(c.frontend)
		}
	}
}

func errNoMaster(frontend string) error { return fmt.Errorf("no master answers at %s", frontend) }

func writeStatus(to io.Writer, s jobrunner.Status, asJSON bool) error {
	var b bytes.Buffer
	if asJSON {
		encode := json.NewEncoder(&b)
		encode.SetIndent("", "  ")
		if err := encode.Encode(s); err != nil {
			return err
		}
	} else {
		describe(&b, s)
	}
	_, err := to.Write(b.Bytes())
	return err
}

func describe(b *bytes.Buffer, s jobrunner.Status) {
	state := "serving"
	if s.Draining {
		state = "draining"
	}
	head := tabwriter.NewWriter(b, 0, 8, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(head, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	line("master", "%s, process %d on %s, version %s, up %s", state, s.PID, printable(s.Host), printable(s.Version), age(s.Uptime))
	if s.Frontend != "" {
		line("frontend", "%s, %d connected", s.Frontend, s.Runners)
	}
	line("backend", "%s, %d workers", s.Backend, len(s.Workers))
	line("jobs now", "%d waiting (%s), %d running, %d abandoned", s.Jobs.Waiting, cli.FormatSize(s.Jobs.WaitingBytes), s.Jobs.Running, s.Jobs.Abandoned)
	line("jobs so far", "%d submitted%s", s.Jobs.Submitted, counts(s.Jobs.Outcomes))
	line("counters", "%s", counters(s.Counters))
	head.Flush()

	if len(s.Workers) > 0 {
		b.WriteByte('\n')
		t := tabwriter.NewWriter(b, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "WORKER\tPID\tHOST\tLANGUAGE\tSERVICES\tCAPACITY\tRUNNING\tDONE\tFAILED\tAGE\tSTATE")
		slices.SortStableFunc(s.Workers, func(a, b protocol.WorkerStatus) int {
			return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.PID, b.PID), cmp.Compare(a.ID, b.ID))
		})
		for _, w := range s.Workers {
			fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\n", printable(w.ID), w.PID, printable(w.Host),
				printable(strings.TrimSpace(w.Language+" "+w.Version)), services(w.Services), w.Capacity, w.Running, w.Done, w.Failed, age(w.Age), workerState(w))
		}
		t.Flush()
	}
	if len(s.Services) > 0 {
		b.WriteByte('\n')
		t := tabwriter.NewWriter(b, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "SERVICE\tWORKERS\tCAPACITY\tWAITING\tTYPICAL RUN")
		for _, v := range s.Services {
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%s\n", serviceName(v.Name), v.Workers, v.Capacity, v.Waiting, typical(v.TypicalRun))
		}
		t.Flush()
	}
}

// printable keeps what a peer said about itself from moving the cursor or
// breaking the table.
func printable(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// serviceName shows the default service, whose name is empty.
func serviceName(name string) string {
	if name == "" {
		return `""`
	}
	return printable(name)
}

func services(names []string) string {
	shown := make([]string, 0, len(names))
	for _, name := range names {
		shown = append(shown, serviceName(name))
	}
	return strings.Join(shown, ",")
}

func workerState(w protocol.WorkerStatus) string {
	switch {
	case w.Draining:
		return "draining"
	case w.Running > 0:
		return "busy"
	}
	return "idle"
}

func age(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

func typical(ms float64) string {
	if ms == 0 {
		return "-"
	}
	return time.Duration(ms * float64(time.Millisecond)).Round(time.Microsecond).String()
}

// counts lists what is not zero: ", 12 ok, 1 busy".
func counts(of map[string]uint64) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if of[name] > 0 {
			fmt.Fprintf(&b, ", %d %s", of[name], name)
		}
	}
	return b.String()
}

func counters(c protocol.CounterStatus) string {
	shown := []string{fmt.Sprintf("%d assigned", c.Assigned)}
	for _, n := range []struct {
		name  string
		value uint64
	}{
		{"redispatched", c.Redispatched},
		{"retried", c.Retried},
		{"returned", c.Returned},
		{"late", c.Late},
		{"workers seen", c.WorkersSeen},
		{"workers lost", c.WorkersLost},
		{"evicted", c.Evicted},
		{"malformed", c.Malformed},
		{"refused", c.Refused},
		{"unknown", c.Unknown},
	} {
		if n.value > 0 {
			shown = append(shown, fmt.Sprintf("%d %s", n.value, n.name))
		}
	}
	return strings.Join(shown, ", ")
}
