// SPDX-License-Identifier: Apache-2.0

// Powerhose runs a master with workers, sends jobs to it, and tells how it is.
// See docs/commands.md.
package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/powerhose/powerhose/internal/cli"
	"github.com/powerhose/powerhose/jobrunner"
)

const long = `Runs a master with workers, sends jobs to a master, and tells how it is.

The endpoints can also be set by the environment variables POWERHOSE_FRONTEND and
POWERHOSE_BACKEND, and so can --insecure, --max-message, --log-level and
--log-format by POWERHOSE_ and their name. The command line wins.`

// global is what all commands have on their command line.
type global struct {
	frontend string
	backend  string
}

// client is what every command that talks to a master elsewhere has there.
type client struct {
	*global
	insecure bool
	log      cli.Log
}

func (c *client) flags(fs *pflag.FlagSet) {
	cli.Insecure(fs, &c.insecure)
	c.log.Flags(fs, "warn")
}

// connect returns a runner for the frontend. What can go wrong is what was on
// the command line.
func (c *client) connect(cfg jobrunner.Config) (*jobrunner.Runner, error) {
	if c.frontend != "" { // else there is no default, and Connect says why
		cfg.Masters = []string{c.frontend}
	}
	cfg.Insecure = c.insecure
	return jobrunner.Connect(cfg)
}

// environment are the flags that have a variable, where a command has them.
var environment = []string{"frontend", "backend", "insecure", "max-message", "log-level", "log-format"}

func main() { os.Exit(cli.Run(command())) }

func command() *cobra.Command {
	g := &global{}
	root := &cobra.Command{
		Use: "powerhose", Short: "Get jobs done by workers", Long: long,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return cli.FromEnvironment(cmd.Flags(), environment...)
		},
		RunE: func(*cobra.Command, []string) error { return errors.New("name a command") },
	}
	fs := root.PersistentFlags()
	cli.Frontend(fs, &g.frontend, "the master's endpoint for runners")
	cli.Backend(fs, &g.backend, "the master's endpoint for workers (run only)")
	root.AddCommand(runCommand(g), execCommand(g), statusCommand(g), checkCommand(g), conformCommand(), versionCommand())
	return root
}
