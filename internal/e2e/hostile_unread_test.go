// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/jobrunner"
	"github.com/powerhose/powerhose/protocol"
)

// TestLargeResultsThatNobodyTakes asks for more than it reads, in messages so
// large that their number bounds nothing. R-79
func TestLargeResultsThatNobodyTakes(t *testing.T) {
	t.Parallel()
	a := newAssaulted(t)
	bad := dial(t, a.frontend, 4)
	bad.register(protocol.RoleRunner, protocol.Registration{Identity: "deaf"})
	payload := []byte(strings.Repeat("x", 512<<10))
	runners := func() int { return until(t, a.good, func(jobrunner.Status) bool { return true }).Runners }
	before := resident(t, a.master.pid())
	for id := uint64(1); ; id++ {
		bad.send(submission(t, id, "echo", patience), payload)
		if id%50 == 0 {
			a.work()
			if runners() == 1 {
				t.Logf("given up after %d jobs", id)
				break
			}
		}
		require.Less(t, id, uint64(4000), "never given up")
	}
	grown := resident(t, a.master.pid()) - before
	t.Logf("the master grew by %d MiB", grown>>20)
	// 256 MiB of results, and as many jobs as may have waited.
	require.Less(t, grown, int64(memoryFactor*450<<20))
	require.NoError(t, bad.s.Close(0))
	a.over()
}
