// SPDX-License-Identifier: Apache-2.0

#include "support/vectors.hpp"
#include "wire/batch.hpp"
#include "wire/frames.hpp"
#include "wire/job.hpp"
#include "wire/property.hpp"
#include "wire/registration.hpp"
#include "wire/runner.hpp"

namespace test {

using namespace powerhose::detail;

namespace {

std::string hex(view octets) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : octets) {
    out.push_back(digits[static_cast<std::uint8_t>(c) >> 4]);
    out.push_back(digits[static_cast<std::uint8_t>(c) & 0xf]);
  }
  return out;
}

std::string hex(std::uint64_t id) {
  std::string octets;
  put(octets, id);
  return hex(octets);
}

std::string error_of(flaw bad) {
  switch (bad.kind) {
    case fault::none: return "";
    case fault::malformed: return "malformed";
    case fault::too_large: return "too-large";
    case fault::version: return "version";
    case fault::wrong_role: return "wrong-role";
    case fault::unknown_command: return "unknown-command";
  }
  return "?";
}

// Fills in a decoded message, field by field. What it appends to `encoded` is
// what the codec makes of what it has read.
class describer {
 public:
  describer(role who, direction where, decoded& out) : who_(who), where_(where), out_(out) {}

  flaw message(const header& head) {
    switch (head.what) {
      case command::register_: return register_(head.fields);
      case command::welcome: return welcome_(head.fields);
      case command::error: return error(head.fields);
      case command::batch: return batch(head.fields);
      case command::job:
      case command::result:
        put_header(out_.encoded, who_, head.what);
        return job_or_result(head.what, head.fields);
      case command::cancel:
      case command::recall:
      case command::return_: return reference(head.what, head.fields);
      default: put_header(out_.encoded, who_, head.what); return parse_nothing(head.fields);
    }
  }

 private:
  void add(const char* key, const std::string& value) {
    out_.lines.push_back(std::string(key) + ": " + value);
  }
  void add(const char* key, std::int64_t value) { add(key, std::to_string(value)); }
  void add_text(const char* key, const std::string& value) {
    if (!value.empty()) add(key, value);
  }
  void add_number(const char* key, std::int64_t value) {
    if (value != 0) add(key, value);
  }

  flaw register_(view fields) {
    registration r;
    if (const flaw bad = parse_registration(who_, fields, r)) return bad;
    add("identity", r.identity);
    if (who_ == role::worker) {
      for (const std::string& name : r.services) add("service", name);
      add("capacity", r.capacity);
      add_number("prefetch", r.prefetch);
    }
    add_number("batch", r.batch);
    add_text("endpoint", r.endpoint);
    add_text("ledger", r.ledger);
    add_number("pid", r.pid);
    add_text("host", r.host);
    add_text("language", r.language);
    add_text("version", r.version);
    return put_registration(out_.encoded, who_, r);
  }

  flaw welcome_(view fields) {
    welcome w;
    if (const flaw bad = parse_welcome(fields, w)) return bad;
    add("identity", w.identity);
    add_number("pid", w.pid);
    add_text("host", w.host);
    add_text("version", w.version);
    add("heartbeat", w.heartbeat.count());
    add("liveness", w.liveness);
    add("max-message", w.max_message);
    add_number("batch", w.batch);
    add_number("prefetch", w.prefetch);
    if (w.ledger) add("ledger", 1);
    return put_welcome(out_.encoded, who_, w);
  }

  flaw error(view fields) {
    peer_error e;
    if (const flaw bad = parse_error(fields, e)) return bad;
    add("code", e.octet);
    add("text", e.text);
    put_error(out_.encoded, who_, e);
    return sound;
  }

