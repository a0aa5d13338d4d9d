// SPDX-License-Identifier: Apache-2.0

// A session with a clock that tests set, and actions in words.

#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "session.hpp"

namespace test {

namespace detail = powerhose::detail;
using std::chrono::milliseconds;
using std::chrono::seconds;
using words = std::vector<std::string>;

/// Messages of a master.
detail::message probe();
detail::message frames(std::vector<std::string> octets);
detail::message from(const std::string& peer, detail::message m);
detail::message just(detail::command what);
detail::message welcome(milliseconds heartbeat = milliseconds(1000), int liveness = 3);
detail::message job(std::uint64_t id, milliseconds time_left = std::chrono::minutes(1),
                    const std::string& service = "square");
detail::message batch(const std::vector<std::uint64_t>& ids);
detail::message reference(detail::command what, std::uint64_t id, std::uint32_t attempt = 1);
detail::message complain(int code, const std::string& text = "why", detail::role who = detail::role::worker);

/// "start 0: 7/1 #1", "send PONG to m", "end: master gone", "dropped".
std::string in_words(const detail::action& a);

class session_rig {
 public:
  /// Services "" and "square", capacity 1, prefetch 3, patience 5 s.
  static detail::session_config usual();

  explicit session_rig(detail::session_config config = usual());

  /// Each returns the actions in words.
  words receive(const detail::message& m);
  words done(std::size_t slot);
  words fenced(std::size_t slot);
  words unsent();
  words drain();
  words tick();
  /// Lets time pass until `at`, with a tick at each deadline: "@1s send PING".
  words wait(milliseconds at);
  /// Moves the clock without a tick, as if nobody was there.
  void sleep(milliseconds d) { now += d; }
  /// Probe, REGISTER, WELCOME.
  void register_();

  detail::session s;
  detail::moment now;

 private:
  words told();
  detail::actions out_;
};

}  // namespace test
