// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include "support/session_rig.hpp"

using namespace test;
using detail::command;

TEST_CASE("session: drains in every state") {
  SUBCASE("waiting for a master") {
    session_rig r;
    CHECK(r.drain() == words{"end: drained"});
  }
  SUBCASE("registering: DRAIN follows WELCOME, as a job may be on its way") {
    session_rig r;
    r.receive(probe());
    CHECK(r.drain() == words{});
    CHECK(r.drain() == words{});
    CHECK(r.receive(welcome()) == words{"up", "send DRAIN"});
    CHECK(r.receive(job(1)) == words{"start 0: 1/1 #1"});
    CHECK(r.done(0) == words{"result 0: 1/1"});
    CHECK(r.receive(just(command::bye)) == words{"down: drained", "end: drained"});
  }
  SUBCASE("registering, and the connection is replaced") {
    session_rig r;
    r.receive(probe());
    r.drain();
    CHECK(r.receive(probe()) == words{"end: drained"});
  }
  SUBCASE("registered: serves what it was sent before, and goes on with PING and PONG") {
    session_rig r;
    r.register_();
    r.receive(batch({1, 2}));
    CHECK(r.drain() == words{"send DRAIN"});
    CHECK(r.drain() == words{});
    CHECK(r.wait(milliseconds(1500)) == words{"@1s send PING"});
    CHECK(r.receive(just(command::ping)) == words{"send PONG"});
    CHECK(r.done(0) == words{"result 0: 1/1", "start 0: 2/1 #2"});
    CHECK(r.receive(reference(command::cancel, 2)) == words{"cancel 0: cancelled"});
    CHECK(r.done(0) == words{"result 0: 2/1"});
    CHECK(r.receive(just(command::bye)) == words{"down: drained", "end: drained"});
  }
  SUBCASE("registered, and the master is lost") {
    for (const auto& lost : {probe(), complain(1)}) {
      session_rig r;
      r.register_();
      r.drain();
      const words told = r.receive(lost);
      REQUIRE(told.size() == 2);
      CHECK(told[1] == "end: drained");
    }
  }
  SUBCASE("registered, the master is lost, and a handler runs") {
    session_rig r;
    r.register_();
    r.receive(job(1));
    r.drain();
    CHECK(r.receive(probe()) == words{"down: disconnected", "cancel 0: disconnected"});
    CHECK(r.wait(seconds(20)) == words{});
    CHECK(r.done(0) == words{"end: drained"});
  }
  SUBCASE("finishing") {
    session_rig r;
    r.register_();
    r.receive(job(1));
    r.receive(complain(1));
    CHECK(r.drain() == words{});
    CHECK(r.done(0) == words{"end: drained"});
  }
  SUBCASE("the master is silent") {
    session_rig r;
    r.register_();
    r.drain();
    CHECK(r.wait(seconds(10)) ==
          words{"@1s send PING", "@2s send PING", "@3s down: silent", "@3s end: drained"});
  }
}

TEST_CASE("session: a drain has an end") {
  session_rig r;
  r.register_();
  r.receive(job(1));
  CHECK(r.drain() == words{"send DRAIN"});
  for (int i = 1; i < 30; ++i) {
    r.wait(seconds(i));
    r.receive(just(command::pong));
  }
  CHECK(r.wait(seconds(31)) == words{"@30s send BYE", "@30s down: drain timeout",
                                     "@30s cancel 0: drain timeout", "@30s end: drain timeout"});
}

TEST_CASE("session: BYE that nobody asked for") {
  session_rig r;
  r.register_();
  CHECK(r.receive(just(command::bye)) == words{"down: evicted"});
  CHECK(r.receive(probe()) == words{"register"});
  CHECK(r.receive(just(command::bye)) ==
        words{"reconnect: evicted"});  // a welcome could still be on its way
  CHECK(r.receive(welcome()) == words{"dropped"});
  CHECK(r.receive(probe()) == words{"register"});
  CHECK(r.receive(welcome()) == words{"up"});
  r.receive(batch({1, 2}));
  CHECK(r.receive(just(command::bye)) == words{"down: evicted", "cancel 0: evicted"});
  CHECK(r.done(0) == words{});
  CHECK(r.receive(probe()) == words{"register"});

  // While a handler runs, BYE takes back what a probe announced.
  session_rig busy;
  busy.register_();
  busy.receive(job(1));
  busy.receive(probe());
  CHECK(busy.receive(just(command::bye)) == words{});
  CHECK(busy.done(0) == words{});
}

TEST_CASE("session: drops what is malformed") {
  const std::string header = std::string(job(1).frames[0]);
  const std::string ping = std::string(just(command::ping).frames[0]);
  const struct {
    const char* name;
    std::vector<std::string> octets;
  } cases[] = {
      {"short", {"PHZ"}},
      {"no magic", {"PHX\x01W\x06"}},
      {"version", {"PHZ\x02W\x06"}},
      {"role", {"PHZ\x01X\x06"}},
      {"runner", {"PHZ\x01R\x06"}},
      {"unknown", {"PHZ\x01W\x7f"}},
      {"to master", {"PHZ\x01W\x01"}},
      {"ping, frames", {ping, ""}},
      {"ping, fields", {ping + "x"}},
      {"bye, fields", {std::string(just(command::bye).frames[0]) + "x"}},
      {"cancel", {std::string(reference(command::cancel, 1).frames[0]).substr(0, 17)}},
      {"welcome", {"PHZ\x01W\x02"}},
      {"error", {"PHZ\x01W\x0d\x01"}},
      {"empty, frames", {"", ""}},
      {"three frames", {ping, "", ""}},
      {"nothing", {}},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    session_rig r;
    r.register_();
    CHECK(r.receive(frames(c.octets)) == words{"dropped"});
    CHECK(r.receive(job(1)) == words{"start 0: 1/1 #1"});
    CHECK(r.s.registered());
  }
  // What the master may have counted as a job counts here too.
  session_rig r;
  r.register_();
  CHECK(r.receive(frames({header})) == words{"dropped"});
  CHECK(r.receive(frames({header.substr(0, 10), ""})) == words{"dropped"});
  CHECK(r.receive(job(1)) == words{"start 0: 1/1 #3"});
  std::string cut(batch({2, 3}).frames[0]);
  cut.pop_back();
  CHECK(r.receive(frames({cut})) == words{"dropped"});
  CHECK(r.done(0) == words{"result 0: 1/1", "start 0: 2/1 #4"});
  CHECK(r.done(0) == words{"result 0: 2/1"});
  CHECK(r.receive(job(4)) == words{"start 0: 4/1 #261"});
}
