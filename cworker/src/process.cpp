// SPDX-License-Identifier: Apache-2.0

#include "process.hpp"

#include <dirent.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>

#include "system_error.hpp"

namespace powerhose::detail {

namespace {

std::atomic<std::uint64_t> generation{1};

// How many signal_blocks have each of the signals.
std::atomic<int> blocked_term{0};
std::atomic<int> blocked_int{0};

// Runs in the child of fork(): only what is safe in a signal handler.
void in_child() {
  generation.fetch_add(1);
  sigset_t ours;
  sigemptyset(&ours);
  if (blocked_term.load() > 0) sigaddset(&ours, SIGTERM);
  if (blocked_int.load() > 0) sigaddset(&ours, SIGINT);
  ::pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);
}

template <class Function>
void for_each_thread(Function f) {
  const std::unique_ptr<DIR, int (*)(DIR*)> tasks(::opendir("/proc/self/task"), ::closedir);
  if (!tasks) return;
  while (const dirent* entry = ::readdir(tasks.get())) {
    if (entry->d_name[0] != '.') f(std::string("/proc/self/task/") + entry->d_name);
  }
}

}  // namespace

std::uint64_t fork_generation() noexcept {
  [[maybe_unused]] static const int registered = ::pthread_atfork(nullptr, nullptr, in_child);
  return generation.load(std::memory_order_relaxed);
}

void fork_guard::check() const {
  if (same_process()) return;
  throw error(errc::forked,
              "this worker belongs to the process that made it, and this is a child of it made by fork(): "
              "make a new worker here, or use powerhose::spawn or powerhose::start_program");
}

signal_block::signal_block() {
  sigset_t wanted;
  sigset_t before;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGTERM);
  sigaddset(&wanted, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &wanted, &before);
  sigemptyset(&changed_);
  if (sigismember(&before, SIGTERM) == 0) sigaddset(&changed_, SIGTERM), ++blocked_term;
  if (sigismember(&before, SIGINT) == 0) sigaddset(&changed_, SIGINT), ++blocked_int;
}

signal_block::~signal_block() {
  if (sigismember(&changed_, SIGTERM) == 1) --blocked_term;
  if (sigismember(&changed_, SIGINT) == 1) --blocked_int;
  ::pthread_sigmask(SIG_UNBLOCK, &changed_, nullptr);
}

unique_fd signal_block::open() const {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGTERM);
  sigaddset(&wanted, SIGINT);
  unique_fd fd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) throw_errno("signalfd");
  return fd;
}

void signal_block::discard() const noexcept {
  const timespec at_once{};
  while (::sigtimedwait(&changed_, nullptr, &at_once) > 0) continue;
}

int threads_that_take_sigterm() {
  int count = 0;
  for_each_thread([&](const std::string& task) {
    std::ifstream status(task + "/status");
    std::string key;
    std::string value;
    while (status >> key && std::getline(status, value)) {
      if (key != "SigBlk:") continue;
      const unsigned long long mask = std::stoull(value, nullptr, 16);
      if ((mask >> (SIGTERM - 1) & 1) == 0) ++count;
    }
  });
  return count;
}

int count_threads() {
  int count = 0;
  for_each_thread([&](const std::string&) { ++count; });
  return count;
}

}  // namespace powerhose::detail
