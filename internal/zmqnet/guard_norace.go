// SPDX-License-Identifier: Apache-2.0

//go:build !race

package zmqnet

// guard costs nothing outside race builds.
type guard struct{}

func (*guard) enter() {}
func (*guard) leave() {}
