// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cerrno>
#include <powerhose/error.hpp>
#include <string>
#include <system_error>

namespace powerhose::detail {

/// The text of an errno.
inline std::string errno_text(int number) { return std::generic_category().message(number); }

/// Throws error with errc::resources and the text of errno.
[[noreturn]] inline void throw_errno(const std::string& what) {
  const int number = errno;
  throw error(errc::resources, what + ": " + errno_text(number));
}

}  // namespace powerhose::detail
