// SPDX-License-Identifier: Apache-2.0

// The little of DER that keys are written in. Crypto++ reads keys too, but takes
// much that is not DER, and some versions hang on what is made for that.

#pragma once

#include <string_view>

namespace powerhose::crypto {

/// Reads values one after the other, as views of what it was made with. Each
/// function throws failure if the next value is not as it says.
class der_reader {
 public:
  explicit der_reader(std::string_view der) : rest_(der) {}

  bool at_end() const noexcept { return rest_.empty(); }
  void expect_end() const;

  der_reader sequence() { return der_reader(value(0x30)); }
  /// An integer that is not negative, big endian, with a zero octet in front if
  /// its highest bit is set.
  std::string_view integer();
  std::string_view octet_string() { return value(0x04); }
  /// A bit string whose length is a multiple of eight.
  std::string_view bit_string();
  /// The octets of an object identifier.
  std::string_view object_identifier() { return value(0x06); }
  void null();
  /// Skips a value if it has this tag.
  void skip_optional(unsigned char tag);

 private:
  std::string_view value(unsigned char tag);

  std::string_view rest_;
};

}  // namespace powerhose::crypto
