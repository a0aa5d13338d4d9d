// SPDX-License-Identifier: Apache-2.0

#include "wire/property.hpp"

#include <algorithm>

namespace powerhose::detail {

namespace {

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool cut_property(view& in, property& out) noexcept {
  if (in.empty()) return false;
  const std::size_t name = get<std::uint8_t>(in);
  if (name == 0 || in.size() - 1 < name + 2) return false;
  const std::size_t value = get<std::uint16_t>(in, 1 + name);
  if (in.size() - 1 - name - 2 < value) return false;
  out.name = in.substr(1, name);
  out.value = in.substr(1 + name + 2, value);
  in.remove_prefix(1 + name + 2 + value);
  return true;
}

void put_property(std::string& out, view name, view value) {
  put(out, static_cast<std::uint8_t>(name.size()));
  out.append(name);
  put(out, static_cast<std::uint16_t>(value.size()));
  out.append(value);
}

flaw check_property_name(view name) {
  if (name.size() > max_property_name) return too_large("the name of a property has more than 64 octets");
  const auto legal = [](char c) { return is_lower(c) || is_digit(c) || c == '-'; };
  if (!std::all_of(name.begin(), name.end(), legal))
    return malformed("property: a name is not of a-z, 0-9 and -");
  return sound;
}

flaw parse_number(view value, std::int64_t low, std::int64_t high, std::int64_t& out) {
  constexpr std::size_t digits = 18;  // what always fits
  if (value.empty() || (value[0] == '0' && value.size() > 1) ||
      !std::all_of(value.begin(), value.end(), is_digit))
    return malformed("property: not a number");
  if (value.size() > digits) return malformed("property: a number out of its range");
  std::int64_t n = 0;
  for (const char c : value) n = n * 10 + (c - '0');
  if (n < low || n > high) return malformed("property: a number out of its range");
  out = n;
  return sound;
}

flaw check_printable(view text, std::size_t limit) {
  if (text.size() > limit) return too_large("a property is too long");
  const auto legal = [](char c) { return c >= 0x20 && c <= 0x7e; };
  if (!std::all_of(text.begin(), text.end(), legal)) return malformed("property: not printable ASCII");
  return sound;
}

flaw check_identity(view text) {
  if (text.empty()) return malformed("property identity: missing or empty");
  if (text.size() > max_identity) return too_large("property identity has more than 64 octets");
  const auto legal = [](char c) {
    return is_lower(c) || is_upper(c) || is_digit(c) || c == '.' || c == '_' || c == '-';
  };
  if (!std::all_of(text.begin(), text.end(), legal))
    return malformed("property identity: not of A-Z, a-z, 0-9, '.', '_' and '-'");
  return sound;
}

flaw check_service(view name) {
  if (name.size() > max_service_name) return too_large("a service name has more than 64 octets");
  const auto legal = [](char c) { return c >= 0x21 && c <= 0x7e; };
  if (!std::all_of(name.begin(), name.end(), legal))
    return malformed("service name: not printable ASCII without spaces");
  return sound;
}

flaw check_headers(view headers) {
  if (headers.size() > max_headers) return too_large("the headers of a job have more than 4096 octets");
  property ignored;
  while (!headers.empty()) {
    if (!cut_property(headers, ignored))
      return malformed("headers: a name or a value is cut short, or a name is empty");
  }
  return sound;
}

bool find_header(view headers, view name, view& value) noexcept {
  property p;
  while (!headers.empty() && cut_property(headers, p)) {
    if (p.name == name) {
      value = p.value;
      return true;
    }
  }
  return false;
}

}  // namespace powerhose::detail
