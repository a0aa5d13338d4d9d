// SPDX-License-Identifier: Apache-2.0

// The numbers that have names: docs/protocol.md, sections 6.3, 7.3, 8.2, 9.2.

#pragma once

#include <cstdint>

namespace powerhose::detail {

/// Names the conversation that a message belongs to, in both directions.
enum class role : std::uint8_t { worker = 'W', runner = 'R' };

/// Where a message goes. The header does not tell: the receiver knows where it
/// stands.
enum class direction { to_master, from_master };

enum class command : std::uint8_t {
  register_ = 0x01,
  welcome = 0x02,
  job = 0x03,
  result = 0x04,
  cancel = 0x05,
  ping = 0x06,
  pong = 0x07,
  drain = 0x08,
  bye = 0x09,
  recall = 0x0a,
  return_ = 0x0b,
  status = 0x0c,
  error = 0x0d,
  batch = 0x0e,
};

/// A worker's word on how a job ended.
enum class job_status : std::uint8_t { ok = 0, error = 1 };

/// The master's word to a runner on how a job ended.
enum class outcome : std::uint8_t {
  ok = 0,
  job_error = 1,
  no_worker = 2,
  busy = 3,
  timed_out_waiting = 4,
  timed_out_running = 5,
  worker_lost = 6,
  cancelled = 7,
  too_large = 8,
  refused = 9,
  closed = 10,
};

/// Why the master did not do what a message asked for. Others than these count
/// as refused.
enum class error_code : std::uint8_t {
  unregistered = 1,
  version = 2,
  unknown_command = 3,
  refused = 4,
  too_large = 5,
  wrong_role = 6,
};

/// The names of docs/protocol.md, such as "REGISTER"; "?" for others.
const char* name_of(command what) noexcept;
/// The names of docs/protocol.md, such as "wrong role"; "refused" for others.
const char* name_of(error_code what) noexcept;

}  // namespace powerhose::detail
