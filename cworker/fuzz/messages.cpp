// SPDX-License-Identifier: Apache-2.0

// Gives a message to the receiver of each role and side, and a frame to all
// decoders that take octets from elsewhere. What is accepted keeps the limits
// and survives encoding and decoding.
//
// The input: an octet that says how many frames there are, then the first one.
// The decoders look into no other.

#include <string>
#include <vector>

#include "check.hpp"
#include "support/vectors.hpp"
#include "text.hpp"
#include "wire/batch.hpp"
#include "wire/frames.hpp"
#include "wire/job.hpp"
#include "wire/limits.hpp"
#include "wire/property.hpp"
#include "wire/registration.hpp"

namespace {

using namespace powerhose::detail;
using fuzz::exact;
using test::decode;
using test::decoded;

// Whether there is only one way to write such a message. In properties the order
// is free, and a job's time may be too long.
bool is_fixed(const std::string& message) {
  return message != "REGISTER" && message != "WELCOME" && message != "JOB" && message != "BATCH";
}

void whole_message(role who, direction where, const std::vector<view>& frames) {
  const decoded m = decode(who, where, frames);
  if (!m.error.empty()) return;
  const exact copy(m.encoded);
  std::vector<view> again = frames;
  again[0] = copy.get();
  const decoded same = decode(who, where, again);
  FUZZ_CHECK(same.error.empty());
  FUZZ_CHECK(same.message == m.message);
  FUZZ_CHECK(same.lines == m.lines);
  FUZZ_CHECK(same.encoded == m.encoded);
  // An ERROR may be of the other role.
  const bool mine = frames[0][4] == static_cast<char>(who);
  if (mine && is_fixed(m.message)) FUZZ_CHECK(m.encoded == frames[0]);
}

// Sizes of jobs and of batches are known beforehand, whatever is in them.
void same_octets(view fields) {
  worker_job job;
  if (!parse_worker_job(fields, job)) {
    std::string out;
    FUZZ_CHECK(!put_worker_job_fields(out, job));
    FUZZ_CHECK(out.size() == fields.size());
    FUZZ_CHECK(out.substr(20) == fields.substr(20));
    FUZZ_CHECK(job.time_left.count() >= 0 && job.time_left <= max_time);
    FUZZ_CHECK(job.service.size() <= max_service_name && job.headers.size() <= max_headers);
  }
  std::string out;
  batch_reader records(fields);
  batch_record r;
  std::size_t count = 0;
  for (; records.next(r); ++count) {
    const std::size_t mark = begin_record(out, r.what);
    out += r.fields;
    end_record(out, mark, r.payload);
  }
  FUZZ_CHECK(count <= max_batch);
  FUZZ_CHECK(fields.substr(0, out.size()) == out);  // up to the break
  if (!records.bad()) FUZZ_CHECK(count > 0 && out.size() == fields.size());
  FUZZ_CHECK(!records.next(r));  // the end stays the end
}

void limits(view fields) {
  registration r;
  for (const role who : {role::worker, role::runner}) {
    if (parse_registration(who, fields, r)) continue;
    FUZZ_CHECK(!r.identity.empty() && r.identity.size() <= max_identity);
    FUZZ_CHECK(r.services.size() <= max_services);
    FUZZ_CHECK(r.capacity >= 1 && r.capacity <= max_capacity);
    FUZZ_CHECK(r.prefetch >= 0 && r.prefetch <= max_prefetch);
    FUZZ_CHECK(r.batch >= 0 && r.batch <= max_batch);
    FUZZ_CHECK(r.pid >= 0 && r.pid <= max_pid);
  }
  welcome w;
  if (!parse_welcome(fields, w)) {
    FUZZ_CHECK(w.heartbeat >= min_heartbeat && w.heartbeat <= max_heartbeat);
    FUZZ_CHECK(w.liveness >= min_liveness && w.liveness <= max_liveness);
    FUZZ_CHECK(w.max_message >= min_message && w.max_message <= max_message);
    FUZZ_CHECK(w.batch >= 0 && w.batch <= max_batch);
    FUZZ_CHECK(w.prefetch >= 0 && w.prefetch <= max_prefetch);
  }
}

void headers(view octets) {
  view value;
  const view name = octets.substr(0, octets.empty() ? 0 : static_cast<std::uint8_t>(octets[0]) % 8);
  const bool found = find_header(octets, name, value);
  if (check_headers(octets)) return;
  std::string again;
  bool named = false;
  property p;
  for (view rest = octets; cut_property(rest, p);) {
    named = named || p.name == name;
    put_property(again, p.name, p.value);
  }
  FUZZ_CHECK(again == octets);
  FUZZ_CHECK(named == found);
}

void texts(view octets) {
  const std::string tidy = tidy_text(octets);
  FUZZ_CHECK(tidy.size() <= max_error_text);
  FUZZ_CHECK(tidy_text(tidy) == tidy);
  for (const char c : printable(octets)) FUZZ_CHECK((c >= ' ' && c <= '~') || octets.size() > 200);
  std::int64_t n = 0;
  if (!parse_number(octets, -1, INT64_MAX, n)) FUZZ_CHECK(std::to_string(n) == octets);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const exact first(view(reinterpret_cast<const char*>(data), size).substr(1));
  const exact payload("p");
  std::vector<view> frames(1 + data[0] % 3, payload.get());
  frames[0] = first.get();
  for (const role who : {role::worker, role::runner}) {
    for (const direction where : {direction::to_master, direction::from_master})
      whole_message(who, where, frames);
  }
  const view frame = frames[0];
  const exact fields(frame.substr(std::min(header_size, frame.size())));
  for (const view octets : {frame, fields.get()}) {
    same_octets(octets);
    limits(octets);
    headers(octets);
    texts(octets);
  }
  return 0;
}
