// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"
	"time"
)

// starved is how long after a tick the next one comes when somebody else has the
// processors.
const starved = 20 * time.Millisecond

// gapMeter tells for how long a process wanted a processor and got none. Somebody
// has to tick it each millisecond.
type gapMeter struct {
	mu         sync.Mutex
	last       time.Time
	sum, worst time.Duration
}

func (g *gapMeter) tick() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if gap := now.Sub(g.last); !g.last.IsZero() && gap > starved {
		g.sum += gap
		g.worst = max(g.worst, gap)
	}
	g.last = now
}

// total is the sum of all gaps so far, with one that has not ended.
func (g *gapMeter) total() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if gap := time.Since(g.last); !g.last.IsZero() && gap > starved {
		return g.sum + gap
	}
	return g.sum
}

// longest is the longest gap so far.
func (g *gapMeter) longest() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.worst
}

// watch ticks until ctx ends.
func (g *gapMeter) watch(ctx context.Context) {
	for pause(ctx, time.Millisecond) {
		g.tick()
	}
}
