// SPDX-License-Identifier: Apache-2.0

package workerenv

import (
	"os"
	"runtime"
)

// LimitProcs lets a process that does nothing but serve run Go code on as many
// CPUs at once as it runs jobs. With more, the runtime wakes a second thread for
// every message to look for work that is not there, on a CPU that the next
// worker, or the master, could use: about 5 µs of a round trip on two cores.
// GOMAXPROCS in the environment wins.
func LimitProcs(capacity int) {
	if os.Getenv("GOMAXPROCS") == "" && capacity < runtime.GOMAXPROCS(0) {
		runtime.GOMAXPROCS(max(capacity, 1))
	}
}
