// SPDX-License-Identifier: Apache-2.0

#include "outbox.hpp"

#include <algorithm>

#include "wire/batch.hpp"
#include "wire/frames.hpp"

namespace powerhose::detail {

namespace {

constexpr std::size_t batch_octets = 60 << 10;  // every master allows that much
constexpr std::size_t batch_payload = 8 << 10;
constexpr std::size_t result_fields = 8 + 4 + 1 + 4;

}  // namespace

void outbox::grant(std::int64_t records, std::int64_t octets) {
  clear();
  most_records_ = static_cast<std::size_t>(records);
  most_octets_ = std::min(batch_octets, static_cast<std::size_t>(octets));
}

bool outbox::takes(view payload) const { return most_records_ > 1 && payload.size() <= batch_payload; }

bool outbox::has_room(const std::string& peer, view payload) const {
  const std::size_t size = record_overhead + result_fields + payload.size();
  return empty() || (peer == peer_ && !full() && frame_.size() + size <= most_octets_);
}

void outbox::add(moment now, const std::string& peer, const worker_result& result, view payload) {
  if (empty()) {
    frame_.clear();
    put_header(frame_, role::worker, command::batch);
    peer_ = peer;
    since_ = now;
  }
  const std::size_t mark = begin_record(frame_, command::result);
  put_worker_result_fields(frame_, result);
  end_record(frame_, mark, payload);
  ++records_;
}

}  // namespace powerhose::detail
