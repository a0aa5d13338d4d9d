// SPDX-License-Identifier: Apache-2.0

#include "wire/runner.hpp"

#include "wire/frames.hpp"
#include "wire/job.hpp"

namespace powerhose::detail {

namespace {

constexpr std::size_t job_fixed = 8 + 8 + 8 + 1;  // up to service-len
constexpr std::size_t result_size = 8 + 1 + 1 + 4;
constexpr std::size_t cancel_size = 8;
constexpr std::uint64_t until_deadline = UINT64_MAX;

}  // namespace

flaw parse_runner_job(view fields, runner_job& out) {
  if (fields.size() < job_fixed) return malformed("JOB: cut short");
  out.id = get<std::uint64_t>(fields);
  out.time_left = clamp_time(get<std::uint64_t>(fields, 8));
  const auto wait = get<std::uint64_t>(fields, 16);
  out.wait = wait == until_deadline ? std::nullopt : std::optional(clamp_time(wait));
  out.retries = get<std::uint8_t>(fields, 24);
  return parse_service_headers(fields.substr(job_fixed), out.service, out.headers);
}

flaw put_runner_job_fields(std::string& out, const runner_job& what) {
  if (const flaw bad = check_job(what.service, what.headers)) return bad;
  put(out, what.id);
  put(out, static_cast<std::uint64_t>(what.time_left.count()));
  put(out, what.wait ? static_cast<std::uint64_t>(what.wait->count()) : until_deadline);
  put(out, what.retries);
  put_service_headers(out, what.service, what.headers);
  return sound;
}

flaw parse_runner_result(view fields, runner_result& out) {
  if (fields.size() != result_size) return malformed("RESULT: not 14 octets of fields");
  out.id = get<std::uint64_t>(fields);
  out.how = static_cast<outcome>(get<std::uint8_t>(fields, 8));
  const auto may_have_run = get<std::uint8_t>(fields, 9);
  out.may_have_run = may_have_run == 1;
  out.retry_after = std::chrono::milliseconds(get<std::uint32_t>(fields, 10));
  if (out.how > outcome::closed) return malformed("RESULT: unknown outcome");
  if (may_have_run > 1) return malformed("RESULT: may-have-run is neither 0 nor 1");
  return sound;
}

void put_runner_result_fields(std::string& out, const runner_result& what) {
  put(out, what.id);
  put(out, static_cast<std::uint8_t>(what.how));
  put(out, static_cast<std::uint8_t>(what.may_have_run ? 1 : 0));
  put(out, static_cast<std::uint32_t>(what.retry_after.count()));
}

flaw parse_runner_cancel(view fields, std::uint64_t& id) {
  if (fields.size() != cancel_size) return malformed("CANCEL: not 8 octets of fields");
  id = get<std::uint64_t>(fields);
  return sound;
}

void put_runner_cancel(std::string& out, std::uint64_t id) {
  put_header(out, role::runner, command::cancel);
  put(out, id);
}

}  // namespace powerhose::detail
