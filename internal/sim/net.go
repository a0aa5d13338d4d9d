// SPDX-License-Identifier: Apache-2.0

package sim

import "time"

const maxHosts = 4

// network is what lies between processes.
type network struct {
	w         *world
	listeners map[string]*router
	conns     []*conn // of which one side is open at least
	serial    uint64

	// cuts[a][b] is not 0 while nothing gets from host a to host b; a number that
	// is never the same again.
	cuts   [maxHosts][maxHosts]uint32
	serves uint32
	slowed [maxHosts][maxHosts]time.Duration // what messages take beyond the usual, about
}

func (n *network) blocked(from, to int) bool { return n.cuts[from][to] != 0 }

func (n *network) slow(from, to int) time.Duration { return n.slowed[from][to] }

// silence tells why s hears nothing of the other side, as a number that changes
// when that changes; 0 if there is no reason.
func (n *network) silence(s *side) uint32 {
	other := s.c.side[1-s.index].p
	x := n.cuts[other.host][s.p.host]<<8 + n.cuts[s.p.host][other.host]<<20
	if other.paused {
		x += 2*other.pauses + 1
	}
	return x
}

// cut lets nothing pass from a to b any more.
func (n *network) cut(a, b int) {
	if n.cuts[a][b] != 0 {
		return
	}
	n.serves++
	n.cuts[a][b] = n.serves
	for _, c := range n.conns {
		if n.between(c, a, b) {
			c.expect(dealing)
			c.expect(routing)
		}
	}
}

// heal lets pass what was held up.
func (n *network) heal(a, b int) {
	if n.cuts[a][b] == 0 {
		return
	}
	n.cuts[a][b] = 0
	for _, c := range n.conns {
		if !n.between(c, a, b) {
			continue
		}
		for i := range c.side {
			q := c.side[i].out
			if q.from.p.host == a && q.to.p.host == b {
				q.delayUntil(n.w.now + c.rng.about(c.delay))
				q.schedule()
			}
		}
	}
}

func (n *network) between(c *conn, a, b int) bool {
	x, y := c.side[0].p.host, c.side[1].p.host
	return x == a && y == b || x == b && y == a
}

func (n *network) forget(c *conn) {
	for i, x := range n.conns {
		if x == c {
			n.conns = append(n.conns[:i], n.conns[i+1:]...) // in order: the order decides
			return
		}
	}
}
