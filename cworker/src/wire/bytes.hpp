// SPDX-License-Identifier: Apache-2.0

// Octets, and integers in the order of the wire.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace powerhose::detail {

/// Octets of any kind.
using view = std::string_view;

/// Appends an unsigned integer, big endian.
template <class Unsigned>
void put(std::string& out, Unsigned value) {
  char octets[sizeof(Unsigned)];
  for (std::size_t i = sizeof(Unsigned); i-- > 0;) {
    octets[i] = static_cast<char>(value & 0xff);
    value = static_cast<Unsigned>(value >> (sizeof(Unsigned) > 1 ? 8 : 0));
  }
  out.append(octets, sizeof octets);
}

/// Reads an unsigned integer, big endian. There must be enough octets at `at`.
template <class Unsigned>
Unsigned get(view in, std::size_t at = 0) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i)
    value = value << 8 | static_cast<std::uint8_t>(in[at + i]);
  return static_cast<Unsigned>(value);
}

}  // namespace powerhose::detail
