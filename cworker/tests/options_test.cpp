// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <powerhose/spawn.hpp>
#include <powerhose/worker.hpp>
#include <vector>

#include "support/environment.hpp"

using powerhose::errc;
using powerhose::options;
using powerhose::worker;
using test::variable;

namespace {

options quiet() {
  options o;
  o.backend = "ipc:///nowhere/backend.sock";
  o.signals = false;
  return o;
}

template <class Function>
errc code_of(Function f) {
  try {
    f();
  } catch (const powerhose::error& e) {
    CHECK(std::string(e.what()).find("powerhose: ") == 0);
    return e.code();
  }
  FAIL("nothing was thrown");
  return {};
}

std::string nothing(const powerhose::job&) { return {}; }

}  // namespace

TEST_CASE("options: from the environment") {
  const variable capacity("POWERHOSE_CAPACITY", "3");
  const variable prefetch("POWERHOSE_PREFETCH", "-1");
  const variable listen("POWERHOSE_LISTEN", "ipc:///tmp/own");
  const variable patience("POWERHOSE_PATIENCE", "1m30s");
  const variable drain("POWERHOSE_DRAIN_TIMEOUT", "250ms");
  const variable insecure("POWERHOSE_INSECURE", "1");
  const variable log("POWERHOSE_LOG_LEVEL", "error");
  const variable worker_mark("POWERHOSE_WORKER", "1");
  const int fd = ::open("/dev/null", O_RDONLY);
  const variable lifeline("POWERHOSE_LIFELINE_FD", std::to_string(fd).c_str());
  const options o = options::from_environment();
  CHECK(o.capacity == 3);
  CHECK(o.prefetch == 0u);
  CHECK(o.listen == "ipc:///tmp/own");
  CHECK(o.patience == std::chrono::seconds(90));
  CHECK(o.drain_timeout == std::chrono::milliseconds(250));
  CHECK(o.insecure);
  CHECK(o.log);
  CHECK(o.lifeline == fd);
  CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  CHECK(std::getenv("POWERHOSE_WORKER") == nullptr);
  CHECK(std::getenv("POWERHOSE_LIFELINE_FD") == nullptr);
  ::close(fd);
}

TEST_CASE("options: defaults") {
  const variable capacity("POWERHOSE_CAPACITY", "");
  const options o = options::from_environment();
  CHECK(o.capacity == 1);
  CHECK_FALSE(o.prefetch);
  CHECK(o.batch == 64);
  CHECK(o.patience == std::chrono::seconds(5));
  CHECK_FALSE(o.log);
  CHECK(o.lifeline == -1);
}

TEST_CASE("options: nonsense in the environment") {
  const struct {
    const char* name;
    const char* value;
  } cases[] = {{"POWERHOSE_CAPACITY", "many"},     {"POWERHOSE_CAPACITY", "0"},
               {"POWERHOSE_PREFETCH", "1x"},       {"POWERHOSE_PATIENCE", "5"},
               {"POWERHOSE_DRAIN_TIMEOUT", "-1s"}, {"POWERHOSE_LOG_LEVEL", "loud"},
               {"POWERHOSE_LIFELINE_FD", "999"},   {"POWERHOSE_LIFELINE_FD", "-1"}};
  for (const auto& c : cases) {
    CAPTURE(c.name);
    const variable set(c.name, c.value);
    CHECK(code_of([] { options::from_environment(); }) == errc::bad_option);
  }
}

TEST_CASE("worker: checks its options") {
  const auto with = [](void (*change)(options&)) {
    return [change] {
      options o = quiet();
      change(o);
      worker w(std::move(o));
    };
  };
  CHECK(code_of(with([](options& o) { o.capacity = 0; })) == errc::bad_option);
  CHECK(code_of(with([](options& o) { o.capacity = 1025; })) == errc::bad_option);
  CHECK(code_of(with([](options& o) { o.prefetch = 257; })) == errc::bad_option);
  CHECK(code_of(with([](options& o) { o.batch = 257; })) == errc::bad_option);
  CHECK(code_of(with([](options& o) { o.patience = std::chrono::milliseconds(99); })) == errc::bad_option);
  CHECK(code_of(with([](options& o) { o.drain_timeout = std::chrono::milliseconds(0); })) ==
        errc::bad_option);
  CHECK(code_of(with([](options& o) { o.identity = "a b"; })) == errc::bad_option);
  CHECK(code_of(with([](options& o) { o.capacity = 2, o.threads = powerhose::threading::relay; })) ==
        errc::bad_option);
  CHECK(code_of(with([](options& o) { o.backend = "nowhere"; })) == errc::bad_endpoint);
  CHECK(code_of(with([](options& o) { o.backend = "tcp://10.0.0.1:5"; })) == errc::bad_endpoint);
  CHECK(code_of(with([](options& o) { o.listen = "tcp://127.0.0.1:5"; })) == errc::bad_endpoint);
}

TEST_CASE("worker: checks its services") {
  worker w(quiet());
  CHECK(code_of([&] { w.run(); }) == errc::bad_service);
  worker v(quiet());
  v.on("", nothing).on("square", nothing);
  CHECK(code_of([&] { v.on("square", nothing); }) == errc::bad_service);
  CHECK(code_of([&] { v.on("a b", nothing); }) == errc::bad_service);
  CHECK(code_of([&] { v.on(std::string(65, 'x'), nothing); }) == errc::bad_service);
  CHECK(code_of([&] { v.on("none", std::shared_ptr<powerhose::handler>()); }) == errc::bad_service);
  for (int i = 2; i < 256; ++i) v.on("s" + std::to_string(i), nothing);
  CHECK(code_of([&] { v.on("one-too-many", nothing); }) == errc::bad_service);
  v.stop();
  CHECK(v.run() == powerhose::exit_status::drained);  // asked to stop before it began
  CHECK(code_of([&] { v.run(); }) == errc::misuse);
  CHECK(code_of([&] { v.on("late", nothing); }) == errc::misuse);
}

TEST_CASE("worker: results may be text, octets or nothing") {
  worker w(quiet());
  w.on("string", [](const powerhose::job&) { return std::string("x"); })
      .on("view", [](const powerhose::job& j) { return j.payload(); })
      .on("literal", [](const powerhose::job&) { return "x"; })
      .on("octets",
          [](const powerhose::job&) {
            return std::vector<std::uint8_t>{1, 2};
          })
      .on("bytes", [](const powerhose::job&) { return std::vector<std::byte>{}; })
      .on("nothing", [](const powerhose::job&) {});
}

TEST_CASE("spawn: refuses impossible numbers") {
  CHECK(code_of([] { powerhose::spawn(0, [] { return 0; }); }) == errc::bad_option);
  CHECK(code_of([] { powerhose::spawn(4097, [] { return 0; }); }) == errc::bad_option);
  CHECK(code_of([] { powerhose::spawn(1, std::vector<std::string>{}); }) == errc::bad_option);
  CHECK(code_of([] { powerhose::start_program({}); }) == errc::bad_option);
  CHECK(code_of([] { powerhose::start_program({"/nowhere/at/all"}); }) == errc::resources);
}
