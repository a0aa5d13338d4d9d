// SPDX-License-Identifier: Apache-2.0

// A worker as a process: signals, forks, ends.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "support/child.hpp"
#include "support/environment.hpp"
#include "support/running_worker.hpp"

using namespace test;
using std::chrono::milliseconds;

namespace {

const std::string threads[] = {"relay", "crew", "single"};
const std::string listening_threads[] = {"relay", "crew"};  // those that read while a handler runs

// PINGs often, but a master that may be late, as on a busy machine.
detail::welcome steady() {
  detail::welcome w;
  w.heartbeat = milliseconds(20);
  w.liveness = 100;
  return w;
}

}  // namespace

TEST_CASE("process: SIGTERM and SIGINT drain an idle worker") {
  for (const int signal : {SIGTERM, SIGINT}) {
    for (const std::string& t : threads) {
      CAPTURE(t);
      master m;
      child c(m, test_worker({"serve", t}));
      m.accept();
      c.signal(signal);
      m.expect(command::drain);
      m.send(command::bye);
      CHECK(c.wait() == 0);
    }
  }
}

TEST_CASE("process: SIGTERM drains a worker that computes, which delivers") {
  for (const std::string& t : threads) {
    CAPTURE(t);
    master m;
    child c(m, test_worker({"serve", t}));
    m.accept();
    m.give_batch({{1, "200", "pause"}, {2, "x", "echo"}});
    c.signal(SIGTERM);
    bool drain = false;
    for (int results = 0; results < 2 || !drain;) {
      const received r = m.next();
      if (r.what == command::result) ++results;
      if (r.what == command::drain) drain = true;
    }
    m.send(command::bye);
    CHECK(c.wait() == 0);
  }
}

TEST_CASE("process: SIGTERM before there is a master") {
  master m;
  m.die();
  child c(m, test_worker({"serve", "auto"}));
  c.signal(SIGTERM);
  const int status = c.wait();
  // It may strike before the worker exists, and then it is nobody's.
  CHECK((status == 0 || status == 128 + SIGTERM));
}

TEST_CASE("process: a second signal ends it at once") {
  for (const std::string& t : listening_threads) {
    CAPTURE(t);
    master m;
    child c(m, test_worker({"serve", t}));
    m.accept();
    give_stubborn(m);
    c.signal(SIGTERM);
    m.expect(command::drain);
    c.signal(SIGTERM);
    CHECK(c.wait() == 1);
  }
}

TEST_CASE("process: a handler that does not return does not keep it") {
  const variable drain("POWERHOSE_DRAIN_TIMEOUT", "100ms");
  const variable patience("POWERHOSE_PATIENCE", "200ms");
  for (const std::string& t : listening_threads) {
    CAPTURE(t);
    master m;
    child c(m, test_worker({"serve", t}));
    m.accept(steady());
    give_stubborn(m);
    SUBCASE("when it drains") {
      c.signal(SIGTERM);
      m.expect(command::drain);
      m.expect(command::bye);
      CHECK(c.wait() == 1);
    }
    SUBCASE("when the registration is lost") {
      m.send_error(detail::error_code::unregistered);
      CHECK(c.wait() == 1);
    }
    SUBCASE("when the master is gone") {
      m.die();
      CHECK(c.wait() == 3);
    }
  }
}

TEST_CASE("process: ends with its parent") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  master m;
  ::setenv("POWERHOSE_BACKEND", m.endpoint().c_str(), 1);
  const std::string number = std::to_string(ends[0]);
  const int pid = ::fork();
  if (pid == 0) {
    ::fcntl(ends[0], F_SETFD, 0);
    ::setenv("POWERHOSE_LIFELINE_FD", number.c_str(), 1);
    ::execl(POWERHOSE_TEST_WORKER, "test-worker", "serve", "relay", nullptr);
    ::_exit(127);
  }
  child c(pid);
  m.accept();
  give_stubborn(m);
  ::close(ends[0]);
  ::close(ends[1]);
  CHECK(c.wait() == 1);
}

