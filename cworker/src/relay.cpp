// SPDX-License-Identifier: Apache-2.0

#include <sys/timerfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>

#include "loop.hpp"
#include "system_error.hpp"

namespace powerhose::detail {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// How long short jobs may follow each other before the sockets are looked at.
constexpr microseconds streak{500};

// How often it is checked whether a handler takes long: the helm changes hands
// after one to two of these.
constexpr milliseconds watch{5};

// The thread that called run() is at the helm and runs the handlers too, without
// any hand-over. Whoever holds helm_ is at the helm: while a handler runs, nobody
// is. Then, if the handler takes long, the relief thread takes the helm until it
// returns. A timer tells it when to look; it is set once for many short jobs.
class relay final : public loop {
 public:
  relay(engine& work, control& outside, bool exit_if_stuck, bool relieved);
  ~relay() override;
  void run() override;

 private:
  void serve(std::unique_lock<std::mutex>& helm);
  moment compute(place& p, moment now, std::unique_lock<std::mutex>& helm);
  void set_timer();

  // The relief thread's.
  void relieve();
  void take_helm(std::uint64_t job);
  bool steer(std::uint64_t job, std::unique_lock<std::mutex>& helm);
  void have_mercy(std::uint64_t job);

  std::mutex helm_;             // guards engine_, control_ and failure_
  std::exception_ptr failure_;  // what went wrong while the relief was at the helm

  std::atomic<std::uint64_t> job_{0};  // the number of the job that runs, 0 if none does
  std::atomic<bool> timer_set_{false};
  std::atomic<bool> relieved_{false};  // the relief is at the helm
  std::atomic<bool> closing_{false};
  std::uint64_t jobs_ = 0;  // of the thread that called run()

  unique_fd timer_;
  unique_fd nudge_;  // wakes the relief
  std::thread relief_;
};

relay::relay(engine& work, control& outside, bool exit_if_stuck, bool relieved)
    : loop(work, outside, exit_if_stuck, fork_guard()) {
  if (!relieved) return;
  timer_ = unique_fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_) throw_errno("timerfd_create");
  nudge_ = make_eventfd();
  try {
    relief_ = std::thread([this] { relieve(); });
  } catch (const std::system_error& e) {
    throw error(errc::resources, std::string("thread: ") + e.what());
  }
}

relay::~relay() {
  if (!relief_.joinable()) return;
  closing_.store(true);
  ring(nudge_);
  relief_.join();
}

void relay::run() {
  std::unique_lock<std::mutex> helm(helm_);
  engine_.begin(std::chrono::steady_clock::now());
  serve(helm);
  if (failure_) std::rethrow_exception(failure_);
}

void relay::serve(std::unique_lock<std::mutex>& helm) {
  std::vector<pollfd> polled;
  moment now = std::chrono::steady_clock::now();
  for (;;) {
    engine_.turn(now);
    if (engine_.ended()) return;
    polled.clear();
    control_.add_descriptors(polled);
    poll_until(polled, engine_.idle() ? engine_.deadline() : now);
    now = std::chrono::steady_clock::now();
    control_.obey(polled, now);
    const moment pause = now + streak;
    while (place* p = now < pause ? engine_.next() : nullptr) {
      engine_.before(*p, now);
      now = compute(*p, now, helm);
      if (failure_) return;
      engine_.done(*p, now);
    }
  }
}

// Runs a handler, with the helm given up meanwhile.
moment relay::compute(place& p, moment now, std::unique_lock<std::mutex>& helm) {
  const bool with_relief = relief_.joinable();
  if (with_relief) {
    job_.store(++jobs_);
    if (!timer_set_.load() && !timer_set_.exchange(true)) set_timer();
  }
  helm.unlock();
  now = p.run(now);
  guard_.check();
  if (with_relief) {
    job_.store(0);
    if (relieved_.load()) ring(nudge_);
  }
  helm.lock();
  return now;
}

void relay::set_timer() {
  itimerspec when{};
  when.it_value.tv_nsec = std::chrono::nanoseconds(watch).count();
  ::timerfd_settime(timer_.get(), 0, &when, nullptr);
}

void relay::relieve() {
  std::uint64_t seen = 0;  // the job that ran when the timer was set
  while (!closing_.load()) {
    pollfd polled[] = {{timer_.get(), POLLIN, 0}, {nudge_.get(), POLLIN, 0}};
    poll_until(polled, 2, moment::max());
    if (polled[1].revents != 0) hush(nudge_);
    std::uint64_t expirations = 0;
    if (::read(timer_.get(), &expirations, sizeof expirations) != sizeof expirations) continue;
    const std::uint64_t job = job_.load();
    if (job != 0 && job == seen) take_helm(job);
    seen = job_.load();
    // Set again while something runs; a job that begins after we have looked
    // finds the timer not set and sets it.
    if (seen == 0) {
      timer_set_.store(false);
      if (job_.load() == 0 || timer_set_.exchange(true)) continue;
    }
    set_timer();
  }
}

void relay::take_helm(std::uint64_t job) {
  std::unique_lock<std::mutex> helm(helm_, std::try_to_lock);
  if (!helm) return;  // the job has just ended
  relieved_.store(true);
  try {
    while (steer(job, helm)) continue;
  } catch (...) {
    failure_ = std::current_exception();  // run() throws it
    engine_.cancel_all();
  }
  relieved_.store(false);
  if (!helm) return;
  const bool over = engine_.ended() || failure_ != nullptr;
  helm.unlock();
  if (over) have_mercy(job);
}

// One round at the helm. False if it is over, or the other thread wants the helm:
// then it is given up, or just about to be.
bool relay::steer(std::uint64_t job, std::unique_lock<std::mutex>& helm) {
  if (job_.load() != job || engine_.ended()) return false;
  engine_.turn(std::chrono::steady_clock::now());
  if (engine_.ended()) return false;
  std::vector<pollfd> polled;
  control_.add_descriptors(polled);
  polled.push_back({nudge_.get(), POLLIN, 0});
  const moment until = engine_.idle() ? engine_.deadline() : moment::min();
  helm.unlock();
  poll_until(polled, until);
  hush(nudge_);
  // Without looking, we might wait for a helm that nobody gives up for long.
  if (job_.load() != job) return false;
  helm.lock();
  if (job_.load() != job) return false;
  control_.obey(polled, std::chrono::steady_clock::now());
  return true;
}

// After the end: waits for the handler for a while.
void relay::have_mercy(std::uint64_t job) {
  const moment until = std::chrono::steady_clock::now() + mercy;
  while (job_.load() == job) {
    if (std::chrono::steady_clock::now() >= until) {
      if (!exit_if_stuck_) return;
      const std::lock_guard<std::mutex> helm(helm_);
      if (job_.load() == job) exit_stuck();
    }
    pollfd polled[] = {{nudge_.get(), POLLIN, 0}};
    poll_until(polled, 1, until);
    if (!hush(nudge_)) continue;
    if (closing_.load()) return;
  }
}

}  // namespace

std::unique_ptr<loop> make_relay(engine& work, control& outside, bool exit_if_stuck, bool relieved) {
  return std::make_unique<relay>(work, outside, exit_if_stuck, relieved);
}

}  // namespace powerhose::detail
