// SPDX-License-Identifier: Apache-2.0

// Package cli is what the programs in cmd/ share: how they end, how they read
// flags and environment, log, and take signals. Only they use it.
package cli

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

// Exit codes that mean the same everywhere.
const (
	ExitOK    = 0
	ExitError = 1
	ExitUsage = 2
	// ExitInUse: another live master holds an endpoint.
	ExitInUse = 3
)

// Error ends a program with Code, after Err was written to standard error
// unless it is nil. What a command returns as any other error is a mistake in
// how it was called.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return "exit code " + strconv.Itoa(e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Fail makes an *Error with ExitError of err, nil of nil.
func Fail(err error) error {
	if err == nil {
		return nil
	}
	return &Error{Code: ExitError, Err: err}
}

// usageExit is the annotation of a command whose exit code for wrong usage is
// not ExitUsage.
const usageExit = "usage-exit"

// UsageExit changes the exit code of wrong usage for one command.
func UsageExit(cmd *cobra.Command, code int) {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[usageExit] = strconv.Itoa(code)
}

// Run executes the program and returns its exit code. What went wrong is written
// to standard error.
func Run(root *cobra.Command) int {
	root.SilenceErrors, root.SilenceUsage = true, true
	cmd, err := root.ExecuteC()
	if err == nil {
		return ExitOK
	}
	var exit *Error
	if errors.As(err, &exit) {
		if exit.Err != nil {
			fmt.Fprintf(root.ErrOrStderr(), "%s: %v\n", cmd.CommandPath(), exit.Err)
		}
		return exit.Code
	}
	fmt.Fprintf(root.ErrOrStderr(), "%s: %v\nRun '%s --help' for usage.\n", cmd.CommandPath(), err, cmd.CommandPath())
	if code, err := strconv.Atoi(cmd.Annotations[usageExit]); err == nil {
		return code
	}
	return ExitUsage
}

// NoArguments is cobra.NoArgs in our words.
func NoArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q: there are only flags", args[0])
	}
	return nil
}
