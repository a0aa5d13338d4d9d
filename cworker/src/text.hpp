// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace powerhose::detail {

/// A text from elsewhere for a log: what is not printable ASCII becomes \xNN,
/// and after 200 octets it is cut.
std::string printable(std::string_view text);

/// Reads durations as Go writes them: "300ms", "5s", "1m30s", "1.5h", "0". None
/// if it is not one, or longer than some hundred years. Not negative.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

/// Reads a decimal number with an optional minus sign. None if it is not one.
std::optional<long> parse_integer(std::string_view text);

/// The longer of both ways to write it: "1500ms", "5s".
std::string format_duration(std::chrono::nanoseconds d);

/// n octets of randomness as 2n hexadecimal digits. Throws error with
/// errc::resources.
std::string random_hex(std::size_t n);

/// This machine's name as the protocol can carry it: printable ASCII, at most
/// 255 octets; empty if it is unknown.
std::string host_name();

}  // namespace powerhose::detail
