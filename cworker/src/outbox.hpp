// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "session_jobs.hpp"
#include "wire/bytes.hpp"
#include "wire/job.hpp"

namespace powerhose::detail {

/// A BATCH of results that grows.
class outbox {
 public:
  /// What a WELCOME grants: records in one batch, less than 2 for no batches,
  /// and octets in a frame.
  void grant(std::int64_t records, std::int64_t octets);

  /// Whether such a result may go into a batch at all. Beyond some size a frame
  /// of its own is cheaper than the copy.
  bool takes(view payload) const;
  /// Whether it fits into what is there: if not, that is to be sent first.
  bool has_room(const std::string& peer, view payload) const;
  void add(moment now, const std::string& peer, const worker_result& result, view payload);

  bool empty() const { return records_ == 0; }
  bool full() const { return records_ >= most_records_; }
  const std::string& frame() const { return frame_; }
  const std::string& peer() const { return peer_; }
  moment since() const { return since_; }  ///< when the first record came; valid unless empty
  void clear() { records_ = 0; }

 private:
  std::size_t most_records_ = 0;
  std::size_t most_octets_ = 0;
  std::size_t records_ = 0;
  std::string frame_;
  std::string peer_;
  moment since_;
};

}  // namespace powerhose::detail
