// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include "support/session_rig.hpp"

using namespace test;
using detail::command;
using std::chrono::minutes;

namespace {

session_rig registered(detail::session_config config = session_rig::usual()) {
  session_rig r(std::move(config));
  r.register_();
  REQUIRE(r.s.registered());
  return r;
}

}  // namespace

TEST_CASE("session: registers on a probe, and answers jobs") {
  session_rig r;
  CHECK(r.wait(milliseconds(10)) == words{});
  CHECK(r.receive(probe()) == words{"register"});
  CHECK(r.receive(welcome()) == words{"up"});
  CHECK(r.receive(job(7)) == words{"start 0: 7/1 #1"});
  CHECK(r.done(0) == words{"result 0: 7/1"});
  CHECK(r.receive(just(command::ping)) == words{"send PONG"});
  CHECK(r.receive(just(command::pong)) == words{});
}

TEST_CASE("session: starts jobs in the order received, as many as its capacity") {
  auto config = session_rig::usual();
  config.capacity = 2;
  session_rig r = registered(config);
  CHECK(r.receive(job(1)) == words{"start 0: 1/1 #1"});
  CHECK(r.receive(batch({2, 3, 4})) == words{"start 1: 2/1 #2"});
  CHECK(r.receive(job(5)) == words{});
  CHECK(r.s.waiting() == 3);
  CHECK(r.done(1) == words{"result 1: 2/1", "start 1: 3/1 #3"});
  CHECK(r.done(0) == words{"result 0: 1/1", "start 0: 4/1 #4"});
  CHECK(r.done(0) == words{"result 0: 4/1", "start 0: 5/1 #5"});
  CHECK(r.done(1) == words{"result 1: 3/1"});
  CHECK(r.done(1) == words{});  // nothing runs there
  CHECK(r.done(2) == words{});
  CHECK(r.s.running() == 1);
}

TEST_CASE("session: gives back what it may not or cannot start") {
  session_rig r = registered();
  CHECK(r.receive(job(1, milliseconds(0))) == words{"return 1/1"});  // its time is over
  CHECK(r.receive(job(2, minutes(1), "cube")) == words{"return 2/1"});
  CHECK(r.receive(job(3)) == words{"start 0: 3/1 #3"});
  CHECK(r.receive(batch({4, 5, 6})) == words{});
  CHECK(r.receive(job(7)) == words{"return 7/1"});  // beyond capacity and prefetch
  CHECK(r.done(0) == words{"result 0: 3/1", "start 0: 4/1 #4"});
  CHECK(r.receive(job(9, milliseconds(10))) == words{});
  r.sleep(milliseconds(20));
  CHECK(r.done(0) == words{"result 0: 4/1", "start 0: 5/1 #5"});
  CHECK(r.done(0) == words{"result 0: 5/1", "start 0: 6/1 #6"});
  CHECK(r.done(0) == words{"result 0: 6/1", "return 9/1"});  // expired while it waited
}

TEST_CASE("session: CANCEL and RECALL") {
  session_rig r = registered();
  CHECK(r.receive(batch({1, 2, 3, 4})) == words{"start 0: 1/1 #1"});
  CHECK(r.receive(reference(command::cancel, 2, 2)) == words{});  // another attempt
  CHECK(r.receive(reference(command::cancel, 2)) == words{"return 2/1"});
  CHECK(r.receive(reference(command::cancel, 2)) == words{});  // it has it no more
  CHECK(r.receive(reference(command::recall, 1)) == words{});  // it has started
  CHECK(r.receive(reference(command::recall, 4)) == words{"return 4/1"});
  CHECK(r.receive(reference(command::recall, 9)) == words{});
  CHECK(r.receive(reference(command::cancel, 1)) == words{"cancel 0: cancelled"});
  CHECK(r.done(0) == words{"result 0: 1/1", "start 0: 3/1 #3"});  // answered all the same
  CHECK(r.receive(reference(command::cancel, 1)) == words{});
}

TEST_CASE("session: pings, and counts silence") {
  session_rig r = registered();
  CHECK(r.wait(milliseconds(2500)) == words{"@1s send PING", "@2s send PING"});
  CHECK(r.receive(just(command::pong)) == words{});
  CHECK(r.wait(milliseconds(5900)) == words{"@3s send PING", "@4s send PING", "@5s send PING",
                                            "@5500ms down: silent", "@5500ms reconnect: silent"});
  CHECK(r.receive(probe()) == words{"register"});
  CHECK(r.receive(welcome()) == words{"up"});
  CHECK(r.wait(seconds(7)) == words{"@6900ms send PING"});
}

