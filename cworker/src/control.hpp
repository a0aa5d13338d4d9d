// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <poll.h>

#include <optional>
#include <powerhose/options.hpp>
#include <vector>

#include "engine.hpp"
#include "fd.hpp"
#include "logger.hpp"
#include "process.hpp"

namespace powerhose::detail {

/// What reaches a worker from outside, beside its master's messages: signals,
/// stop(), the death of its parent. It belongs to whoever is at the helm.
class control {
 public:
  /// `signals` may be null; `stop` is an eventfd and outlives this.
  control(const signal_block* signals, const unique_fd& stop, int lifeline, engine& controlled, logger log);

  /// Fills in the descriptors of this and of the engine, to be polled.
  void add_descriptors(std::vector<pollfd>& to) const;

  /// Does what polled descriptors say. May end the process.
  void obey(const std::vector<pollfd>& polled, moment now);

  /// Ends the process at once.
  [[noreturn]] void exit_now(int status, const std::string& why);

  /// What run() returns.
  int status() const;

 private:
  void on_signal(moment now);

  unique_fd signals_;
  const unique_fd& stop_;
  int lifeline_;
  engine& engine_;
  logger log_;
  bool signalled_ = false;
};

/// Waits for descriptors, at most until a moment, with the precision of the
/// clock. It may end early, as signals do that to it.
void poll_until(pollfd* fds, std::size_t count, moment until);
inline void poll_until(std::vector<pollfd>& fds, moment until) { poll_until(fds.data(), fds.size(), until); }

}  // namespace powerhose::detail
