// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"math/bits"
	"time"
)

// random is a stream of random numbers (splitmix64). Every actor has its own, made
// from the seed and its name, so that leaving one out hardly changes what the
// others do. It uses integers only: a seed means the same on every machine.
type random struct{ state uint64 }

// stream returns the stream of that name of a seed.
func stream(seed uint64, name string) random {
	const prime = 1099511628211 // FNV-1a
	h := seed ^ 14695981039346656037
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * prime
	}
	r := random{h}
	r.next()
	return r
}

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number from 0 to n-1.
func (r *random) below(n int) int {
	high, _ := bits.Mul64(r.next(), uint64(n))
	return int(high)
}

// oneIn is true once in n times.
func (r *random) oneIn(n int) bool { return r.below(n) == 0 }

// between returns a duration from low to high, both included.
func (r *random) between(low, high time.Duration) time.Duration {
	return low + time.Duration(r.below(int(high-low)+1))
}

// about returns a duration with an exponential tail around mean: mostly less,
// now and then many times as long.
func (r *random) about(mean time.Duration) time.Duration {
	x := r.next()
	whole := bits.LeadingZeros64(x | 1<<40) // how often a coin came up heads: at most 23
	part := time.Duration(x & 1023)
	return mean * (time.Duration(whole)<<10 + part) / 1478 // ln 2, and half a step
}

// pick returns one of the values.
func pick[T any](r *random, values ...T) T { return values[r.below(len(values))] }
