// SPDX-License-Identifier: Apache-2.0

// What the fuzz targets share.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "wire/bytes.hpp"

/// Ends the process if something that must always hold does not: for libFuzzer
/// that is a crash, whose input it keeps.
#define FUZZ_CHECK(condition)                                                             \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)

namespace fuzz {

/// Octets in memory of exactly their size, so that the address sanitizer sees
/// each read beyond their end. A std::string has a zero there, and keeps short
/// texts in itself.
class exact {
 public:
  explicit exact(powerhose::detail::view octets) : octets_(new char[octets.size()]), size_(octets.size()) {
    std::copy(octets.begin(), octets.end(), octets_.get());
  }

  powerhose::detail::view get() const { return {octets_.get(), size_}; }

 private:
  std::unique_ptr<char[]> octets_;
  std::size_t size_;
};

}  // namespace fuzz

/// The target. Where there is no libFuzzer, replay.cpp calls it.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);
