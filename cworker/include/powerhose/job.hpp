// SPDX-License-Identifier: Apache-2.0

/// @file
/// What a handler is given, and what it may be.

#pragma once

#include <chrono>
#include <optional>
#include <powerhose/export.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace powerhose {

namespace detail {
struct place;
}

/// A job while its handler runs. It and everything that it returns by view is
/// valid until the handler returns. It belongs to the handler; all members may
/// be called from any thread that the handler keeps alive no longer than itself.
class POWERHOSE_API job {
 public:
  using clock = std::chrono::steady_clock;

  explicit job(const detail::place& where) noexcept : place_(where) {}
  job(const job&) = delete;
  job& operator=(const job&) = delete;

  /// What the caller sent, untouched: octets of any kind.
  std::string_view payload() const noexcept;

  /// The name under which the job was submitted.
  std::string_view service() const noexcept;

  /// The value of the first header of that name, such as "traceparent".
  std::optional<std::string_view> header(std::string_view name) const noexcept;

  /// All headers in the caller's order. A name may come more than once.
  std::vector<std::pair<std::string_view, std::string_view>> headers() const;

  /// When nobody will wait for the result any more.
  clock::time_point deadline() const noexcept;

  /// Time until deadline(), never negative.
  clock::duration time_left() const noexcept;

  /// True when the result would be dropped: the deadline has passed, the caller
  /// gave up, or the connection to the master is lost. A handler that takes long
  /// should look now and then, and return or throw: what it returns then does
  /// not matter. Costs some 30 ns.
  bool cancelled() const noexcept;

 private:
  const detail::place& place_;
};

/// A handler with state of its own, as an alternative to a callable.
class POWERHOSE_API handler {
 public:
  handler() = default;
  handler(const handler&) = delete;
  handler& operator=(const handler&) = delete;
  virtual ~handler();

  /// Does one job and returns its result: octets of any kind. Called from up to
  /// options::capacity threads at once. What it throws becomes the error that
  /// the job's caller sees: what() of a std::exception, cut at 4096 octets.
  virtual std::string handle(const job& work) = 0;
};

}  // namespace powerhose
