// SPDX-License-Identifier: Apache-2.0

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <powerhose/error.hpp>
#include <powerhose/options.hpp>
#include <string>

#include "text.hpp"

namespace powerhose {

namespace {

// The value of a variable; empty if it is not set.
std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

[[noreturn]] void refuse(const char* name, const std::string& value, const char* wanted) {
  throw error(errc::bad_option,
              std::string(name) + " is \"" + detail::printable(value) + "\": not " + wanted);
}

// Calls set() with the number in a variable, if it is set.
template <class Function>
void with_number(const char* name, long low, long high, Function set) {
  const std::string value = variable(name);
  if (value.empty()) return;
  const auto number = detail::parse_integer(value);
  if (!number || *number < low || *number > high) refuse(name, value, "a number in its range");
  set(*number);
}

void read_duration(const char* name, std::chrono::milliseconds& to) {
  const std::string value = variable(name);
  if (value.empty()) return;
  const auto duration = detail::parse_duration(value);
  if (!duration) refuse(name, value, "a duration such as 300ms, 5s or 1m30s");
  to = std::chrono::duration_cast<std::chrono::milliseconds>(*duration);
}

void read_log_level(options& o) {
  constexpr const char* name = "POWERHOSE_LOG_LEVEL";
  const std::string value = variable(name);
  if (value.empty()) return;
  const struct {
    const char* name;
    log_level level;
  } levels[] = {{"debug", log_level::debug},
                {"info", log_level::info},
                {"warn", log_level::warning},
                {"error", log_level::error}};
  for (const auto& l : levels) {
    if (value == l.name) {
      o.log = log_to_stderr(l.level);
      return;
    }
  }
  refuse(name, value, "one of debug, info, warn, error");
}

}  // namespace

options options::from_environment() {
  constexpr long most = 1L << 20;  // the exact limits are the worker's to check
  options o;
  with_number("POWERHOSE_CAPACITY", 1, most, [&](long n) { o.capacity = static_cast<unsigned>(n); });
  with_number("POWERHOSE_PREFETCH", -most, most, [&](long n) {
    if (n != 0) o.prefetch = static_cast<unsigned>(n < 0 ? 0 : n);
  });
  with_number("POWERHOSE_LIFELINE_FD", 0, most, [&](long n) {
    o.lifeline = static_cast<int>(n);
    // What a handler starts must not hold it.
    if (::fcntl(o.lifeline, F_SETFD, FD_CLOEXEC) != 0)
      refuse("POWERHOSE_LIFELINE_FD", std::to_string(n), "an open descriptor");
  });
  o.listen = variable("POWERHOSE_LISTEN");
  o.insecure = variable("POWERHOSE_INSECURE") == "1";
  read_duration("POWERHOSE_PATIENCE", o.patience);
  read_duration("POWERHOSE_DRAIN_TIMEOUT", o.drain_timeout);
  read_log_level(o);
  ::unsetenv("POWERHOSE_WORKER");
  ::unsetenv("POWERHOSE_LIFELINE_FD");
  return o;
}

log_function log_to_stderr(log_level least) {
  return [least](log_level level, std::string_view text) {
    if (level < least) return;
    constexpr const char* names[] = {"DEBUG ", "INFO ", "WARN ", "ERROR "};
    std::string line = names[static_cast<std::size_t>(level)];
    line.append(text);
    line.push_back('\n');
    // In one piece, so that lines of several processes do not mix.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  };
}

}  // namespace powerhose
