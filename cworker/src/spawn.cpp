// SPDX-License-Identifier: Apache-2.0

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>
#include <powerhose/error.hpp>
#include <powerhose/spawn.hpp>

#include "control.hpp"
#include "fd.hpp"
#include "logger.hpp"
#include "process.hpp"
#include "system_error.hpp"
#include "text.hpp"

extern "C" char** environ;  // NOLINT(readability-redundant-declaration): POSIX has it in no header

namespace powerhose {

namespace {

using detail::moment;
using std::chrono::milliseconds;

constexpr unsigned most_processes = 4096;
#if defined(__SANITIZE_THREAD__)
constexpr int own_threads = 2;  // the sanitizer has one of its own
#else
constexpr int own_threads = 1;
#endif
constexpr milliseconds first_pause{100};
constexpr milliseconds longest_pause{5000};
constexpr milliseconds well{10000};  // a process that lived that long begins anew with first_pause

moment now() { return std::chrono::steady_clock::now(); }

sigset_t ours() {
  sigset_t set;
  sigemptyset(&set);
  for (const int s : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&set, s);
  return set;
}

// Takes the signals for as long as it lives.
class signal_takeover {
 public:
  signal_takeover() {
    const sigset_t set = ours();
    fd_ = detail::unique_fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_) detail::throw_errno("signalfd");
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~signal_takeover() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  signal_takeover(const signal_takeover&) = delete;
  signal_takeover& operator=(const signal_takeover&) = delete;

  const sigset_t& before() const { return before_; }
  int fd() const { return fd_.get(); }

 private:
  detail::unique_fd fd_;
  sigset_t before_{};
};

struct child {
  pid_t pid = 0;  // 0: none now
  moment started;
  moment again = moment::max();  // when to start it again
  milliseconds pause = first_pause;
};

// Looks after processes, however they are made.
class nursery {
 public:
  using maker = std::function<pid_t()>;

  nursery(unsigned n, const spawn_options& settings, signal_takeover& signals)
      : settings_(settings), log_(settings.log), signals_(signals), children_(n) {}
  /// Leaves nobody behind, whatever made it end.
  ~nursery();

  int run(const maker& make);

 private:
  void start(child& c, const maker& make);
  void start_due(const maker& make);
  void read_signals();
  void reap();
  void ended(child& c, int status);
  void stop(int signal);
  void kill_all(int signal);
  bool any_alive() const;
  moment next() const;

  const spawn_options& settings_;
  detail::logger log_;
  signal_takeover& signals_;
  std::vector<child> children_;
  bool stopping_ = false;
  moment kill_at_ = moment::max();
  int result_ = 0;
};

nursery::~nursery() {
  kill_all(SIGKILL);
  for (const child& c : children_) {
    if (c.pid != 0) ::waitpid(c.pid, nullptr, 0);
  }
}

int nursery::run(const maker& make) {
  for (child& c : children_) start(c, make);
  while (any_alive() || (!stopping_ && next() != moment::max())) {
    pollfd polled{signals_.fd(), POLLIN, 0};
    detail::poll_until(&polled, 1, next());
    read_signals();
    reap();
    if (now() >= kill_at_) {
      log_.warning("killing what did not end in time");
      kill_all(SIGKILL);
      kill_at_ = moment::max();
    }
    if (!stopping_) start_due(make);
  }
  return result_;
}

void nursery::start(child& c, const maker& make) {
  c.pid = make();
  c.started = now();
  c.again = moment::max();
  log_.info("started process " + std::to_string(c.pid));
}

void nursery::start_due(const maker& make) {
  for (child& c : children_) {
    if (c.pid == 0 && c.again <= now()) start(c, make);
  }
}

void nursery::read_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.fd(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo != SIGCHLD) stop(static_cast<int>(info.ssi_signo));
  }
}

// Asks one after the other: children of somebody else in this process are none
// of our business.
void nursery::reap() {
  for (child& c : children_) {
    int status = 0;
    if (c.pid != 0 && ::waitpid(c.pid, &status, WNOHANG) == c.pid) ended(c, status);
  }
}

