// SPDX-License-Identifier: Apache-2.0

// Package workerenv names the environment variables by which whoever starts a
// worker process tells it what to do. worker.Main reads them; the supervisor
// sets them. The endpoint's variable is endpoint.EnvBackend.
package workerenv

const (
	// Worker is "1" in a process that is to be a worker. In any other process
	// worker.Main returns at once. Main removes it from the environment, so that
	// programs that a handler starts are not workers too.
	Worker = "POWERHOSE_WORKER"

	// Capacity and Prefetch are decimal numbers, as worker.Config.
	Capacity = "POWERHOSE_CAPACITY"
	Prefetch = "POWERHOSE_PREFETCH"

	// Listen is the endpoint of the worker's own socket.
	Listen = "POWERHOSE_LISTEN"

	// Patience and DrainTimeout are durations as time.ParseDuration reads them.
	Patience     = "POWERHOSE_PATIENCE"
	DrainTimeout = "POWERHOSE_DRAIN_TIMEOUT"

	// MaxMessage is a number of octets.
	MaxMessage = "POWERHOSE_MAX_MESSAGE"

	// Insecure is "1" to allow tcp to other machines.
	Insecure = "POWERHOSE_INSECURE"

	// LogLevel is debug, info, warn or error. Main logs to standard error.
	LogLevel = "POWERHOSE_LOG_LEVEL"

	// LifelineFD is the number of an inherited descriptor, the reading end of a
	// pipe whose writing end only the parent has: at its end the parent is dead
	// and the worker exits at once. Main removes it from the environment.
	LifelineFD = "POWERHOSE_LIFELINE_FD"
)