TEST_CASE("session: takes its intervals from WELCOME") {
  session_rig r;
  r.receive(probe());
  r.receive(welcome(milliseconds(100), 2));
  CHECK(r.wait(milliseconds(250)) ==
        words{"@100ms send PING", "@200ms down: silent", "@200ms reconnect: silent"});

  session_rig slow;
  slow.receive(probe());
  slow.receive(welcome(seconds(4), 2));
  // Patience never ends before there was time for a reconnect.
  CHECK(slow.wait(minutes(1)) == words{"@4s send PING", "@8s down: silent", "@8s reconnect: silent",
                                       "@11s reconnect: no answer", "@14s reconnect: no answer",
                                       "@16s end: master gone"});
}

TEST_CASE("session: gives up without a master") {
  session_rig r;
  CHECK(r.wait(minutes(1)) == words{"@3s reconnect: no answer", "@5s end: master gone"});
  CHECK(r.tick() == words{});
  CHECK(r.receive(probe()) == words{});
  CHECK(r.s.ended());

  // A job that runs is cancelled, but does not keep the worker.
  session_rig busy = registered();
  CHECK(busy.receive(job(1)) == words{"start 0: 1/1 #1"});
  CHECK(busy.wait(minutes(1)) == words{"@1s send PING", "@2s send PING", "@3s down: silent",
                                       "@3s cancel 0: silent", "@3s reconnect: silent",
                                       "@5s end: master gone"});
}

TEST_CASE("session: reconnects without WELCOME") {
  session_rig r;
  CHECK(r.wait(seconds(1)) == words{});
  CHECK(r.receive(probe()) == words{"register"});
  CHECK(r.wait(seconds(4)) == words{"@4s reconnect: no answer"});
  CHECK(r.receive(welcome()) == words{"dropped"});  // of the connection before
  CHECK(r.receive(probe()) == words{"register"});
  CHECK(r.receive(complain(1)) == words{});
  CHECK(r.receive(welcome()) == words{"up"});
  CHECK(r.receive(welcome()) == words{"dropped"});
}

TEST_CASE("session: a probe while REGISTER waits leads to a fresh connection") {
  session_rig r;
  CHECK(r.receive(probe()) == words{"register"});
  CHECK(r.receive(probe()) == words{"reconnect: disconnected"});
  CHECK(r.receive(welcome()) == words{"dropped"});
  CHECK(r.receive(probe()) == words{"register"});
  CHECK(r.receive(welcome()) == words{"up"});

  // REGISTER follows the end of a handler, ahead of the probe of a connection
  // that was replaced meanwhile.
  r.receive(job(1));
  r.receive(complain(1));
  CHECK(r.done(0) == words{"register"});
  CHECK(r.receive(probe()) == words{"reconnect: disconnected"});
}

TEST_CASE("session: registers again only when nothing runs") {
  const struct {
    const char* name;
    detail::message lost;
  } cases[] = {{"disconnected", probe()}, {"evicted", complain(1)}};
  for (const auto& c : cases) {
    CAPTURE(c.name);
    const std::string down = std::string("down: ") + c.name;
    session_rig r = registered();
    CHECK(r.receive(c.lost) == words{down, "register"});
    CHECK(r.receive(welcome()) == words{"up"});
    CHECK(r.receive(batch({1, 2})) == words{"start 0: 1/1 #1"});
    CHECK(r.receive(c.lost) == words{down, std::string("cancel 0: ") + c.name});
    CHECK(r.receive(job(3)) == words{"dropped"});
    CHECK(r.receive(reference(command::cancel, 1)) == words{});
    CHECK(r.receive(complain(1)) == words{});
    r.sleep(seconds(1));
    CHECK(r.receive(just(command::ping)) == words{});
    CHECK(r.done(0) == words{"register"});             // no result, and job 2 is forgotten
    CHECK(r.receive(just(command::ping)) == words{});
    CHECK(r.receive(job(3)) == words{"dropped"});
    CHECK(r.receive(welcome()) == words{"up"});
    CHECK(r.receive(job(4)) == words{"start 0: 4/1 #1"});  // counted anew
  }
}

TEST_CASE("session: ends when a handler of a lost registration does not return") {
  session_rig r = registered();
  CHECK(r.receive(job(1)) == words{"start 0: 1/1 #1"});
  r.sleep(milliseconds(500));
  CHECK(r.receive(probe()) == words{"down: disconnected", "cancel 0: disconnected"});
  CHECK(r.wait(seconds(4)) ==
        words{"@3500ms reconnect: no answer"});  // nobody speaks to one that does not register
  CHECK(r.receive(probe()) == words{});
  CHECK(r.wait(minutes(1)) == words{"@5500ms end: wedged"});

  // One that gets free in time is not.
  session_rig late = registered();
  late.receive(job(1));
  late.receive(probe());
  CHECK(late.wait(seconds(4)) == words{"@3s reconnect: no answer"});
  CHECK(late.done(0) == words{});
  CHECK(late.wait(milliseconds(4900)) == words{});
  CHECK(late.receive(probe()) == words{"register"});
  CHECK(late.wait(seconds(6)) == words{});
  CHECK(late.receive(welcome()) == words{"up"});
}

