// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	lagInterval   = 2 * time.Millisecond
	lagLeast      = 5 * time.Millisecond // what is less is not worth a line
	queueInterval = 20 * time.Millisecond
)

// watchLag tells, until stop is closed, when this process got no processor
// although it wanted one: the noise that no program can be blamed for. It is seen
// in two ways: this goroutine wakes up late, also when the process is stopped;
// and the kernel counts how long the threads stand in its queue, of which as much
// is told as fits into the time that passed. Times may overlap and be out of
// order.
func watchLag(stop <-chan struct{}, late func(span)) {
	last := now()
	looked, waited := last, queued()
	for {
		select {
		case <-stop:
			return
		case <-time.After(lagInterval):
		}
		at := now()
		if due := last + lagInterval; at-due > lagLeast {
			late(span{due, at})
		}
		last = at
		if at-looked >= queueInterval {
			sum := queued()
			if d := sum - waited; d > lagLeast {
				late(span{max(looked, at-d), at})
			}
			looked, waited = at, sum
		}
	}
}

// queued is for how long this process's threads were ready to run and did not,
// all in all; less when a thread ends.
func queued() (sum time.Duration) {
	tasks, _ := filepath.Glob("/proc/self/task/*/schedstat")
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		words := strings.Fields(string(text))
		if err != nil || len(words) < 2 {
			continue
		}
		n, _ := strconv.ParseInt(words[1], 10, 64)
		sum += time.Duration(n)
	}
	return sum
}
