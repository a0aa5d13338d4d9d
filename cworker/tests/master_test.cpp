// SPDX-License-Identifier: Apache-2.0

// What a worker and its master do beside jobs, over real sockets.

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>

#include "support/running_worker.hpp"
#include "support/shared_word.hpp"

using namespace test;
using powerhose::threading;
using std::chrono::milliseconds;

namespace {

detail::welcome quick() {
  detail::welcome w;
  w.heartbeat = milliseconds(20);
  w.liveness = 3;
  return w;
}

// PINGs as often, but a master that may be late, as on a busy machine.
detail::welcome steady() {
  detail::welcome w = quick();
  w.liveness = 100;
  return w;
}

// Silence that a busy machine does not take for one, but a test can wait for.
detail::welcome brisk() {
  detail::welcome w = quick();
  w.heartbeat = milliseconds(100);
  return w;
}

const std::string drained = "0";
const std::string failed = "1";
const std::string master_gone = "3";

}  // namespace

TEST_CASE("master: registration says who and what we are") {
  master m;
  auto o = options_for(m);
  o.identity = "me-1";
  running_worker w(o, [](powerhose::worker& worker) { worker.on("more", [](const powerhose::job&) {}); });
  const auto r = m.accept();
  CHECK(r.identity == "me-1");
  CHECK(r.services == std::vector<std::string>{"", "echo", "more"});
  CHECK(r.capacity == 1);
  CHECK(r.prefetch == 64);
  CHECK(r.batch == 64);
  CHECK(r.pid == ::getpid());
  CHECK(r.language == "c++");
  CHECK(r.version == POWERHOSE_VERSION);
  CHECK(r.endpoint.empty());
  CHECK(r.ledger.find("/ledger-" + std::to_string(::getpid()) + "-") != std::string::npos);
  CHECK(w.leave(m) == drained);
}

TEST_CASE("master: comes late") {
  master m;
  m.die();
  auto o = options_for(m);
  o.patience = std::chrono::seconds(20);
  running_worker w(o);
  m.come_back();
  m.accept();
  m.give({1, "x"});
  CHECK(m.expect_result().payload == "x");
  CHECK(w.leave(m) == drained);
}

TEST_CASE("master: restarts, and what was of the old one is not sent to the new one") {
  for (const threading t : {threading::relay, threading::crew}) {
    CAPTURE(name_of(t));
    master m;
    auto o = options_for(m);
    o.threads = t;
    o.patience = std::chrono::seconds(20);
    event started;
    event lost;
    running_worker w(o, [&](powerhose::worker& worker) {
      worker.on("wait", [&](const powerhose::job& job) {
        started.set();
        if (wait_until_cancelled(job)) lost.set();
        return "stale";
      });
    });
    const auto first = m.accept(steady());
    m.give({1, "", "wait"});
    m.give({2, "never"});
    started.wait();
    m.die();
    m.come_back();
    const auto second = m.accept(steady());
    CHECK(second.identity == first.identity);
    CHECK(second.ledger != first.ledger);
    lost.wait();
    m.give({3, "x"});
    CHECK(m.expect_result().id == 3);
    CHECK(w.leave(m) == drained);
  }
}

TEST_CASE("master: evicts, and the worker comes back when no handler runs") {
  for (const threading t : {threading::relay, threading::crew}) {
    CAPTURE(name_of(t));
    master m;
    auto o = options_for(m);
    o.threads = t;
    o.patience = std::chrono::seconds(20);
    event started;
    event go;
    std::atomic<bool> returned{false};
    running_worker w(o, [&](powerhose::worker& worker) {
      worker.on("wait", [&](const powerhose::job& job) {
        started.set();
        wait_until_cancelled(job);
        go.wait();
        returned = true;
      });
    });
    m.accept();
    m.give({1, "", "wait"});
    started.wait();
    m.send_error(detail::error_code::unregistered, "who are you?");
    CHECK_FALSE(m.hears(milliseconds(50)));
    go.set();
    m.accept();  // the next message is REGISTER, not RESULT
    CHECK(returned);
    CHECK(w.leave(m) == drained);
  }
}

