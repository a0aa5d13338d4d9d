// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <powerhose/options.hpp>
#include <string>
#include <utility>

namespace powerhose::detail {

/// A log_function that may be absent.
class logger {
 public:
  logger() = default;
  explicit logger(log_function to) : to_(std::move(to)) {}

  void debug(const std::string& text) const { write(log_level::debug, text); }
  void info(const std::string& text) const { write(log_level::info, text); }
  void warning(const std::string& text) const { write(log_level::warning, text); }
  void error(const std::string& text) const { write(log_level::error, text); }

 private:
  void write(log_level level, const std::string& text) const {
    if (to_) to_(level, text);
  }

  log_function to_;
};

}  // namespace powerhose::detail
