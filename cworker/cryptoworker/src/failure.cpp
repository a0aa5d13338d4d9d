// SPDX-License-Identifier: Apache-2.0

#include "failure.hpp"

namespace powerhose::crypto {

failure bad_key(const std::string& text) { return {v1::BAD_KEY, "key: " + text}; }

void check_length(const char* what, std::size_t got, std::size_t least, std::size_t most) {
  if (got >= least && got <= most) return;
  throw failure(v1::BAD_LENGTH, std::string(what) + ": " + std::to_string(got) + " octets, allowed are " +
                                    std::to_string(least) + " to " + std::to_string(most));
}

}  // namespace powerhose::crypto