TEST_CASE("process: signals between the frames of messages do no harm") {
  for (const std::string& t : threads) {
    CAPTURE(t);
    master m;
    child c(m, test_worker({"storm", t}));
    detail::welcome grant;
    grant.prefetch = 8;
    m.accept(grant);
    constexpr std::uint64_t jobs = 3000;
    std::uint64_t given = 0;
    for (std::uint64_t id = 1; id <= jobs; ++id) {
      while (given < jobs && given < id + 8) {
        ++given;
        m.give({given, std::string(given % 7000, 'x'), "echo"});
      }
      const result r = m.expect_result();
      REQUIRE(r.id == id);
      REQUIRE(r.payload.size() == id % 7000);
    }
    c.signal(SIGTERM);
    m.expect(command::drain);
    m.send(command::bye);
    CHECK(c.wait() == 0);
  }
}

TEST_CASE("process: one that is stopped for a while does not blame its master") {
  master m;
  child c(m, test_worker({"serve", "auto"}));
  detail::welcome w;
  w.heartbeat = milliseconds(100);
  m.accept(w);
  c.signal(SIGSTOP);
  CHECK_FALSE(m.hears(milliseconds(1500)));  // five times what counts as silence
  c.signal(SIGCONT);
  m.give({1, "x", "echo"});
  CHECK(m.expect_result().id == 1);
  c.signal(SIGTERM);
  m.expect(command::drain);
  m.send(command::bye);
  CHECK(c.wait() == 0);
}

TEST_CASE("process: descriptors stay the same over registrations") {
  master m;
  child c(m, test_worker({"serve", "auto"}));
  m.accept();
  const std::size_t before = descriptors_of(c.pid());
  for (int i = 0; i < 20; ++i) {
    m.send_error(detail::error_code::unregistered);
    m.accept();
  }
  CHECK(descriptors_of(c.pid()) == before);
  // Reconnects too, once ZeroMQ has taken down the old sockets.
  for (int i = 0; i < 5; ++i) {
    m.die();
    m.come_back();
    m.accept();
  }
  for (std::uint64_t id = 1; id < 10000 && descriptors_of(c.pid()) != before; ++id) {
    m.give({id, "x", "echo"});
    m.expect_result();
  }
  CHECK(descriptors_of(c.pid()) == before);
}

TEST_CASE("fork: a worker of the parent is refused in the child") {
  powerhose::options o;
  o.backend = "ipc:///nowhere/backend.sock";
  o.signals = false;
  powerhose::worker w(o);
  w.on("", [](const powerhose::job&) {});
  const auto code_of = [](auto f) {
    try {
      f();
    } catch (const powerhose::error& e) {
      return e.code() == powerhose::errc::forked && std::string(e.what()).find("fork()") != std::string::npos;
    }
    return false;
  };
  const int pid = ::fork();
  if (pid == 0) {
    const bool refused = code_of([&] { w.run(); }) && code_of([&] { w.stop(); }) &&
                         code_of([&] { w.on("x", [](const powerhose::job&) {}); });
    ::_exit(refused ? 0 : 1);
  }
  child c(pid);
  CHECK(c.wait() == 0);
}

TEST_CASE("fork: the child of a handler gets a clear exception, and the parent goes on") {
  REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);  // to see how grandchildren end
  for (const std::string& t : threads) {
    CAPTURE(t);
    master m;
    child c(m, test_worker({"serve", t}));
    m.accept();
    m.give({1, "", "fork"});
    const result r = m.expect_result();
    REQUIRE(r.ok);
    m.give({2, "x", "echo"});
    CHECK(m.expect_result().id == 2);
    c.signal(SIGTERM);
    m.expect(command::drain);
    m.send(command::bye);
    CHECK(c.wait() == 0);
    // Where a thread of ours called the handler, there is nobody to throw to.
    CHECK(child(std::stoi(r.payload)).wait() == (t == "crew" ? 1 : 42));
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_CASE("fork: a child of a process with a worker has its signals back") {
  powerhose::options o;
  o.backend = "ipc:///nowhere/backend.sock";
  powerhose::worker w(o);
  const int pid = ::fork();
  if (pid == 0) {
    sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    ::_exit(sigismember(&blocked, SIGTERM) + 2 * sigismember(&blocked, SIGINT));
  }
  child c(pid);
  CHECK(c.wait() == 0);
  sigset_t blocked;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  CHECK(sigismember(&blocked, SIGTERM) == 1);
}
