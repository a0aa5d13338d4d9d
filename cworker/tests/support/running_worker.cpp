// SPDX-License-Identifier: Apache-2.0

#include "support/running_worker.hpp"

#include <poll.h>

#include <stdexcept>

namespace test {

using powerhose::threading;

powerhose::options options_for(const master& m) {
  powerhose::options o;
  o.backend = m.endpoint();
  o.signals = false;
  o.exit_if_stuck = false;
  o.patience = std::chrono::milliseconds(500);
  o.drain_timeout = std::chrono::seconds(5);  // enough on a busy machine
  return o;
}

const std::vector<threading> all_threadings{threading::relay, threading::crew, threading::single};

std::string name_of(threading t) {
  switch (t) {
    case threading::relay: return "relay";
    case threading::crew: return "crew";
    case threading::single: return "single";
    default: return "automatic";
  }
}

running_worker::running_worker(powerhose::options settings,
                               const std::function<void(powerhose::worker&)>& more)
    : worker_(std::move(settings)) {
  const auto echo = [](const powerhose::job& job) { return job.payload(); };
  worker_.on("", echo).on("echo", echo);
  if (more) more(worker_);
  std::packaged_task<std::string()> task([this]() -> std::string {
    try {
      return std::to_string(worker_.run());
    } catch (const std::exception& e) {
      return e.what();
    }
  });
  ended_ = task.get_future();
  thread_ = std::thread(std::move(task));
}

running_worker::~running_worker() {
  worker_.stop();
  thread_.join();
}

std::string running_worker::end() {
  if (ended_.wait_for(patience) != std::future_status::ready)
    throw std::runtime_error("the worker does not end");
  return ended_.get();
}

std::string running_worker::leave(master& m) {
  stop();
  m.expect(command::drain);
  m.send(command::bye);
  return end();
}

void event::wait() {
  if (future_.wait_for(patience) != std::future_status::ready)
    throw std::runtime_error("an event does not come");
}

bool wait_until_cancelled(const powerhose::job& job) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!job.cancelled()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    ::poll(nullptr, 0, 1);  // a handler has nothing else to wait for
  }
  return true;
}

}  // namespace test
