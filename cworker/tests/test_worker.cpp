// SPDX-License-Identifier: Apache-2.0

// The program that the tests of processes run. It finds POWERHOSE_BACKEND.
//
//     test-worker serve THREADS        the services below; THREADS is auto, relay, crew or single
//     test-worker storm THREADS        the same under a signal each millisecond
//     test-worker spawn N POLICY       N processes of the same; POLICY is stop, go-on or restart
//     test-worker chain exec|fork      one generation of a chain, see chain_test.cpp

#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <powerhose/spawn.hpp>
#include <powerhose/worker.hpp>
#include <string>
#include <thread>

namespace {

using powerhose::job;
using powerhose::threading;

std::size_t count_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

powerhose::options settings(const std::string& threads) {
  const std::map<std::string, threading> names{{"auto", threading::automatic},
                                               {"relay", threading::relay},
                                               {"crew", threading::crew},
                                               {"single", threading::single}};
  auto o = powerhose::options::from_environment();
  o.threads = names.at(threads);
  return o;
}

// Waits, however much is said against it. The payload is the name of a pipe,
// which is opened in the beginning, and closed at once.
std::string stubborn(const job& work) {
  { const std::ofstream begun(std::string(work.payload())); }
  std::this_thread::sleep_for(std::chrono::minutes(1));
  return "done";
}

std::string pause(const job& work) {
  std::this_thread::sleep_for(std::chrono::milliseconds(std::stoi(std::string(work.payload()))));
  return "done";
}

// Returns in a child of fork() as well, which no handler should do.
std::string fork_and_return(const job&) {
  const int pid = ::fork();
  return pid == 0 ? "child" : std::to_string(pid);
}

int serve(const std::string& threads) {
  powerhose::worker w(settings(threads));
  w.on("echo", [](const job& work) { return work.payload(); })
      .on("pid", [](const job&) { return std::to_string(::getpid()); })
      .on("pause", pause)
      .on("stubborn", stubborn)
      .on("fork", fork_and_return)
      .on("die", [](const job&) { ::raise(SIGKILL); });
  try {
    return w.run();
  } catch (const powerhose::error& e) {
    // What the child of "fork" comes to.
    return e.code() == powerhose::errc::forked ? 42 : 43;
  }
}

void ignore(int) {}

int storm(const std::string& threads) {
  struct sigaction action {};
  action.sa_handler = ignore;  // without SA_RESTART
  ::sigaction(SIGALRM, &action, nullptr);
  const itimerval each{{0, 1000}, {0, 1000}};
  ::setitimer(ITIMER_REAL, &each, nullptr);
  return serve(threads);
}

int spawn(unsigned n, const std::string& policy) {
  powerhose::spawn_options o;
  o.on_failure = policy == "stop"    ? powerhose::after_failure::stop_all
                 : policy == "go-on" ? powerhose::after_failure::go_on
                                     : powerhose::after_failure::restart;
  return powerhose::spawn(
      n, [] { return serve("auto"); }, o);
}

// Does one job, which is the number of generations still to come, and answers
// with how many descriptors it has. Returns that number.
int generation(const char* next_program) {
  int left = 0;
  powerhose::worker w;
  w.on("next", [&](const job& work) {
    left = std::stoi(std::string(work.payload()));
    if (left > 0 && next_program != nullptr) powerhose::start_program({next_program, "chain", "exec"});
    w.stop();
    return std::to_string(count_descriptors());
  });
  if (w.run() != powerhose::exit_status::drained) std::exit(1);
  return left;
}

// The next generation begins while this one is in its handler.
int chain_by_exec() {
  generation("/proc/self/exe");
  return 0;
}

// The next generation is a copy of this one, made when nothing of ZeroMQ is left.
int chain_by_fork() {
  while (generation(nullptr) > 0) {
    const int pid = ::fork();
    if (pid < 0) return 1;
    if (pid > 0) return 0;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 2 ? argv[1] : "";
  if (what == "serve") return serve(argv[2]);
  if (what == "storm") return storm(argv[2]);
  if (what == "spawn" && argc > 3) return spawn(static_cast<unsigned>(std::atoi(argv[2])), argv[3]);
  if (what == "chain") return std::string(argv[2]) == "exec" ? chain_by_exec() : chain_by_fork();
  std::fprintf(stderr, "test-worker: see the head of test_worker.cpp\n");
  return 2;
}
