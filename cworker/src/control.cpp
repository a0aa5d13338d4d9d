// SPDX-License-Identifier: Apache-2.0

#include "control.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <powerhose/worker.hpp>
#include <utility>

namespace powerhose::detail {

void poll_until(pollfd* fds, std::size_t count, moment until) {
  using std::chrono::nanoseconds;
  constexpr nanoseconds longest = std::chrono::hours(1);
  const nanoseconds left =
      std::clamp<nanoseconds>(until - std::chrono::steady_clock::now(), nanoseconds(0), longest);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  const timespec timeout{static_cast<time_t>(seconds.count()), static_cast<long>((left - seconds).count())};
  ::ppoll(fds, count, &timeout, nullptr);
}

control::control(const signal_block* signals, const unique_fd& stop, int lifeline, engine& controlled,
                 logger log)
    : stop_(stop), lifeline_(lifeline), engine_(controlled), log_(std::move(log)) {
  if (signals == nullptr) return;
  signals_ = signals->open();
  if (const int exposed = threads_that_take_sigterm(); exposed > 0)
    log_.warning(std::to_string(exposed) +
                 " threads do not block SIGTERM, which would end the process without a drain: "
                 "construct the worker before other threads start");
}

void control::add_descriptors(std::vector<pollfd>& to) const {
  engine_.add_descriptors(to);
  to.push_back({stop_.get(), POLLIN, 0});
  if (signals_) to.push_back({signals_.get(), POLLIN, 0});
  if (lifeline_ >= 0) to.push_back({lifeline_, POLLIN, 0});
}

void control::obey(const std::vector<pollfd>& polled, moment now) {
  for (const pollfd& p : polled) {
    if (p.revents == 0) continue;
    if (p.fd == stop_.get() && hush(stop_)) engine_.drain(now);
    if (signals_ && p.fd == signals_.get()) on_signal(now);
    if (p.fd == lifeline_) {
      char ignored[64];
      if (::read(lifeline_, ignored, sizeof ignored) == 0)
        exit_now(exit_status::failed, "the parent process is gone");
    }
  }
}

void control::on_signal(moment now) {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (std::exchange(signalled_, true)) exit_now(exit_status::failed, "a second signal: exiting at once");
    engine_.drain(now);
  }
}

void control::exit_now(int status, const std::string& why) {
  log_.error(why);
  engine_.remove_files();
  std::_Exit(status);
}

int control::status() const {
  switch (engine_.why()) {
    case reason::drained: return exit_status::drained;
    case reason::master_gone: return exit_status::master_gone;
    default: return exit_status::failed;
  }
}

}  // namespace powerhose::detail
