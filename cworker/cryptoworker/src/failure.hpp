// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <exception>
#include <string>
#include <utility>

#include "crypto.pb.h"

namespace powerhose::crypto {

/// What is wrong, as the caller is told. The text has no secret in it, nor
/// anything that came in the request but lengths.
class failure : public std::exception {
 public:
  failure(v1::ErrorCode code, std::string text) : code_(code), text_(std::move(text)) {}
  v1::ErrorCode code() const noexcept { return code_; }
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  v1::ErrorCode code_;
  std::string text_;
};

/// Says what is wrong with a key.
failure bad_key(const std::string& text);

/// Throws a failure if what is longer or shorter than allowed.
void check_length(const char* what, std::size_t got, std::size_t least, std::size_t most);

}  // namespace powerhose::crypto
