// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/powerhose/powerhose/internal/cli"
	"github.com/powerhose/powerhose/jobrunner"
)

// exitIO is the exit code of exec when it cannot read the job or write the
// result.
const exitIO = 13

// outcome is what exec tells about a job by its exit code.
type outcome struct {
	code  int
	err   error // the sentinel; nil if it is not an outcome of a job
	means string
}

// outcomes is the table of --help and of docs/commands.md.
var outcomes = []outcome{
	{cli.ExitOK, nil, "the result is on standard output"},
	{cli.ExitError, jobrunner.ErrJob, "job error: the worker's handler failed"},
	{cli.ExitUsage, nil, "wrong usage"},
	{3, jobrunner.ErrNoWorker, "no worker offers the service"},
	{4, jobrunner.ErrBusy, "busy: refused, because it could not be done in time"},
	{5, jobrunner.ErrTimedOutWaiting, "timed out before a worker had it"},
	{6, jobrunner.ErrTimedOutRunning, "timed out while a worker had it"},
	{7, jobrunner.ErrWorkerLost, "worker lost while it had the job"},
	{8, jobrunner.ErrMasterLost, "master lost, or none there"},
	{9, jobrunner.ErrCancelled, "cancelled by SIGINT or SIGTERM"},
	{10, jobrunner.ErrTooLarge, "job or result too large"},
	{11, jobrunner.ErrRefused, "refused by the master"},
	{12, jobrunner.ErrClosed, "the master is shutting down"},
	{exitIO, nil, "the job cannot be read, or the result not written"},
}

func outcomeTable() string {
	var b strings.Builder
	for _, o := range outcomes {
		fmt.Fprintf(&b, "  %2d  %s\n", o.code, o.means)
	}
	return strings.TrimRight(b.String(), "\n")
}

// failJob turns the error of a job into one with an exit code.
func failJob(err error) error {
	if err == nil {
		return nil
	}
	code := cli.ExitError
	for _, o := range outcomes {
		if o.err != nil && errors.Is(err, o.err) {
			code = o.code
			break
		}
	}
	// The prefix is for Go programs; here the command's name stands before it.
	text := strings.TrimPrefix(err.Error(), "jobrunner: ")
	var of *jobrunner.Error
	if code != cli.ExitError && errors.As(err, &of) && of.MayHaveRun() {
		text += " (the job may have run)"
	}
	return &cli.Error{Code: code, Err: errors.New(text)}
}
