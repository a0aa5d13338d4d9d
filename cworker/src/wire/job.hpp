// SPDX-License-Identifier: Apache-2.0

// The messages about jobs between master and worker: docs/protocol.md, section 8.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "wire/bytes.hpp"
#include "wire/code.hpp"
#include "wire/flaw.hpp"

namespace powerhose::detail {

/// Names one attempt at a job; all there is in CANCEL, RECALL and RETURN.
struct job_ref {
  std::uint64_t id = 0;
  std::uint32_t attempt = 0;
};

inline bool operator==(const job_ref& a, const job_ref& b) { return a.id == b.id && a.attempt == b.attempt; }

/// JOB from the master. Decoded, service and headers are parts of the input.
struct worker_job {
  job_ref ref;
  std::chrono::microseconds time_left{};
  view service;
  view headers;
};

/// RESULT of a worker.
struct worker_result {
  job_ref ref;
  job_status status = job_status::ok;
  std::uint32_t run_us = 0;  ///< microseconds, rounded up; 0: not measured
};

// The fields, for a message or a record of a batch.
flaw parse_worker_job(view fields, worker_job& out);
flaw put_worker_job_fields(std::string& out, const worker_job& what);
flaw parse_worker_result(view fields, worker_result& out);
void put_worker_result_fields(std::string& out, const worker_result& what);
flaw parse_job_ref(view fields, job_ref& out);

/// Appends the header frame of a CANCEL, RECALL or RETURN.
void put_job_ref(std::string& out, command what, const job_ref& ref);

/// How a duration is measured for RESULT.
std::uint32_t run_of(std::chrono::nanoseconds took) noexcept;

// What JOBs of workers and of runners share.
flaw check_job(view service, view headers);
flaw parse_service_headers(view in, view& service, view& headers);
void put_service_headers(std::string& out, view service, view headers);
std::chrono::microseconds clamp_time(std::uint64_t us) noexcept;

}  // namespace powerhose::detail
