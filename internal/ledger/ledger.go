// SPDX-License-Identifier: Apache-2.0

// Package ledger is the start ledger: a number in memory that a worker and its
// master on the same machine share, and that survives the worker's death. The
// worker counts in it the jobs that it has started; the master, when the worker
// is gone, closes it and reads the count, and so knows which of the jobs that it
// had handed over certainly never started and may be given to somebody else.
//
// The shared memory is a file of Size octets, mapped by both. Its first 8 octets
// are one unsigned integer in the byte order of the machine: bit 63 is set when
// the master has closed the ledger, the others are the number of jobs claimed.
// Both sides change it only by atomic operations, so for each job either the
// worker has claimed it or the master knows that it never will be.
//
// A ledger belongs to one registration of one worker; a worker that registers
// again makes a new one.
package ledger

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Size of a ledger's file in octets, exactly.
const Size = 4096

// Name of a ledger's file: prefix, pid of the worker, "-", a random part.
const prefix = "ledger-"

const closedBit = uint64(1) << 63

// mapFile maps a file of Size octets for reading and writing, shared.
func mapFile(f *os.File) (mem []byte, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	cerr := conn.Control(func(fd uintptr) {
		mem, err = unix.Mmap(int(fd), 0, Size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	})
	if err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: map %s: %w", f.Name(), err)
	}
	return mem, nil
}

// word is the shared number. A mapping begins at a page, so it is aligned.
func word(mem []byte) *uint64 {
	return (*uint64)(unsafe.Pointer(unsafe.SliceData(mem)))
}
