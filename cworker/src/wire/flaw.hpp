// SPDX-License-Identifier: Apache-2.0

// What is wrong with a message.

#pragma once

namespace powerhose::detail {

enum class fault { none, malformed, too_large, version, wrong_role, unknown_command };

/// What a decoder or an encoder found. True if there is something. Network
/// input is never an exception: that would be a way to slow us down.
struct [[nodiscard]] flaw {
  fault kind = fault::none;
  const char* text = "";  ///< for a log; static

  explicit operator bool() const noexcept { return kind != fault::none; }
};

constexpr flaw sound{};
constexpr flaw malformed(const char* text) noexcept { return {fault::malformed, text}; }
constexpr flaw too_large(const char* text) noexcept { return {fault::too_large, text}; }

}  // namespace powerhose::detail