  flaw reference(command what, view fields) {
    if (who_ == role::runner) {
      std::uint64_t id = 0;
      if (const flaw bad = parse_runner_cancel(fields, id)) return bad;
      add("job-id", hex(id));
      put_runner_cancel(out_.encoded, id);
      return sound;
    }
    job_ref ref;
    if (const flaw bad = parse_job_ref(fields, ref)) return bad;
    add("job-id", hex(ref.id));
    add("attempt", ref.attempt);
    put_job_ref(out_.encoded, what, ref);
    return sound;
  }

  void service_and_headers(view service, view headers) {
    add("service", std::string(service));
    property p;
    while (cut_property(headers, p)) {
      const std::string value = hex(p.value);
      add("header", hex(p.name) + (value.empty() ? "" : " " + value));
    }
  }

  flaw job_or_result(command what, view fields) {
    const bool worker = who_ == role::worker;
    if (what == command::job) return worker ? job_of_worker(fields) : job_of_runner(fields);
    return worker ? result_of_worker(fields) : result_of_runner(fields);
  }

  flaw job_of_worker(view fields) {
    worker_job j;
    if (const flaw bad = parse_worker_job(fields, j)) return bad;
    add("job-id", hex(j.ref.id));
    add("attempt", j.ref.attempt);
    add("time-left-us", j.time_left.count());
    service_and_headers(j.service, j.headers);
    return put_worker_job_fields(out_.encoded, j);
  }

  flaw job_of_runner(view fields) {
    runner_job j;
    if (const flaw bad = parse_runner_job(fields, j)) return bad;
    add("job-id", hex(j.id));
    add("time-left-us", j.time_left.count());
    add("wait-us", j.wait ? std::to_string(j.wait->count()) : std::to_string(UINT64_MAX));
    add("retries", j.retries);
    service_and_headers(j.service, j.headers);
    return put_runner_job_fields(out_.encoded, j);
  }

  flaw result_of_worker(view fields) {
    worker_result r;
    if (const flaw bad = parse_worker_result(fields, r)) return bad;
    add("job-id", hex(r.ref.id));
    add("attempt", r.ref.attempt);
    add("status", static_cast<int>(r.status));
    add("run-us", r.run_us);
    put_worker_result_fields(out_.encoded, r);
    return sound;
  }

  flaw result_of_runner(view fields) {
    runner_result r;
    if (const flaw bad = parse_runner_result(fields, r)) return bad;
    add("job-id", hex(r.id));
    add("outcome", static_cast<int>(r.how));
    add("may-have-run", r.may_have_run ? 1 : 0);
    add("retry-after-ms", r.retry_after.count());
    put_runner_result_fields(out_.encoded, r);
    return sound;
  }

  // Stops at the first record that a receiver must drop; those before it
  // stand.
  flaw batch(view fields) {
    put_header(out_.encoded, who_, command::batch);
    batch_reader records(fields);
    batch_record r;
    while (records.next(r)) {
      if (frames_of(who_, r.what, where_) == 0) return malformed("a record of the other direction");
      decoded one;
      if (const flaw bad = describer(who_, where_, one).job_or_result(r.what, r.fields)) return bad;
      const std::size_t mark = begin_record(out_.encoded, r.what);
      out_.encoded += one.encoded;
      end_record(out_.encoded, mark, r.payload);
      add("record", name_of(r.what));
      out_.lines.insert(out_.lines.end(), one.lines.begin(), one.lines.end());
      add("payload", hex(r.payload));
    }
    return records.bad();
  }

  role who_;
  direction where_;
  decoded& out_;
};

}  // namespace

decoded decode(role who, direction where, const std::vector<std::string>& frames) {
  return decode(who, where, std::vector<view>(frames.begin(), frames.end()));
}

decoded decode(role who, direction where, const std::vector<view>& frames) {
  decoded out;
  header head;
  flaw bad = check_envelope(who, where, frames[0], frames.size(), head);
  out.message = name_of(head.what);
  if (!bad) bad = describer(who, where, out).message(head);
  out.error = error_of(bad);
  if (!bad && frames.size() == 2) out.lines.push_back("payload: " + hex(frames[1]));
  return out;
}

}  // namespace test
