// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"testing"
)

func TestX(t *testing.T) {
	var s Stats
	for seed := range uint64(60) {
		r := Run(seed, Options{})
		s.Add(&r.Stats)
		if r.Failure != nil {
			t.Log(r.Failure)
			for _, l := range r.Failure.Trace {
				t.Log(l)
			}
			t.FailNow()
		}
	}
	t.Logf("%+v", s)
}
