// SPDX-License-Identifier: Apache-2.0

// The six octets that every header frame begins with, and messages that have
// nothing else.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "wire/bytes.hpp"
#include "wire/code.hpp"
#include "wire/flaw.hpp"

namespace powerhose::detail {

constexpr std::uint8_t wire_version = 1;
constexpr std::size_t header_size = 6;

struct header {
  role who{};
  command what{};
  view fields;  ///< what follows, a part of the frame
};

/// Splits a header frame. A fault::version comes before anything after the
/// version octet is looked at. It accepts every command: see frames_of.
flaw parse_header(view frame, header& out);

/// How many frames such a message has: 1, or 2 with a payload frame; 0 if there
/// is no such message.
std::size_t frames_of(role who, command what, direction where) noexcept;

/// What a receiver checks before the fields, in the order of section 6.4. The
/// role of ERROR is not checked on the side of a peer.
flaw check_envelope(role mine, direction where, view first_frame, std::size_t frames, header& out);

void put_header(std::string& out, role who, command what);

/// Checks the fields of PING, PONG, DRAIN, BYE and STATUS.
flaw parse_nothing(view fields);

/// ERROR, always from the master.
struct peer_error {
  error_code code{};
  std::uint8_t octet = 0;  ///< the code as it was sent
  std::string text;        ///< UTF-8 by promise only: escape it before printing
};

flaw parse_error(view fields, peer_error& out);
/// A longer text than max_error_text is cut, between characters.
void put_error(std::string& out, role who, const peer_error& what);

/// Makes a text UTF-8 of at most max_error_text octets: what is not becomes '?'.
std::string tidy_text(view text);

}  // namespace powerhose::detail
