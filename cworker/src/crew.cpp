// SPDX-License-Identifier: Apache-2.0

#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <powerhose/worker.hpp>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "loop.hpp"

namespace powerhose::detail {

namespace {

// The thread that called run() is at the helm, and only there; the others run
// handlers.
class crew final : public loop {
 public:
  crew(engine& work, control& outside, bool exit_if_stuck, std::size_t threads);
  ~crew() override;
  void run() override;

 private:
  void serve();
  void labour();
  void hand_out();
  void collect(moment now);
  void dismiss();
  void close();

  unique_fd nudge_;  // wakes the helm: something is in done_

  std::mutex mutex_;              // guards the next five
  std::condition_variable work_;  // todo_ or closing_ changed
  std::condition_variable rest_;  // busy_ changed
  std::deque<place*> todo_;
  std::vector<place*> done_;
  std::size_t busy_ = 0;  // threads in a handler
  bool closing_ = false;

  std::vector<place*> collected_;  // of the helm
  std::vector<std::thread> threads_;
};

crew::crew(engine& work, control& outside, bool exit_if_stuck, std::size_t threads)
    : loop(work, outside, exit_if_stuck, fork_guard()), nudge_(make_eventfd()) {
  threads_.reserve(threads);
  try {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { labour(); });
  } catch (const std::system_error& e) {
    close();
    throw error(errc::resources, "thread " + std::to_string(threads_.size() + 1) + ": " + e.what());
  }
}

crew::~crew() { close(); }

void crew::close() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  work_.notify_all();
  for (std::thread& t : threads_) t.join();
  threads_.clear();
}

void crew::run() {
  try {
    serve();
  } catch (const error&) {
    engine_.cancel_all();
    dismiss();
    throw;
  }
  dismiss();
}

void crew::serve() {
  std::vector<pollfd> polled;
  moment now = std::chrono::steady_clock::now();
  engine_.begin(now);
  for (;;) {
    engine_.turn(now);
    hand_out();
    if (engine_.ended()) return;
    polled.clear();
    control_.add_descriptors(polled);
    polled.push_back({nudge_.get(), POLLIN, 0});
    poll_until(polled, engine_.idle() ? engine_.deadline() : now);
    now = std::chrono::steady_clock::now();
    control_.obey(polled, now);
    if (polled.back().revents != 0) collect(now);
  }
}

void crew::hand_out() {
  std::size_t count = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (; place* p = engine_.next(); ++count) todo_.push_back(p);
  }
  for (; count > 0; --count) work_.notify_one();
}

void crew::collect(moment now) {
  hush(nudge_);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    collected_.swap(done_);
  }
  for (place* p : collected_) engine_.done(*p, now);
  collected_.clear();
}

void crew::labour() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return closing_ || !todo_.empty(); });
    if (closing_) return;  // what is to be done belongs to a session that is over
    place* p = todo_.front();
    todo_.pop_front();
    ++busy_;
    lock.unlock();
    p->run(std::chrono::steady_clock::now());
    if (!guard_.same_process()) {
      // A child of a handler that called fork() and returned here. There is
      // nobody whom an exception could reach.
      constexpr char text[] =
          "powerhose: a handler forked and its child returned: it must call _exit or exec\n";
      [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, sizeof text - 1);
      std::_Exit(exit_status::failed);
    }
    lock.lock();
    --busy_;
    const bool first = done_.empty();
    done_.push_back(p);
    rest_.notify_one();
    if (first) ring(nudge_);
  }
}

// After the end: waits for the handlers for a while. The destructor waits for
// them as long as it takes.
void crew::dismiss() {
  std::unique_lock<std::mutex> lock(mutex_);
  todo_.clear();
  const bool rested = rest_.wait_for(lock, mercy, [this] { return busy_ == 0; });
  if (!rested && exit_if_stuck_) exit_stuck();
}

}  // namespace

std::unique_ptr<loop> make_crew(engine& work, control& outside, bool exit_if_stuck, std::size_t threads) {
  return std::make_unique<crew>(work, outside, exit_if_stuck, threads);
}

}  // namespace powerhose::detail
