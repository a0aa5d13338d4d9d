// SPDX-License-Identifier: Apache-2.0

/// @file
/// How the library reports its own failures. Failures of jobs are no errors of
/// the library: they travel to the caller as text.

#pragma once

#include <powerhose/export.hpp>
#include <stdexcept>
#include <string>

namespace powerhose {

/// Why something could not be done.
enum class errc {
  bad_option,    ///< An option or an environment variable is out of range.
  bad_endpoint,  ///< An endpoint is not one, or not allowed; the text says what to change.
  bad_service,   ///< A service has an impossible name, is there twice, or there are too many or none.
  misuse,        ///< A function was called at the wrong time, such as run() twice.
  forked,        ///< A worker was used in a child of the process that made it.
  resources,     ///< The system refused threads, descriptors, memory or processes.
  transport,     ///< ZeroMQ failed in a way that a reconnect does not mend.
};

/// Thrown by everything in this library that cannot do what it was asked for.
class POWERHOSE_API error : public std::runtime_error {
 public:
  error(errc code, const std::string& text) : std::runtime_error("powerhose: " + text), code_(code) {}
  /// What kind of failure this is; what() is for people.
  errc code() const noexcept { return code_; }

 private:
  errc code_;
};

}  // namespace powerhose
