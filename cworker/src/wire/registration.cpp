// SPDX-License-Identifier: Apache-2.0

#include "wire/registration.hpp"

#include <algorithm>

#include "wire/frames.hpp"
#include "wire/property.hpp"

namespace powerhose::detail {

namespace {

// One property that may come only once: a text or a number.
struct known {
  view name;
  std::string* text = nullptr;
  std::int64_t* number = nullptr;
  std::int64_t low = 0;
  std::int64_t high = 0;
};

template <std::size_t Size>
flaw set_known(const known (&table)[Size], once& seen, view name, view value) {
  for (unsigned i = 0; i < Size; ++i) {
    const known& k = table[i];
    if (k.name != name || (k.text == nullptr && k.number == nullptr)) continue;
    if (!seen.add(i)) return malformed("property: there twice");
    if (k.text != nullptr) {
      *k.text = value;
      return sound;
    }
    return parse_number(value, k.low, k.high, *k.number);
  }
  return sound;
}

void put_text(std::string& out, view name, view value) {
  if (!value.empty()) put_property(out, name, value);
}

// Leaves out a number that says what its absence says.
void put_number(std::string& out, view name, std::int64_t value, std::int64_t absent) {
  if (value != absent) put_property(out, name, std::to_string(value));
}

flaw check_range(std::int64_t n, std::int64_t low, std::int64_t high) {
  return n < low || n > high ? malformed("property: a number out of its range") : sound;
}

flaw check_texts(const registration& what) {
  const struct {
    view text;
    std::size_t limit;
  } texts[] = {{what.endpoint, max_endpoint},
               {what.ledger, max_ledger},
               {what.host, max_host},
               {what.language, max_label},
               {what.version, max_label}};
  for (const auto& t : texts) {
    if (const flaw bad = check_printable(t.text, t.limit)) return bad;
  }
  if (!what.ledger.empty() && what.ledger[0] != '/')
    return malformed("property ledger: not an absolute path");
  return sound;
}

flaw check_registration(role who, const registration& what) {
  if (const flaw bad = check_identity(what.identity)) return bad;
  if (const flaw bad = check_texts(what)) return bad;
  if (const flaw bad = check_range(what.capacity, 1, max_capacity)) return bad;
  if (const flaw bad = check_range(what.prefetch, 0, max_prefetch)) return bad;
  if (const flaw bad = check_range(what.batch, 0, max_batch)) return bad;
  if (const flaw bad = check_range(what.pid, 0, max_pid)) return bad;
  if (who != role::worker) return sound;
  if (what.services.size() > max_services) return too_large("a worker has more than 256 services");
  for (const std::string& name : what.services) {
    if (const flaw bad = check_service(name)) return bad;
  }
  return sound;
}

void keep_first_of_equals(std::vector<std::string>& names) {
  std::vector<std::string> kept;
  for (std::string& name : names) {
    if (std::find(kept.begin(), kept.end(), name) == kept.end()) kept.push_back(std::move(name));
  }
  names = std::move(kept);
}

flaw check_welcome(const welcome& what) {
  if (const flaw bad = check_identity(what.identity)) return bad;
  if (const flaw bad = check_printable(what.host, max_host)) return bad;
  if (const flaw bad = check_printable(what.version, max_label)) return bad;
  if (const flaw bad = check_range(what.pid, 0, max_pid)) return bad;
  if (const flaw bad = check_range(what.heartbeat.count(), min_heartbeat.count(), max_heartbeat.count()))
    return bad;
  if (const flaw bad = check_range(what.liveness, min_liveness, max_liveness)) return bad;
  if (const flaw bad = check_range(what.max_message, min_message, max_message)) return bad;
  if (const flaw bad = check_range(what.batch, 0, max_batch)) return bad;
  return check_range(what.prefetch, 0, max_prefetch);
}

}  // namespace

flaw parse_registration(role who, view fields, registration& out) {
  out = registration{};
  const bool worker = who == role::worker;
  // What is not the role's stays unknown to it.
  const auto number_of_worker = [worker](std::int64_t& n) { return worker ? &n : nullptr; };
  const auto text_of_worker = [worker](std::string& s) { return worker ? &s : nullptr; };
  const known table[] = {
      {"identity", &out.identity},
      {"batch", nullptr, &out.batch, 0, max_batch},
      {"pid", nullptr, &out.pid, 1, max_pid},
      {"host", &out.host},
      {"language", &out.language},
      {"version", &out.version},
      {"capacity", nullptr, number_of_worker(out.capacity), 1, max_capacity},
      {"prefetch", nullptr, number_of_worker(out.prefetch), 0, max_prefetch},
      {"endpoint", text_of_worker(out.endpoint)},
      {"ledger", text_of_worker(out.ledger)},
  };
  once seen;
  const flaw bad = for_each_property(fields, [&](view name, view value) {
    if (!worker || name != "service") return set_known(table, seen, name, value);
    // Repeated names count too, which bounds the search for them.
    if (out.services.size() == max_services) return too_large("a worker has more than 256 services");
    out.services.emplace_back(value);
    return check_service(value);
  });
  if (bad) return bad;
  keep_first_of_equals(out.services);
  if (worker && out.services.empty()) out.services.emplace_back();
  return check_registration(who, out);
}

flaw put_registration(std::string& out, role who, const registration& what) {
  if (const flaw bad = check_registration(who, what)) return bad;
  const bool worker = who == role::worker;
  put_header(out, who, command::register_);
  put_text(out, "identity", what.identity);
  if (worker) {
    const bool only_default = what.services.size() == 1 && what.services[0].empty();
    if (!only_default) {
      for (const std::string& name : what.services) put_property(out, "service", name);
    }
    put_number(out, "capacity", what.capacity, default_capacity);
    put_number(out, "prefetch", what.prefetch, 0);
  }
  put_number(out, "batch", what.batch, 0);
  if (worker) {
    put_text(out, "endpoint", what.endpoint);
    put_text(out, "ledger", what.ledger);
  }
  put_number(out, "pid", what.pid, 0);
  put_text(out, "host", what.host);
  put_text(out, "language", what.language);
  put_text(out, "version", what.version);
  return sound;
}

flaw parse_welcome(view fields, welcome& out) {
  out = welcome{};
  std::int64_t heartbeat = default_heartbeat.count();
  std::int64_t ledger = 0;
  const known table[] = {
      {"identity", &out.identity},
      {"pid", nullptr, &out.pid, 1, max_pid},
      {"host", &out.host},
      {"version", &out.version},
      {"heartbeat", nullptr, &heartbeat, min_heartbeat.count(), max_heartbeat.count()},
      {"liveness", nullptr, &out.liveness, min_liveness, max_liveness},
      {"max-message", nullptr, &out.max_message, min_message, max_message},
      {"batch", nullptr, &out.batch, 0, max_batch},
      {"prefetch", nullptr, &out.prefetch, 0, max_prefetch},
      {"ledger", nullptr, &ledger, 0, 1},
  };
  once seen;
  const flaw bad =
      for_each_property(fields, [&](view name, view value) { return set_known(table, seen, name, value); });
  if (bad) return bad;
  out.heartbeat = std::chrono::milliseconds(heartbeat);
  out.ledger = ledger == 1;
  return check_welcome(out);
}

flaw put_welcome(std::string& out, role who, const welcome& what) {
  if (const flaw bad = check_welcome(what)) return bad;
  put_header(out, who, command::welcome);
  put_text(out, "identity", what.identity);
  put_number(out, "pid", what.pid, 0);
  put_text(out, "host", what.host);
  put_text(out, "version", what.version);
  put_number(out, "heartbeat", what.heartbeat.count(), 0);
  put_number(out, "liveness", what.liveness, 0);
  put_number(out, "max-message", what.max_message, 0);
  put_number(out, "batch", what.batch, 0);
  if (who == role::worker) {
    put_number(out, "prefetch", what.prefetch, 0);
    if (what.ledger) put_property(out, "ledger", "1");
  }
  return sound;
}

}  // namespace powerhose::detail
