// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "wire/job.hpp"

namespace powerhose::detail {

using moment = std::chrono::steady_clock::time_point;

/// t + d without overflow.
inline moment later(moment t, std::chrono::nanoseconds d) {
  return d > moment::max() - t ? moment::max() : t + std::chrono::duration_cast<moment::duration>(d);
}

/// A job as the master sent it.
struct job_record {
  job_ref ref;
  moment deadline;           ///< when its time left is over
  std::size_t service = 0;   ///< which of session_config::services
  std::uint64_t number = 0;  ///< counts the JOBs since REGISTER, this one included
  view headers;
  view payload;
  std::shared_ptr<const void> owner;  ///< keeps headers and payload alive
  std::string peer;                   ///< where it came from and its answer goes
};

/// The jobs of the current registration in the order received, and those that
/// run. A part of session.
class session_jobs {
 public:
  session_jobs(std::size_t capacity, std::size_t most);

  std::size_t waiting() const { return queue_.size(); }
  std::size_t running() const { return slots_.size() - free_.size(); }
  bool has_free_slot() const { return !free_.empty(); }
  bool has_room() const { return waiting() + running() < most_; }

  void push(job_record&& job) { queue_.push_back(std::move(job)); }
  job_record pop();
  void clear() { queue_.clear(); }
  /// Removes a waiting job. False if it does not wait.
  bool take(const job_ref& ref);

  struct slot {
    job_record job;
    bool busy = false;
    bool stale = false;  ///< of a lost registration: nobody waits for its result
  };

  /// Puts a job into a free slot, of which there must be one.
  std::size_t occupy(job_record&& job);
  /// Frees a slot. False if it has no job.
  bool release(std::size_t index, slot& out);
  slot& at(std::size_t index) { return slots_[index]; }
  std::size_t slots() const { return slots_.size(); }
  /// Where a job runs whose result is still wanted; slots() if nowhere.
  std::size_t slot_of(const job_ref& ref) const;

  std::uint64_t received = 0;  ///< JOBs since REGISTER

 private:
  std::size_t most_;
  std::deque<job_record> queue_;
  std::vector<slot> slots_;
  std::vector<std::size_t> free_;  // the latest used one last
};

}  // namespace powerhose::detail