TEST_CASE("master: silent or gone, and the worker gives up after some reconnects") {
  for (const threading t : all_threadings) {
    CAPTURE(name_of(t));
    master m;
    auto o = options_for(m);
    o.threads = t;
    running_worker w(o);
    m.accept(quick());
    SUBCASE("silent") {
      m.answers_pings = false;
      CHECK(m.expect(command::ping).what == command::ping);
      // It comes back on a new connection.
      const std::string first = m.next().from;
      received r = m.next();
      while (r.what != command::register_) r = m.next();
      CHECK(r.from != first);
    }
    SUBCASE("gone") { m.die(); }
    SUBCASE("never there") {}
    m.die();
    CHECK(w.end() == master_gone);
  }
}

TEST_CASE("master: no answer to REGISTER, so another connection") {
  master m;
  auto o = options_for(m);
  o.patience = std::chrono::seconds(20);
  running_worker w(o);
  const std::string first = m.expect(command::register_).from;
  const received second = m.expect(command::register_);  // after three seconds
  CHECK(second.from != first);
  m.welcome();
  CHECK(w.leave(m) == drained);
}

TEST_CASE("master: refuses") {
  for (const auto code :
       {detail::error_code::version, detail::error_code::refused, detail::error_code::wrong_role}) {
    master m;
    std::string said;
    auto o = options_for(m);
    o.log = [&](powerhose::log_level level, std::string_view text) {
      if (level == powerhose::log_level::error) said = text;
    };
    running_worker w(o);
    m.expect_register();
    m.send_error(code, "no\nentry");
    CHECK(w.end() == failed);
    CHECK(said.find("the master refuses this worker: ") == 0);
    CHECK(said.find("no\\x0aentry") != std::string::npos);
  }
}

TEST_CASE("master: heartbeats go on while a handler computes") {
  for (const threading t : {threading::relay, threading::crew}) {
    CAPTURE(name_of(t));
    master m;
    auto o = options_for(m);
    o.threads = t;
    event go;
    running_worker w(
        o, [&](powerhose::worker& worker) { worker.on("wait", [&](const powerhose::job&) { go.wait(); }); });
    m.accept(steady());
    m.answers_pings = false;
    m.give({1, "", "wait"});
    for (int i = 0; i < 10; ++i) {
      received r = m.next();
      while (r.what == command::pong) r = m.next();
      REQUIRE(r.what == command::ping);
      m.send(command::pong);
      m.send(command::ping);
    }
    m.answers_pings = true;
    go.set();
    received r = m.next();
    while (r.what == command::pong) r = m.next();
    CHECK(r.what == command::result);
    CHECK(w.leave(m) == drained);
  }
}

TEST_CASE("master: computing in the only thread is not the master's silence") {
  master m;
  auto o = options_for(m);
  o.threads = threading::single;
  event go;
  running_worker w(
      o, [&](powerhose::worker& worker) { worker.on("wait", [&](const powerhose::job&) { go.wait(); }); });
  m.accept(brisk());
  m.give({1, "", "wait"});
  CHECK_FALSE(m.hears(milliseconds(1500)));  // five times what counts as silence
  go.set();
  CHECK(m.expect_result().id == 1);
  m.give({2, "x"});
  CHECK(m.expect_result().id == 2);
  CHECK(w.leave(m) == drained);
}

TEST_CASE("master: BYE without DRAIN, then another master") {
  master m;
  auto o = options_for(m);
  o.patience = std::chrono::seconds(20);
  running_worker w(o);
  m.accept(steady());
  m.send(command::bye);
  m.die();
  m.come_back();
  m.accept();
  CHECK(w.leave(m) == drained);
}

TEST_CASE("master: garbage is dropped") {
  master m;
  std::string said;
  auto o = options_for(m);
  o.log = [&](powerhose::log_level level, std::string_view text) {
    if (level == powerhose::log_level::warning) said = text;
  };
  running_worker w(o);
  m.accept();
  for (const auto& frames : std::vector<std::vector<std::string>>{{"x"},
                                                                  {"PHZ"},
                                                                  {std::string("PHZ\x02W\x01")},
                                                                  {"PHZ\x01R\x06"},
                                                                  {"PHZ\x01W\xff"},
                                                                  {"", "x"},
                                                                  {"PHZ\x01W\x03", "x", "y", "z"},
                                                                  {std::string(100000, 'x')},
                                                                  {"PHZ\x01W\x0e\x03\xff\xff"}})
    m.send_frames(frames);
  m.give({1, "x"});
  CHECK(m.expect_result().payload == "x");
  CHECK(w.leave(m) == drained);
  CHECK(said.find("dropped 1 messages of the master") == 0);  // one line a second
}

