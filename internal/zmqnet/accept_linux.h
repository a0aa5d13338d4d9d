// SPDX-License-Identifier: Apache-2.0

#ifndef POWERHOSE_ACCEPT_H
#define POWERHOSE_ACCEPT_H

#include <stdint.h>

enum { phz_listeners = 1024 }; // that this process may have at a time

// phz_listens says that the socket with this inode is one whose listener is
// libzmq's. What was in the slot before is forgotten. 0 is no inode.
void phz_listens(int slot, uint64_t inode);

#endif
