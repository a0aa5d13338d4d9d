// SPDX-License-Identifier: Apache-2.0

// Properties and headers share one form: name-len:1 name value-len:2 value.

#pragma once

#include <cstdint>
#include <string>

#include "wire/bytes.hpp"
#include "wire/flaw.hpp"
#include "wire/limits.hpp"

namespace powerhose::detail {

struct property {
  view name;
  view value;
};

/// Takes the first property off `in`. False if it is cut short or has no name.
bool cut_property(view& in, property& out) noexcept;

/// The name must have 1 to 255 octets, the value at most 65535.
void put_property(std::string& out, view name, view value);

/// Checks names as R-13 says.
flaw check_property_name(view name);

/// Calls f(name, value) with each property of a list, up to the first flaw.
template <class Function>
flaw for_each_property(view in, Function f) {
  if (in.size() > max_properties) return too_large("the properties have more than 32768 octets");
  property p;
  while (!in.empty()) {
    if (!cut_property(in, p))
      return malformed("properties: a name or a value is cut short, or a name is empty");
    if (const flaw bad = check_property_name(p.name)) return bad;
    if (const flaw bad = f(p.name, p.value)) return bad;
  }
  return sound;
}

/// Reads decimal digits without sign and without leading zeros.
flaw parse_number(view value, std::int64_t low, std::int64_t high, std::int64_t& out);

/// Checks that a text is printable ASCII of at most that many octets.
flaw check_printable(view text, std::size_t limit);

/// Checks an identity.
flaw check_identity(view text);

/// Checks the name of a service: 0 to 64 octets of 21-7e.
flaw check_service(view name);

/// Checks the headers of a job.
flaw check_headers(view headers);

/// The value of the first header of that name. False if there is none.
bool find_header(view headers, view name, view& value) noexcept;

/// Remembers which properties were there. Names are few, so bits do.
class once {
 public:
  /// False if that one was there before.
  bool add(unsigned index) noexcept {
    const std::uint32_t bit = std::uint32_t{1} << index;
    const bool fresh = (seen_ & bit) == 0;
    seen_ |= bit;
    return fresh;
  }

 private:
  std::uint32_t seen_ = 0;
};

}  // namespace powerhose::detail