TEST_CASE("ledger: counts the jobs that were started, and keeps those that were not") {
  for (const threading t : all_threadings) {
    CAPTURE(name_of(t));
    master m;
    auto o = options_for(m);
    o.threads = t;
    event started;
    event go;
    running_worker w(o, [&](powerhose::worker& worker) {
      worker.on("wait", [&](const powerhose::job&) {
        started.set();
        go.wait();
      });
    });
    const auto r = m.expect_register();
    shared_word word(r.ledger);
    struct stat info {};
    REQUIRE(::stat(r.ledger.c_str(), &info) == 0);
    CHECK(info.st_size == 4096);
    detail::welcome grant;
    grant.ledger = true;
    grant.prefetch = 32;
    m.welcome(grant);
    m.give({1, "x"});
    CHECK(m.expect_result().id == 1);
    CHECK_FALSE(std::filesystem::exists(r.ledger));  // unlinked after WELCOME
    CHECK(word.get() == 1);
    m.give({2, "", "nobody"});
    CHECK(m.expect_return().id == 2);
    m.give({3, "", "wait"});
    m.give({4, "never"});
    started.wait();
    CHECK(word.get() == 3);
    CHECK(word.close() == 3);  // what a master does that gives the worker up
    m.answers_pings = false;
    go.set();
    received next = m.next();
    if (next.what == command::result) next = m.next();  // of job 3, which was started
    REQUIRE(next.what == command::ping);                // "am I still registered?"
    m.answers_pings = true;
    m.send_error(detail::error_code::unregistered);
    const auto again = m.accept(grant);
    CHECK(again.ledger != r.ledger);
    m.give({5, "x"});
    CHECK(m.expect_result().id == 5);
    CHECK(w.leave(m) == drained);
  }
}

TEST_CASE("ledger: the master does not read it, or there is to be none") {
  master m;
  SUBCASE("not granted") {
    running_worker w(options_for(m));
    const auto r = m.accept();
    m.give({1, "x"});
    CHECK(m.expect_result().id == 1);
    CHECK_FALSE(std::filesystem::exists(r.ledger));
    CHECK(w.leave(m) == drained);
  }
  SUBCASE("turned off") {
    auto o = options_for(m);
    o.ledger = false;
    running_worker w(o);
    const auto r = m.accept();
    CHECK(r.ledger.empty());
    CHECK(r.prefetch == 0);
    CHECK(w.leave(m) == drained);
  }
}

TEST_CASE("listen mode: jobs come over the worker's own socket") {
  for (const threading t : {threading::relay, threading::crew}) {
    CAPTURE(name_of(t));
    master m;
    auto o = options_for(m);
    o.threads = t;
    o.patience = std::chrono::seconds(20);
    SUBCASE("ipc") { o.listen = "ipc://" + m.directory() + "/own"; }
    SUBCASE("tcp") { o.listen = "tcp://127.0.0.1:0"; }
    running_worker w(o);
    const auto r = m.expect_register();
    CHECK(r.ledger.empty());
    m.reach(r.endpoint);
    m.give({1, "too early"});  // jobs may overtake the WELCOME: they are not lost
    m.welcome();
    CHECK(m.expect_result().payload == "too early");
    m.give({2, "x"});
    CHECK(m.expect_result().payload == "x");

    // The next registration has another endpoint, and the old one is gone.
    m.send_error(detail::error_code::unregistered);
    const auto again = m.expect_register();
    CHECK(again.endpoint != r.endpoint);
    m.reach(again.endpoint);
    m.welcome();
    m.give({3, "y"});
    CHECK(m.expect_result().payload == "y");
    if (again.endpoint.find("ipc://") == 0) {
      struct stat info {};
      CHECK(::stat(r.endpoint.c_str() + 6, &info) != 0);
      REQUIRE(::stat(again.endpoint.c_str() + 6, &info) == 0);
      CHECK((info.st_mode & 07777) == 0600);
    }
    CHECK(w.leave(m) == drained);
    if (again.endpoint.find("ipc://") == 0) CHECK_FALSE(std::filesystem::exists(again.endpoint.substr(6)));
  }
}
