// SPDX-License-Identifier: Apache-2.0

#include "place.hpp"

#include <algorithm>
#include <exception>
#include <stdexcept>

#include "wire/frames.hpp"
#include "wire/property.hpp"

namespace powerhose {

handler::~handler() = default;

std::string_view job::payload() const noexcept { return place_.job->payload; }
std::string_view job::service() const noexcept { return place_.service->name; }

std::optional<std::string_view> job::header(std::string_view name) const noexcept {
  std::string_view value;
  if (!detail::find_header(place_.job->headers, name, value)) return std::nullopt;
  return value;
}

std::vector<std::pair<std::string_view, std::string_view>> job::headers() const {
  std::vector<std::pair<std::string_view, std::string_view>> all;
  std::string_view rest = place_.job->headers;
  detail::property p;
  while (detail::cut_property(rest, p)) all.emplace_back(p.name, p.value);
  return all;
}

job::clock::time_point job::deadline() const noexcept { return place_.job->deadline; }

job::clock::duration job::time_left() const noexcept {
  return std::max(deadline() - clock::now(), clock::duration::zero());
}

bool job::cancelled() const noexcept {
  return place_.cancelled.load(std::memory_order_relaxed) || clock::now() >= deadline();
}

namespace detail {

responder::~responder() = default;

moment place::run(moment now) {
  const class job work(*this);
  status = job_status::ok;
  try {
    if (cancelled.load()) throw std::runtime_error("cancelled");  // before it began, so why begin
    answer = service->object->respond(work);
    // A part of the payload: its message lives until the answer has left.
    if (answer.part.data() != nullptr && !answer.owner) answer.owner = job->owner;
  } catch (const std::exception& e) {
    fail(e.what());
  } catch (...) {
    fail("an exception that is not a std::exception");
  }
  const moment end = std::chrono::steady_clock::now();
  took = end - now;
  return end;
}

void place::fail(std::string_view text) {
  status = job_status::error;
  answer = {tidy_text(text), {}, {}};
}

}  // namespace detail
}  // namespace powerhose
