// SPDX-License-Identifier: Apache-2.0

// Several processes: powerhose::spawn, and a chain of generations.

#include <doctest/doctest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <powerhose/spawn.hpp>
#include <set>
#include <thread>

#include "support/child.hpp"
#include "support/environment.hpp"
#include "wire/frames.hpp"

using namespace test;

namespace {

// Registers n workers; their process ids.
std::set<std::int64_t> accept_all(master& m, int n) {
  std::set<std::int64_t> pids;
  std::set<std::string> identities;
  for (int i = 0; i < n; ++i) {
    const auto r = m.accept();
    pids.insert(r.pid);
    identities.insert(r.identity);
  }
  CHECK(pids.size() == static_cast<std::size_t>(n));
  CHECK(identities.size() == static_cast<std::size_t>(n));
  return pids;
}

void dismiss_all(master& m, int n) {
  for (int i = 0; i < n; ++i) {
    m.expect(command::drain);
    m.send(command::bye);
  }
}

}  // namespace

TEST_CASE("spawn: processes that drain together") {
  master m;
  child c(m, test_worker({"spawn", "3", "stop"}));
  const auto pids = accept_all(m, 3);
  CHECK(pids.count(c.pid()) == 0);
  c.signal(SIGTERM);
  dismiss_all(m, 3);
  CHECK(c.wait() == 0);
}

TEST_CASE("spawn: when one fails") {
  master m;
  const auto kill_one = [&](const std::set<std::int64_t>& pids) {
    ::kill(static_cast<int>(*pids.begin()), SIGKILL);
  };
  SUBCASE("the others are stopped") {
    child c(m, test_worker({"spawn", "3", "stop"}));
    kill_one(accept_all(m, 3));
    dismiss_all(m, 2);
    CHECK(c.wait() == 128 + SIGKILL);
  }
  SUBCASE("the others go on") {
    child c(m, test_worker({"spawn", "2", "go-on"}));
    kill_one(accept_all(m, 2));
    CHECK_FALSE(m.hears(std::chrono::milliseconds(100)));
    c.signal(SIGTERM);
    dismiss_all(m, 1);
    CHECK(c.wait() == 128 + SIGKILL);
  }
  SUBCASE("it is started again") {
    child c(m, test_worker({"spawn", "2", "restart"}));
    const auto pids = accept_all(m, 2);
    kill_one(pids);
    CHECK(pids.count(m.accept().pid) == 0);
    c.signal(SIGTERM);
    dismiss_all(m, 2);
    CHECK(c.wait() == 0);
  }
}

TEST_CASE("spawn: the second signal reaches the processes too") {
  master m;
  child c(m, test_worker({"spawn", "1", "stop"}));
  m.accept();
  give_stubborn(m);
  c.signal(SIGTERM);
  m.expect(command::drain);
  c.signal(SIGTERM);
  CHECK(c.wait() == 1);
}

TEST_CASE("spawn: processes do not outlive their parent") {
  REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  master m;
  {
    child c(m, test_worker({"spawn", "2", "stop"}));
    const auto pids = accept_all(m, 2);
    c.signal(SIGKILL);
    CHECK(c.wait() == 128 + SIGKILL);
    dismiss_all(m, 2);
    for (const auto pid : pids) CHECK(child(static_cast<int>(pid)).wait() == 0);
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_CASE("spawn: not in a process that has threads") {
  std::thread other([] { CHECK_THROWS_AS(powerhose::spawn(1, [] { return 0; }), powerhose::error); });
  other.join();
}

TEST_CASE("spawn: programs") {
  CHECK(powerhose::spawn(2, std::vector<std::string>{"true"}) == 0);
  CHECK(powerhose::spawn(2, std::vector<std::string>{"false"}) == 1);
  CHECK(powerhose::spawn(1, std::vector<std::string>{"/nowhere/at/all"}) == 127);
  CHECK(powerhose::spawn(1, std::vector<std::string>{"sh", "-c", "exit 7"}) == 7);
}

// Each generation registers, does a job, starts the next one before it goes, and
// goes. In the end all have ended well, none is left, and none had more
// descriptors than the first.
TEST_CASE("chain: generations of workers") {
  const char* number = std::getenv("POWERHOSE_GENERATIONS");
  const int generations = number != nullptr ? std::atoi(number) : 24;
  REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  for (const char* how : {"exec", "fork"}) {
    CAPTURE(how);
    master m;
    ::setenv("POWERHOSE_BACKEND", m.endpoint().c_str(), 1);
    powerhose::start_program(test_worker({"chain", how}));
    std::set<std::string> descriptors;
    int begun = 0;
    int gone = 0;
    for (int said_bye = 0; said_bye < generations;) {
      const received r = m.next();
      m.turn_to(r.from);
      if (r.what == command::register_) {
        m.welcome();
        ++begun;
        m.give({static_cast<std::uint64_t>(begun), std::to_string(generations - begun), "next"});
      } else if (r.what == command::result) {
        descriptors.insert(r.payload);
      } else if (r.what == command::drain) {
        m.send(command::bye);
        ++said_bye;
      }
    }
    int status = 0;
    while (::waitpid(-1, &status, 0) > 0) {
      CHECK(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) == 0);
      ++gone;
    }
    CHECK(begun == generations);
    CHECK(gone == generations);
    CHECK(descriptors.size() == 1);
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}