void nursery::ended(child& c, int status) {
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  log_.info("process " + std::to_string(c.pid) + " ended with " + std::to_string(code));
  c.pid = 0;
  // One that was told to stop before it could listen had nothing to finish.
  const bool obeyed = stopping_ && (code == 128 + SIGTERM || code == 128 + SIGINT);
  if (code == 0 || obeyed) return;
  const bool restart = settings_.on_failure == after_failure::restart && !stopping_;
  if (!restart && result_ == 0) result_ = code;
  if (settings_.on_failure == after_failure::stop_all && !stopping_) stop(SIGTERM);
  if (!restart) return;
  if (now() - c.started >= well) c.pause = first_pause;
  c.again = now() + c.pause;
  c.pause = std::min(2 * c.pause, longest_pause);
}

void nursery::stop(int signal) {
  if (!stopping_) kill_at_ = now() + settings_.kill_after;
  stopping_ = true;
  kill_all(signal);
}

void nursery::kill_all(int signal) {
  for (const child& c : children_) {
    if (c.pid != 0) ::kill(c.pid, signal);
  }
}

bool nursery::any_alive() const {
  return std::any_of(children_.begin(), children_.end(), [](const child& c) { return c.pid != 0; });
}

moment nursery::next() const {
  moment at = kill_at_;
  for (const child& c : children_) at = std::min(at, c.again);
  return at;
}

// In the child: what must come first. Only what is safe in a signal handler.
void settle_child(const signal_takeover& signals, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);  // it died before that took effect
  ::close(signals.fd());
  // Handlers of the parent have no business here, and a signal may be waiting.
  for (const int s : {SIGTERM, SIGINT, SIGCHLD}) ::signal(s, SIG_DFL);
  ::pthread_sigmask(SIG_SETMASK, &signals.before(), nullptr);
}

// In the child: the rest of its life.
[[noreturn]] void live(const std::function<int()>& work) {
  int status = 1;
  try {
    status = work();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
  }
  std::fflush(nullptr);
  std::_Exit(status);  // exit() would run what the parent registered
}

pid_t fork_worker(const std::function<int()>& work, const signal_takeover& signals) {
  const pid_t parent = ::getpid();
  std::fflush(nullptr);  // or both would write what is buffered
  const pid_t pid = ::fork();
  if (pid < 0) detail::throw_errno("fork");
  if (pid > 0) return pid;
  settle_child(signals, parent);
  live(work);
}

// posix_spawn and exec take arguments that they only read as char*.
std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

// Not by posix_spawn, which cannot tie the child's life to ours.
pid_t fork_program(const std::vector<std::string>& command, const signal_takeover& signals) {
  constexpr int cannot_run = 127;
  const pid_t parent = ::getpid();
  const std::vector<char*> arguments = pointers(command);
  const pid_t pid = ::fork();
  if (pid < 0) detail::throw_errno("fork");
  if (pid > 0) return pid;
  settle_child(signals, parent);
  ::execvp(arguments[0], arguments.data());
  ::_exit(cannot_run);
}

void check_count(unsigned n) {
  if (n < 1 || n > most_processes)
    throw error(errc::bad_option, "spawn: " + std::to_string(n) + " processes: allowed are 1 to 4096");
}

}  // namespace

int spawn(unsigned n, const std::function<int()>& work, const spawn_options& settings) {
  check_count(n);
  if (detail::count_threads() > own_threads)
    throw error(
        errc::misuse,
        "spawn: this process has several threads already (ZeroMQ makes some too): a copy made by fork() "
        "would have only one of them. Call spawn first in main, or let it start a program");
  signal_takeover signals;
  nursery processes(n, settings, signals);
  return processes.run([&] { return fork_worker(work, signals); });
}

int spawn(unsigned n, const std::vector<std::string>& command, const spawn_options& settings) {
  check_count(n);
  if (command.empty()) throw error(errc::bad_option, "spawn: there is no program");
  signal_takeover signals;
  nursery processes(n, settings, signals);
  return processes.run([&] { return fork_program(command, signals); });
}

int start_program(const std::vector<std::string>& command) {
  if (command.empty()) throw error(errc::bad_option, "start_program: there is no program");
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
  ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
#endif
  pid_t pid = 0;
  const std::vector<char*> arguments = pointers(command);
  const int failed =
      ::posix_spawnp(&pid, command[0].c_str(), &actions, &attributes, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (failed != 0)
    throw error(errc::resources,
                "cannot start " + detail::printable(command[0]) + ": " + detail::errno_text(failed));
  return pid;
}

}  // namespace powerhose
