// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/powerhose/powerhose/internal/cli"
	"github.com/powerhose/powerhose/internal/conform"
	"github.com/powerhose/powerhose/protocol"
)

const conformLong = `Tells whether a program is a worker as docs/protocol.md wants it. It plays the
master to COMMAND, which it starts again and again, and reports rule by rule what
holds, what is broken, and what is not applicable, because the worker does not
offer it or because it cannot be seen from outside.

COMMAND finds POWERHOSE_WORKER=1 and, in POWERHOSE_BACKEND, the endpoint to
register at. It gets SIGTERM itself: let a wrapper script end with exec. It must
offer services for the kit to give jobs to; what needs one that it does not offer
is left out:
  echo    answers with the job itself: most checks need it
  sleep   a number of milliseconds: waits, and answers with anything. A job that
          is no number fails
  burn    the same, but computes meanwhile (else sleep is used)
  fail    fails (else sleep is given something that is no number)
  fill    a number of octets: answers with so many

A socket of the worker's own is tried with POWERHOSE_LISTEN in the environment
and with --listen-arg on the command line.

Exit codes:
  0  nothing is broken
  1  a rule is broken, or the kit could not go on
  2  wrong usage, or COMMAND cannot be started`

// conformance is one run of conform.
type conformance struct {
	cfg    conform.Config
	only   []string
	asJSON bool
	quiet  bool
}

func conformCommand() *cobra.Command {
	c := &conformance{}
	cmd := &cobra.Command{
		Use: "conform [flags] -- COMMAND...", Short: "Test whether a program is a right worker", Long: conformLong,
		Example: `  powerhose conform -- powerhose-worker --capacity 4
  powerhose conform --only R-59,R-60 -- python3 worker.py
  powerhose conform --listen-arg=--socket={endpoint} -- ./worker`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.check(args); err != nil {
				return err
			}
			return c.run(cmd)
		},
	}
	fs := cmd.Flags()
	fs.SetInterspersed(false) // COMMAND has flags of its own
	fs.BoolVar(&c.asJSON, "json", false, "print a JSON array of objects with rule, name, verdict and evidence")
	fs.StringSliceVar(&c.only, "only", nil, "only these rules, as R-35, with commas between (default all)")
	fs.DurationVarP(&c.cfg.Timeout, "timeout", "t", conform.DefaultTimeout, "how long the worker may take for what it must do at once")
	fs.IntVar(&c.cfg.Parallel, "parallel", conform.DefaultParallel, "how many processes to test at once")
	fs.BoolVarP(&c.quiet, "quiet", "q", false, "write no progress to standard error")
	fs.StringVar(&c.cfg.Services.Echo, "echo", conform.DefaultEcho, "the name of the service that answers with the job")
	fs.StringVar(&c.cfg.Services.Sleep, "sleep", conform.DefaultSleep, "the name of the service that waits")
	fs.StringVar(&c.cfg.Services.Burn, "burn", conform.DefaultBurn, "the name of the service that computes")
	fs.StringVar(&c.cfg.Services.Fail, "fail", conform.DefaultFail, "the name of the service that fails")
	fs.StringVar(&c.cfg.Services.Fill, "fill", conform.DefaultFill, "the name of the service that answers at length")
	fs.StringArrayVar(&c.cfg.ListenArgs, "listen-arg", nil, "an argument to add to COMMAND that has it listen at "+conform.ListenPlaceholder+"; may be given again (default none)")
	return cmd
}

func (c *conformance) check(command []string) error {
	if len(command) == 0 {
		return errors.New("name the program to test after --")
	}
	switch {
	case c.cfg.Timeout <= 0:
		return errors.New("--timeout must be more than 0")
	case c.cfg.Parallel < 1:
		return errors.New("--parallel must be at least 1")
	}
	c.cfg.Command = command
	for _, text := range c.only {
		rule, err := conform.ParseRule(text)
		if err != nil {
			return fmt.Errorf("--only: %w", err)
		}
		if !slices.Contains(conform.Rules(), rule) {
			return fmt.Errorf("--only: there is no check of %v: it is not about workers, or cannot be seen from outside", rule)
		}
		c.cfg.Only = append(c.cfg.Only, rule)
	}
	return nil
}

func (c *conformance) run(cmd *cobra.Command) error {
	stderr := cmd.ErrOrStderr()
	ctx, stop := cli.Interruptible(cmd.Context(), slog.New(slog.DiscardHandler))
	defer stop()
	if !c.quiet {
		c.cfg.Progress = func(done, of int, f conform.Finding) {
			fmt.Fprintf(stderr, "[%d/%d] %v %v: %s: %s\n", done, of, f.Rule, f.Verdict, f.Name, f.Evidence)
		}
	}
	report, err := conform.Run(ctx, c.cfg)
	if errors.Is(err, conform.ErrCommand) {
		// The prefix is for Go programs; here the command's name stands before it.
		return &cli.Error{Code: cli.ExitUsage, Err: errors.New(strings.TrimPrefix(err.Error(), "conform: "))}
	}
	if err != nil {
		return cli.Fail(err)
	}
	if err := writeReport(cmd.OutOrStdout(), report, c.asJSON); err != nil {
		return cli.Fail(err)
	}
	if report.Count(conform.Broken) > 0 {
		return &cli.Error{Code: cli.ExitError}
	}
	return nil
}

func writeReport(to io.Writer, report conform.Report, asJSON bool) error {
	var b bytes.Buffer
	if asJSON {
		encode := json.NewEncoder(&b)
		encode.SetEscapeHTML(false)
		encode.SetIndent("", "  ")
		if err := encode.Encode(append([]conform.Finding{}, report.Findings...)); err != nil {
			return err
		}
	} else {
		describeReport(&b, report)
	}
	_, err := to.Write(b.Bytes())
	return err
}

// describeReport shows each finding in one line, and the evidence where
// something does not hold.
func describeReport(b *bytes.Buffer, report conform.Report) {
	if w := report.Worker; w.Identity != "" {
		fmt.Fprintf(b, "worker %s\n", describeWorker(w))
	}
	section := ""
	for _, f := range report.Findings {
		if report.Worker.Identity == "" && f.Verdict != conform.Broken {
			continue // that nothing else was reached says one line
		}
		if s := f.Rule.Section(); s != section {
			section = s
			fmt.Fprintf(b, "\n%s\n", section)
		}
		mark, evidence := "holds", ""
		switch f.Verdict {
		case conform.Broken:
			mark, evidence = "BROKEN", "\n                "+f.Evidence
		case conform.NotApplicable:
			mark, evidence = "n/a", " ("+f.Evidence+")"
		case conform.Holds:
		}
		fmt.Fprintf(b, "  %-6s  %-4v  %s%s\n", mark, f.Rule, f.Name, evidence)
	}
	if report.Worker.Identity == "" {
		b.WriteString("\nno other check was reached, as it did not register\n")
	}
	fmt.Fprintf(b, "\n%d hold, %d broken, %d not applicable\n",
		report.Count(conform.Holds), report.Count(conform.Broken), report.Count(conform.NotApplicable))
}

func describeWorker(w protocol.Registration) string {
	parts := []string{printable(w.Identity)}
	if label := strings.TrimSpace(w.Language + " " + w.LibraryVersion); label != "" {
		parts = append(parts, printable(label))
	}
	parts = append(parts, "services "+services(w.Services), fmt.Sprintf("capacity %d, prefetch %d, batch %d", w.Capacity, w.Prefetch, w.Batch))
	if w.Ledger != "" {
		parts = append(parts, "a ledger")
	}
	return strings.Join(parts, ", ")
}
