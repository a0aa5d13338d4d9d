// SPDX-License-Identifier: Apache-2.0

// The messages about jobs between runner and master: docs/protocol.md, section
// 9. A worker never sees one; they are here so that this codec runs all vectors,
// and for tools that speak both sides.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "wire/bytes.hpp"
#include "wire/code.hpp"
#include "wire/flaw.hpp"

namespace powerhose::detail {

struct runner_job {
  std::uint64_t id = 0;
  std::chrono::microseconds time_left{};
  std::optional<std::chrono::microseconds> wait;  ///< none: until the deadline
  std::uint8_t retries = 0;
  view service;
  view headers;
};

struct runner_result {
  std::uint64_t id = 0;
  outcome how = outcome::ok;
  bool may_have_run = false;
  std::chrono::milliseconds retry_after{};  ///< 0: unknown
};

/// A flaw that is too_large leaves the id filled in.
flaw parse_runner_job(view fields, runner_job& out);
flaw put_runner_job_fields(std::string& out, const runner_job& what);
flaw parse_runner_result(view fields, runner_result& out);
void put_runner_result_fields(std::string& out, const runner_result& what);
flaw parse_runner_cancel(view fields, std::uint64_t& id);
void put_runner_cancel(std::string& out, std::uint64_t id);

}  // namespace powerhose::detail
