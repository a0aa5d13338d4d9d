// SPDX-License-Identifier: Apache-2.0

// The services that powerhose-cworker brings along: those of powerhose-worker,
// with the same answers.

#pragma once

#include <powerhose/worker.hpp>
#include <string>
#include <string_view>

namespace cworker {

/// The names of all services, in alphabetical order, with commas between.
extern const char all_services[];

/// Offers the built-in service of that name. False if there is none.
bool offer(powerhose::worker& to, std::string_view name);

std::string echo(const powerhose::job& job);
std::string square(const powerhose::job& job);
std::string sleep(const powerhose::job& job);
std::string burn(const powerhose::job& job);

/// The square of a decimal integer of any length. Throws std::runtime_error for
/// what is none, or has more than 4096 digits.
std::string square_of(std::string_view text);

}  // namespace cworker
