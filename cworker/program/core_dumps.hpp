// SPDX-License-Identifier: Apache-2.0

#pragma once

namespace cworker {

/// Keeps what is in this process's memory in there: no core dumps, whatever the
/// system's settings are, and no other process of the same user may trace it or
/// read its memory. Children inherit the former. The start ledger and the
/// lifeline do not depend on /proc, so they go on working. Call it before there
/// are secrets. Throws std::system_error.
void forbid_core_dumps();

}  // namespace cworker
