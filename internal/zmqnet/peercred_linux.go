// SPDX-License-Identifier: Apache-2.0

package zmqnet

import "golang.org/x/sys/unix"

// listenerPID returns the process that made the socket listen which fd is
// connected to, 0 if unknown.
func listenerPID(fd int) int {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0
	}
	return int(cred.Pid)
}
