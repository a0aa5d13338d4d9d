// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "control.hpp"
#include "engine.hpp"

namespace powerhose::detail {

/// What all ways to use threads have in common. A loop runs once. When its run()
/// throws error with errc::forked, this is a child of the process that began it,
/// and the loop must be abandoned: nothing in it can be used or destroyed.
class loop {
 public:
  loop(engine& work, control& outside, bool exit_if_stuck, fork_guard guard)
      : engine_(work), control_(outside), exit_if_stuck_(exit_if_stuck), guard_(guard) {}
  virtual ~loop() = default;
  loop(const loop&) = delete;
  loop& operator=(const loop&) = delete;

  /// Serves until the session has ended and no handler runs any more.
  virtual void run() = 0;

 protected:
  /// How long a cancelled handler may take to return after the end.
  static constexpr std::chrono::seconds mercy{1};

  [[noreturn]] void exit_stuck() {
    control_.exit_now(control_.status(), "a handler does not return: exiting without it");
  }

  engine& engine_;
  control& control_;
  const bool exit_if_stuck_;
  const fork_guard guard_;
};

/// threading::single and threading::relay.
std::unique_ptr<loop> make_relay(engine& work, control& outside, bool exit_if_stuck, bool relieved);
/// threading::crew.
std::unique_ptr<loop> make_crew(engine& work, control& outside, bool exit_if_stuck, std::size_t threads);

}  // namespace powerhose::detail
