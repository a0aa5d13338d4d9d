// SPDX-License-Identifier: Apache-2.0

#include "der.hpp"

#include "failure.hpp"

namespace powerhose::crypto {

namespace {

[[noreturn]] void fail() { throw bad_key("the block cannot be read"); }

unsigned char octet(std::string_view s, std::size_t at) {
  if (at >= s.size()) fail();
  return static_cast<unsigned char>(s[at]);
}

}  // namespace

void der_reader::expect_end() const {
  if (!at_end()) fail();
}

std::string_view der_reader::value(unsigned char tag) {
  if (octet(rest_, 0) != tag) fail();
  std::size_t header = 2;
  std::size_t length = octet(rest_, 1);
  if (length >= 0x80) {
    const std::size_t count = length - 0x80;
    if (count < 1 || count > 2) fail();  // of no definite length, or longer than a file may be
    length = 0;
    for (; header < 2 + count; ++header) length = length << 8 | octet(rest_, header);
    const std::size_t least = count == 1 ? 0x80 : 0x100;
    if (length < least) fail();
  }
  if (length > rest_.size() - header) fail();
  const std::string_view out = rest_.substr(header, length);
  rest_.remove_prefix(header + length);
  return out;
}

std::string_view der_reader::integer() {
  const std::string_view out = value(0x02);
  const unsigned char first = octet(out, 0);
  if (first >= 0x80) fail();
  if (first == 0 && out.size() > 1 && octet(out, 1) < 0x80) fail();
  return out;
}

std::string_view der_reader::bit_string() {
  const std::string_view out = value(0x03);
  if (octet(out, 0) != 0) fail();
  return out.substr(1);
}

void der_reader::null() {
  if (!value(0x05).empty()) fail();
}

void der_reader::skip_optional(unsigned char tag) {
  if (!at_end() && octet(rest_, 0) == tag) value(tag);
}

}  // namespace powerhose::crypto
