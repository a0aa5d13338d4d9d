// SPDX-License-Identifier: Apache-2.0

// Reads protocol/testdata/vectors, whose README describes the form, and says of
// frames what a vector says of them.

#pragma once

#include <string>
#include <vector>

#include "wire/bytes.hpp"
#include "wire/code.hpp"

namespace test {

struct vector {
  std::string name;
  powerhose::detail::role who{};
  powerhose::detail::direction where{};
  std::vector<std::string> frames;
  std::string message;
  std::vector<std::string> lines;  // "key: value"
  std::string error;               // empty: the message is accepted
  bool encode = true;
};

/// All vectors, in a fixed order. Throws std::runtime_error.
std::vector<vector> load_vectors();

/// What a receiver makes of frames, and what a sender makes of that.
struct decoded {
  std::string message;
  std::vector<std::string> lines;
  std::string error;
  std::string encoded;  // the header frame again, if there is no error
};

decoded decode(powerhose::detail::role who, powerhose::detail::direction where,
               const std::vector<powerhose::detail::view>& frames);
decoded decode(powerhose::detail::role who, powerhose::detail::direction where,
               const std::vector<std::string>& frames);

}  // namespace test
