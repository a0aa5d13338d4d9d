// SPDX-License-Identifier: Apache-2.0

// Package libctest calls the C library as libzmq does, for tests of zmqnet: Go
// calls the kernel itself, and a test file cannot use cgo.
package libctest

/*
#define _GNU_SOURCE
#include <sys/socket.h>

static int plain(int fd) { return accept(fd, 0, 0); }
static int with_flags(int fd) { return accept4(fd, 0, 0, SOCK_CLOEXEC); }
*/
import "C"

import (
	"fmt"
	"syscall"
)

// Accept calls accept and accept4, and returns the error that both gave.
func Accept(fd int) error {
	_, plain := C.plain(C.int(fd))
	_, withFlags := C.with_flags(C.int(fd))
	if plain != withFlags { //nolint:errorlint // these are plain numbers
		return fmt.Errorf("accept: %v, accept4: %v", plain, withFlags) //nolint:errorlint // it is neither
	}
	if plain == nil {
		return syscall.Errno(0)
	}
	return plain
}
