// SPDX-License-Identifier: Apache-2.0

// REGISTER and WELCOME: docs/protocol.md, sections 7.1 and 7.2.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "wire/bytes.hpp"
#include "wire/code.hpp"
#include "wire/flaw.hpp"
#include "wire/limits.hpp"

namespace powerhose::detail {

/// What a peer says of itself. Zero and empty are not sent, except where a
/// comment says otherwise.
struct registration {
  std::string identity;  ///< required
  std::vector<std::string>
      services;  ///< none is the same as the empty name alone; workers only, as the next five
  std::int64_t capacity = default_capacity;
  std::int64_t prefetch = 0;
  std::string endpoint;
  std::string ledger;
  std::int64_t batch = 0;
  std::int64_t pid = 0;
  std::string host;
  std::string language;
  std::string version;
};

/// Reads the fields of a REGISTER, fills in the defaults of a worker, and checks
/// every limit. What the role does not have is ignored.
flaw parse_registration(role who, view fields, registration& out);

/// Appends the header frame; what the role does not have is left out. With a
/// flaw nothing is appended.
flaw put_registration(std::string& out, role who, const registration& what);

/// The master's answer to REGISTER.
struct welcome {
  std::string identity;  ///< required
  std::int64_t pid = 0;
  std::string host;
  std::string version;
  std::chrono::milliseconds heartbeat = default_heartbeat;
  std::int64_t liveness = default_liveness;
  std::int64_t max_message = default_max_message;
  std::int64_t batch = 0;
  std::int64_t prefetch = 0;
  bool ledger = false;
};

flaw parse_welcome(view fields, welcome& out);

/// Appends the header frame; prefetch and ledger only for a worker. With a flaw
/// nothing is appended.
flaw put_welcome(std::string& out, role who, const welcome& what);

}  // namespace powerhose::detail
