// SPDX-License-Identifier: Apache-2.0

/// @file
/// How a handler's result travels from it to the socket. Not for direct use:
/// see worker::on for what a handler may return.

#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <powerhose/export.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace powerhose {

class job;

namespace detail {

/// From this size on a result is sent from where it lies. Below, a copy is
/// cheaper.
constexpr std::size_t worth_handing_over = 32 << 10;

/// The octets of a result and what keeps them alive.
struct answer {
  std::string text;                   ///< the octets, unless `part` is set
  std::string_view part;              ///< octets that live elsewhere
  std::shared_ptr<const void> owner;  ///< of `part`; none: it is a part of the job's payload

  std::string_view octets() const noexcept { return part.data() != nullptr ? part : std::string_view(text); }
};

/// Whether all octets of `part` are some of `whole`.
inline bool lies_in(std::string_view part, std::string_view whole) noexcept {
  const std::less_equal<const char*> not_after;  // unlike <= also for pointers to different objects
  return not_after(whole.data(), part.data()) &&
         not_after(part.data() + part.size(), whole.data() + whole.size());
}

template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};

/// What a callable returned, as an answer to a job with that payload.
template <class Result>
answer to_answer(std::string_view payload, Result&& result) {
  using plain = std::decay_t<Result>;
  answer a;
  if constexpr (std::is_convertible_v<Result&&, std::string>) {
    a.text = std::forward<Result>(result);
  } else if constexpr (std::is_convertible_v<Result&&, std::string_view>) {
    const std::string_view octets = result;
    if (octets.size() >= worth_handing_over && lies_in(octets, payload)) {
      a.part = octets;
    } else {
      a.text = octets;
    }
  } else if constexpr (std::is_constructible_v<std::string, Result&&>) {
    a.text = std::string(std::forward<Result>(result));
  } else {
    static_assert(sizeof(typename plain::value_type) == 1, "a handler's result must be text or octets");
    // Only what certainly owns its octets is kept: a span would not.
    if constexpr (is_vector<plain>::value && !std::is_reference_v<Result> && !std::is_const_v<Result>) {
      if (result.size() >= worth_handing_over) {
        auto owner = std::make_shared<plain>(std::move(result));
        a.part = std::string_view(reinterpret_cast<const char*>(owner->data()), owner->size());
        a.owner = std::move(owner);
        return a;
      }
    }
    return to_answer(payload, std::string_view(reinterpret_cast<const char*>(result.data()), result.size()));
  }
  return a;
}

/// A service, as the worker calls it.
class POWERHOSE_API responder {
 public:
  responder() = default;
  responder(const responder&) = delete;
  responder& operator=(const responder&) = delete;
  virtual ~responder();
  virtual answer respond(const job& work) = 0;
};

}  // namespace detail
}  // namespace powerhose
