// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package zmqnet

// listenerPID is not known here.
func listenerPID(int) int { return 0 }
