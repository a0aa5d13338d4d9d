// SPDX-License-Identifier: Apache-2.0

#include "session_jobs.hpp"

#include <algorithm>
#include <utility>

namespace powerhose::detail {

session_jobs::session_jobs(std::size_t capacity, std::size_t most) : most_(most), slots_(capacity) {
  free_.reserve(capacity);
  for (std::size_t i = capacity; i-- > 0;) free_.push_back(i);
}

job_record session_jobs::pop() {
  job_record job = std::move(queue_.front());
  queue_.pop_front();
  return job;
}

bool session_jobs::take(const job_ref& ref) {
  const auto at =
      std::find_if(queue_.begin(), queue_.end(), [&](const job_record& j) { return j.ref == ref; });
  if (at == queue_.end()) return false;
  queue_.erase(at);
  return true;
}

std::size_t session_jobs::occupy(job_record&& job) {
  const std::size_t index = free_.back();
  free_.pop_back();
  slots_[index] = slot{std::move(job), true, false};
  return index;
}

bool session_jobs::release(std::size_t index, slot& out) {
  if (index >= slots_.size() || !slots_[index].busy) return false;
  out = std::move(slots_[index]);
  slots_[index] = slot{};
  free_.push_back(index);
  return true;
}

std::size_t session_jobs::slot_of(const job_ref& ref) const {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].busy && !slots_[i].stale && slots_[i].job.ref == ref) return i;
  }
  return slots_.size();
}

}  // namespace powerhose::detail
