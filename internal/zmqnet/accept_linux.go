// SPDX-License-Identifier: Apache-2.0

package zmqnet

/*
#cgo LDFLAGS: -ldl
#include "accept_linux.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// listeners are the places in the table of accept_linux.c. A place that is free
// again keeps its socket until it is taken, the others first: libzmq closes
// descriptors some time later. An inode is not another socket's soon.
var listeners struct {
	mu   sync.Mutex
	used [C.phz_listeners]bool // guarded by mu
	last int                   // guarded by mu: the place taken last
}

var errListeners = errors.New("more ipc endpoints than one process can have")

// surviveAccept protects the process from what libzmq makes of a failing accept
// on that listening socket; see accept_linux.c. end says that it was closed.
func surviveAccept(fd int) (end func(), err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("inode of a socket: %w", err)
	}
	l := &listeners
	l.mu.Lock()
	defer l.mu.Unlock()
	for range l.used {
		l.last = (l.last + 1) % len(l.used)
		if slot := l.last; !l.used[slot] {
			l.used[slot] = true
			C.phz_listens(C.int(slot), C.uint64_t(st.Ino))
			return func() { freeListener(slot) }, nil
		}
	}
	return nil, errListeners
}

func freeListener(slot int) {
	listeners.mu.Lock()
	listeners.used[slot] = false
	listeners.mu.Unlock()
}