TEST_CASE("session: a closed ledger ends the registration") {
  auto config = session_rig::usual();
  config.capacity = 2;
  session_rig r = registered(config);
  CHECK(r.receive(batch({1, 2, 3})) == words{"start 0: 1/1 #1", "start 1: 2/1 #2"});
  CHECK(r.fenced(1) == words{"cancel 0: evicted", "send PING"});
  CHECK(r.receive(job(4)) == words{"dropped"});
  CHECK(r.done(0) == words{});
  CHECK(r.receive(complain(1)) == words{"down: evicted", "register"});
  CHECK(r.receive(welcome()) == words{"up"});
  CHECK(r.receive(job(5)) == words{"start 0: 5/1 #1"});

  CHECK(r.receive(job(6)) == words{"start 1: 6/1 #2"});
  CHECK(r.fenced(0) == words{"cancel 1: evicted", "send PING"});
  CHECK(r.fenced(1) == words{});
  CHECK(r.fenced(1) == words{});
  CHECK(r.receive(complain(1)) == words{"down: evicted", "register"});
}

TEST_CASE("session: a message that cannot be sent ends the registration") {
  session_rig r = registered();
  r.receive(job(1));
  CHECK(r.unsent() == words{"down: disconnected", "cancel 0: disconnected"});
  CHECK(r.unsent() == words{});
  CHECK(r.done(0) == words{});
  CHECK(r.receive(probe()) == words{"register"});
  CHECK(r.unsent() == words{});  // the REGISTER itself
  CHECK(r.receive(probe()) == words{"register"});
}

TEST_CASE("session: errors of the master") {
  const struct {
    int code;
    const char* text;
  } fatal[] = {{2, "end: refused unsupported version: why"},
               {4, "end: refused refused: why"},
               {6, "end: refused wrong role: why"},
               {77, "end: refused refused: why"}};
  for (const auto& c : fatal) {
    CAPTURE(c.code);
    session_rig r;
    r.receive(probe());
    CHECK(r.receive(complain(c.code)) == words{c.text});
  }
  session_rig r = registered();
  CHECK(r.receive(complain(3)) == words{"complaint: unknown command: why"});
  CHECK(r.receive(complain(5)) == words{"complaint: too large: why"});
  // At a frontend the error is the runner's.
  CHECK(r.receive(complain(6, "", detail::role::runner)) ==
        words{"down: refused", "end: refused wrong role: "});
}

TEST_CASE("session: listen mode") {
  auto config = session_rig::usual();
  config.listen = true;
  session_rig r = registered(config);
  CHECK(r.receive(from("m", probe())) == words{});  // nobody sends one
  CHECK(r.receive(job(1)) == words{"dropped"});
  CHECK(r.receive(from("m", job(2))) == words{"start 0: 2/1 #1"});
  CHECK(r.receive(from("m", job(3))) == words{});
  CHECK(r.receive(from("m", reference(command::recall, 3))) == words{"return 3/1 to m"});
  CHECK(r.done(0) == words{"result 0: 2/1 to m"});
  CHECK(r.receive(just(command::ping)) == words{"send PONG"});
  CHECK(r.receive(from("m", just(command::ping))) == words{"send PONG to m"});
}

TEST_CASE("session: in listen mode WELCOME may take long, however short a heartbeat is") {
  auto config = session_rig::usual();
  config.listen = true;
  session_rig r(config);
  r.receive(probe());
  r.receive(welcome(milliseconds(10), 2));
  CHECK(r.receive(complain(1)) == words{"down: evicted", "register"});
  CHECK(r.wait(milliseconds(2900)) == words{});
  CHECK(r.wait(milliseconds(3000)) == words{"@3s reconnect: no answer"});
}

TEST_CASE("session: time in which nobody could listen is nobody's silence") {
  session_rig r = registered();
  r.sleep(minutes(60));
  CHECK(r.tick() == words{"send PING"});
  CHECK(r.wait(minutes(60) + milliseconds(2500)) ==
        words{"@3601s send PING", "@3602s down: silent", "@3602s reconnect: silent"});
  r.sleep(minutes(60));
  CHECK(r.tick() == words{});
  CHECK(r.receive(probe()) == words{"register"});
  r.sleep(minutes(60));
  CHECK(r.receive(welcome()) == words{"up"});

  // A handler that computed in the only thread.
  r.receive(job(1));
  r.sleep(minutes(60));
  CHECK(r.done(0) == words{"result 0: 1/1"});
  CHECK(r.tick() == words{"send PING"});
}

TEST_CASE("session: names of reasons") {
  CHECK(std::string(detail::name_of(detail::reason::wedged)) == "wedged");
  CHECK(std::string(detail::name_of(detail::reason::none)) == "no reason");
}
