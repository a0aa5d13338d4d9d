// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <functional>
#include <future>
#include <memory>
#include <powerhose/worker.hpp>
#include <string>
#include <thread>
#include <vector>

#include "support/master.hpp"

namespace test {

/// Options of a worker for a scripted master: short patience, no signals.
powerhose::options options_for(const master& m);

/// All ways to use threads, for tests that must hold in each.
extern const std::vector<powerhose::threading> all_threadings;
std::string name_of(powerhose::threading t);

/// A worker in a thread of this process.
class running_worker {
 public:
  /// Offers "" and "echo", and what `more` adds.
  explicit running_worker(powerhose::options settings,
                          const std::function<void(powerhose::worker&)>& more = {});
  /// Stops it, whatever the master says.
  ~running_worker();
  running_worker(const running_worker&) = delete;
  running_worker& operator=(const running_worker&) = delete;

  void stop() { worker_.stop(); }
  /// What run() returned, or the text of what it threw. Throws
  /// std::runtime_error if that takes too long.
  std::string end();
  /// A drain that the master agrees to.
  std::string leave(master& m);

 private:
  powerhose::worker worker_;
  std::future<std::string> ended_;
  std::thread thread_;
};

/// Something that one thread waits for and another one says.
class event {
 public:
  void set() { promise_.set_value(); }
  /// Throws std::runtime_error if it takes too long.
  void wait();
  bool wait_for(std::chrono::milliseconds d) const {
    return future_.wait_for(d) == std::future_status::ready;
  }

 private:
  std::promise<void> promise_;
  std::shared_future<void> future_ = promise_.get_future().share();
};

/// Waits until a handler is told that nobody waits for it. False if that takes
/// too long.
bool wait_until_cancelled(const powerhose::job& job);

}  // namespace test
