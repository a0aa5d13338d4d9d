// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <powerhose/answer.hpp>
#include <powerhose/job.hpp>
#include <string>

#include "session_jobs.hpp"
#include "wire/code.hpp"

namespace powerhose::detail {

/// A service and what is known of it.
struct offer {
  std::string name;
  std::shared_ptr<responder> object;
  /// How long its jobs take, on the pessimistic side: one that takes long counts
  /// at once, quick ones bring it down slowly. Belongs to the engine.
  std::chrono::nanoseconds expected = std::chrono::nanoseconds::max();
};

/// Where one job runs. It belongs to the engine until the job is given to a
/// thread, then to that thread until it gives it back; only `cancelled` is for
/// both. The hand-over is the synchronisation.
struct place {
  std::size_t slot = 0;
  const job_record* job = nullptr;
  offer* service = nullptr;
  std::atomic<bool> cancelled{false};

  // The answer.
  job_status status = job_status::ok;
  detail::answer answer;
  std::chrono::nanoseconds took{};

  /// Calls the handler. This is the one place where its exceptions are caught.
  /// Returns the time at its end.
  moment run(moment now);
  void fail(std::string_view text);
};

}  // namespace powerhose::detail
