// SPDX-License-Identifier: Apache-2.0

// The service "crypto", if this build has it. It is apart from the others because
// it needs Crypto++ and protobuf: crypto.cpp is compiled if both were found, else
// no_crypto.cpp.

#pragma once

#include <powerhose/worker.hpp>
#include <string>

namespace cworker {

extern const char crypto_service[];  ///< its name

extern const bool has_crypto;

/// Offers it, with the keys of a directory; an empty name is none. Returns what
/// there is to log, if anything. Throws std::runtime_error if the keys cannot be
/// used. Only if has_crypto.
std::string offer_crypto(powerhose::worker& to, const std::string& key_directory);

}  // namespace cworker
