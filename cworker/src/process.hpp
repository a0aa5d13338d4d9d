// SPDX-License-Identifier: Apache-2.0

// What belongs to the whole process: forks and signals.

#pragma once

#include <csignal>
#include <cstdint>

#include "fd.hpp"

namespace powerhose::detail {

/// A number that is another one in every child of fork(). It costs less than
/// getpid(), which is a system call.
std::uint64_t fork_generation() noexcept;

/// Remembers the process that made it.
class fork_guard {
 public:
  bool same_process() const noexcept { return generation_ == fork_generation(); }
  /// Throws error with errc::forked in a child.
  void check() const;

 private:
  std::uint64_t generation_ = fork_generation();
};

/// Blocks SIGTERM and SIGINT in this thread and in those that it starts, so that
/// they can be read from a descriptor. A child of fork() has them unblocked
/// again, since it would not expect otherwise.
class signal_block {
 public:
  signal_block();
  /// Unblocks those that it has blocked.
  ~signal_block();
  signal_block(const signal_block&) = delete;
  signal_block& operator=(const signal_block&) = delete;

  /// A descriptor from which the signals can be read. Throws error with
  /// errc::resources.
  unique_fd open() const;

  /// Takes what is pending away, so that it does not strike when it is unblocked.
  void discard() const noexcept;

 private:
  sigset_t changed_;  // blocked by us, and not before
};

/// How many threads of this process would be struck by SIGTERM, as they do not
/// block it. 0 if that cannot be found out.
int threads_that_take_sigterm();

/// How many threads this process has. 0 if that cannot be found out.
int count_threads();

}  // namespace powerhose::detail
