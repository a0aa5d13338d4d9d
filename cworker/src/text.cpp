// SPDX-License-Identifier: Apache-2.0

#include "text.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <vector>

#include "system_error.hpp"
#include "wire/limits.hpp"

namespace powerhose::detail {

namespace {

constexpr char hex_digits[] = "0123456789abcdef";

void put_hex(std::string& out, char octet) {
  const auto value = static_cast<std::uint8_t>(octet);
  out.push_back(hex_digits[value >> 4]);
  out.push_back(hex_digits[value & 0xf]);
}

// Takes the unit of a duration off the text. 0 if there is none.
double cut_unit(std::string_view& text) {
  constexpr struct {
    std::string_view name;
    double nanoseconds;
  } units[] = {{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  for (const auto& unit : units) {
    if (text.substr(0, unit.name.size()) != unit.name) continue;
    text.remove_prefix(unit.name.size());
    return unit.nanoseconds;
  }
  return 0;
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::size_t most = 200;
  std::string out;
  for (const char c : text.substr(0, most)) {
    if (c >= 0x20 && c <= 0x7e) {
      out.push_back(c);
    } else {
      out.append("\\x");
      put_hex(out, c);
    }
  }
  if (text.size() > most) out.append("...");
  return out;
}

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  if (text == "0") return std::chrono::nanoseconds(0);
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    // Not from_chars: it takes "1e3", "inf" and "0x1" too.
    const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    double number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + digits, number);
    if (digits == 0 || code != std::errc() || end != text.data() + digits) return std::nullopt;
    text.remove_prefix(digits);
    const double unit = cut_unit(text);
    if (unit == 0) return std::nullopt;
    total += number * unit;
  }
  if (total > 9e18) return std::nullopt;
  return std::chrono::nanoseconds(static_cast<std::int64_t>(total));
}

std::optional<long> parse_integer(std::string_view text) {
  long number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string format_duration(std::chrono::nanoseconds d) {
  const std::int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

std::string random_hex(std::size_t n) {
  std::vector<char> octets(n);
  if (::getrandom(octets.data(), n, 0) != static_cast<ssize_t>(n)) throw_errno("getrandom");
  std::string out;
  for (const char octet : octets) put_hex(out, octet);
  return out;
}

std::string host_name() {
  char name[max_host + 1] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return {};
  std::string out(name);
  for (char& c : out) {
    if (c <= 0x20 || c > 0x7e) c = '?';
  }
  return out;
}

}  // namespace powerhose::detail
