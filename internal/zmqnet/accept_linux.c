// SPDX-License-Identifier: Apache-2.0

// When a process has no descriptor left, libzmq's listener on an ipc endpoint
// aborts it: of accept's errors it knows ENFILE, the system's limit, but not
// EMFILE, the process's own, nor those of a lack of memory (ipc_listener.cpp of
// 4.3.4 and 4.3.5; the one for tcp knows them all). So whoever may connect could
// end a master by connecting often enough.
//
// libzmq finds this program's accept and accept4 before the C library's. They do
// what those do, except that libzmq is told what it understands about a listener
// of ours.

#define _GNU_SOURCE
#include "accept_linux.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint64_t listening[phz_listeners];

void phz_listens(int slot, uint64_t inode) { atomic_store(&listening[slot], inode); }

static int is_ours(int fd) {
	struct stat st;
	if (fstat(fd, &st) != 0) return 0;
	for (int i = 0; i < phz_listeners; i++)
		if (atomic_load(&listening[i]) == st.st_ino) return 1;
	return 0;
}

// told is what the caller of accept is told of its result.
static int told(int fd, int got) {
	const int error = errno;
	if (got < 0 && (error == EMFILE || error == ENOMEM || error == ENOBUFS) && is_ours(fd)) {
		// It tries again at once, as long as somebody wants in. Others who can
		// close something may need this processor.
		const struct timespec pause = {0, 1000000};
		nanosleep(&pause, 0);
		errno = ENFILE;
	} else {
		errno = error;
	}
	return got;
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
	typedef int function(int, struct sockaddr *, socklen_t *, int);
	static _Atomic(function *) next;
	function *f = atomic_load(&next);
	if (!f) {
		f = (function *)dlsym(RTLD_NEXT, "accept4");
		atomic_store(&next, f);
	}
	if (f) return told(fd, f(fd, address, length, flags));
	return told(fd, (int)syscall(SYS_accept4, fd, address, length, flags)); // in a static program
}

int accept(int fd, struct sockaddr *address, socklen_t *length) {
	typedef int function(int, struct sockaddr *, socklen_t *);
	static _Atomic(function *) next;
	function *f = atomic_load(&next);
	if (!f) {
		f = (function *)dlsym(RTLD_NEXT, "accept");
		atomic_store(&next, f);
	}
	if (f) return told(fd, f(fd, address, length));
	return told(fd, (int)syscall(SYS_accept4, fd, address, length, 0));
}
