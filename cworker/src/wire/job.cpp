// SPDX-License-Identifier: Apache-2.0

#include "wire/job.hpp"

#include "wire/frames.hpp"
#include "wire/limits.hpp"
#include "wire/property.hpp"

namespace powerhose::detail {

namespace {

constexpr std::size_t ref_size = 8 + 4;
constexpr std::size_t job_fixed = ref_size + 8;  // up to service-len
constexpr std::size_t result_size = ref_size + 1 + 4;

job_ref get_ref(view fields) { return {get<std::uint64_t>(fields), get<std::uint32_t>(fields, 8)}; }

void put_ref(std::string& out, const job_ref& ref) {
  put(out, ref.id);
  put(out, ref.attempt);
}

}  // namespace

std::chrono::microseconds clamp_time(std::uint64_t us) noexcept {
  const auto most = static_cast<std::uint64_t>(max_time.count());
  return std::chrono::microseconds(static_cast<std::int64_t>(us < most ? us : most));
}

flaw check_job(view service, view headers) {
  if (const flaw bad = check_service(service)) return bad;
  return check_headers(headers);
}

// All lengths are settled before a limit is looked at: too large always means a
// message of the right form.
flaw parse_service_headers(view in, view& service, view& headers) {
  if (in.empty()) return malformed("JOB: cut short");
  std::size_t size = get<std::uint8_t>(in);
  in.remove_prefix(1);
  if (in.size() < size + 2) return malformed("JOB: cut short");
  service = in.substr(0, size);
  in.remove_prefix(size);
  size = get<std::uint16_t>(in);
  in.remove_prefix(2);
  if (in.size() != size) return malformed("JOB: headers-len is not what follows");
  headers = in;
  return check_job(service, headers);
}

void put_service_headers(std::string& out, view service, view headers) {
  put(out, static_cast<std::uint8_t>(service.size()));
  out.append(service);
  put(out, static_cast<std::uint16_t>(headers.size()));
  out.append(headers);
}

flaw parse_worker_job(view fields, worker_job& out) {
  if (fields.size() < job_fixed) return malformed("JOB: cut short");
  out.ref = get_ref(fields);
  out.time_left = clamp_time(get<std::uint64_t>(fields, ref_size));
  return parse_service_headers(fields.substr(job_fixed), out.service, out.headers);
}

flaw put_worker_job_fields(std::string& out, const worker_job& what) {
  if (const flaw bad = check_job(what.service, what.headers)) return bad;
  put_ref(out, what.ref);
  put(out, static_cast<std::uint64_t>(what.time_left.count() < 0 ? 0 : what.time_left.count()));
  put_service_headers(out, what.service, what.headers);
  return sound;
}

flaw parse_worker_result(view fields, worker_result& out) {
  if (fields.size() != result_size) return malformed("RESULT: not 17 octets of fields");
  out.ref = get_ref(fields);
  out.status = static_cast<job_status>(get<std::uint8_t>(fields, ref_size));
  out.run_us = get<std::uint32_t>(fields, ref_size + 1);
  if (out.status > job_status::error) return malformed("RESULT: unknown status");
  return sound;
}

void put_worker_result_fields(std::string& out, const worker_result& what) {
  put_ref(out, what.ref);
  put(out, static_cast<std::uint8_t>(what.status));
  put(out, what.run_us);
}

flaw parse_job_ref(view fields, job_ref& out) {
  if (fields.size() != ref_size) return malformed("message: not 12 octets of fields");
  out = get_ref(fields);
  return sound;
}

void put_job_ref(std::string& out, command what, const job_ref& ref) {
  put_header(out, role::worker, what);
  put_ref(out, ref);
}

std::uint32_t run_of(std::chrono::nanoseconds took) noexcept {
  if (took.count() <= 0) return 1;  // it was measured: 0 would say that it was not
  const std::int64_t us = (took.count() - 1) / 1000 + 1;
  return us < std::int64_t{UINT32_MAX} ? static_cast<std::uint32_t>(us) : UINT32_MAX;
}

}  // namespace powerhose::detail
