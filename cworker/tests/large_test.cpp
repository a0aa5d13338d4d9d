// SPDX-License-Identifier: Apache-2.0

// Payloads and results that are too large to be copied without need: how long
// their memory lives, over real sockets.

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "support/running_worker.hpp"

using namespace test;
using detail::worth_handing_over;
using powerhose::threading;

namespace {

constexpr std::size_t mib = 1 << 20;

// Octets that differ from place to place and from seed to seed.
std::string octets(std::size_t size, std::uint32_t seed) {
  std::string all(size, '\0');
  std::uint32_t x = seed * 2654435761U + 1;
  for (char& c : all) {
    x = x * 1664525U + 1013904223U;
    c = static_cast<char>(x >> 24U);
  }
  return all;
}

detail::welcome generous() {
  detail::welcome grant;
  grant.max_message = 17 << 20;
  grant.prefetch = 8;
  return grant;
}

// A view that does not say whether it owns its octets, and does not.
struct span {
  using value_type = std::uint8_t;
  const std::uint8_t* begin_;
  std::size_t size_;
  const std::uint8_t* data() const { return begin_; }
  std::size_t size() const { return size_; }
};

const std::uint8_t* as_octets(std::string_view v) { return reinterpret_cast<const std::uint8_t*>(v.data()); }

}  // namespace

TEST_CASE("answer: what is copied, and what is not") {
  using detail::to_answer;
  const std::string payload = octets(2 * worth_handing_over, 1);
  const std::string_view whole = payload;
  const std::string elsewhere = payload;

  detail::answer a = to_answer(whole, whole);
  CHECK(a.part.data() == whole.data());
  CHECK(a.octets() == whole);
  CHECK_FALSE(a.owner);
  a = to_answer(whole, whole.substr(worth_handing_over));  // exactly enough, at the very end
  CHECK(a.part.data() == whole.data() + worth_handing_over);
  a = to_answer(whole, span{as_octets(whole) + 1, worth_handing_over});
  CHECK(a.part.data() == whole.data() + 1);

  const auto is_copy = [](const detail::answer& of, std::string_view from) {
    return of.part.data() == nullptr && !of.owner && of.octets().data() != from.data() && of.octets() == from;
  };
  CHECK(is_copy(to_answer(whole, whole.substr(0, worth_handing_over - 1)),
                whole.substr(0, worth_handing_over - 1)));
  CHECK(is_copy(to_answer(whole, std::string_view(elsewhere)), elsewhere));
  CHECK(is_copy(to_answer(whole, span{as_octets(elsewhere), elsewhere.size()}), elsewhere));
  CHECK(is_copy(to_answer(whole, elsewhere), elsewhere));
  CHECK(is_copy(to_answer(whole.substr(1), whole), whole));  // more than the payload
  CHECK(is_copy(to_answer(whole.substr(0, whole.size() - 1), whole), whole));
  CHECK(to_answer(whole, std::string_view()).octets().empty());
  CHECK(to_answer(std::string_view(), std::string_view()).octets().empty());

  std::vector<std::uint8_t> list(worth_handing_over, 7);
  const std::uint8_t* const at = list.data();
  CHECK(is_copy(to_answer(whole, list), {reinterpret_cast<const char*>(at), list.size()}));
  a = to_answer(whole, std::move(list));
  CHECK(a.owner);
  CHECK(as_octets(a.octets()) == at);
  CHECK(a.octets() == std::string(worth_handing_over, '\7'));
  CHECK_FALSE(to_answer(whole, std::vector<char>(worth_handing_over - 1, 'x')).owner);
  CHECK(to_answer(whole, std::array<char, 3>{'a', 'b', 'c'}).octets() == "abc");

  std::string text = octets(worth_handing_over, 2);
  const char* const begin = text.data();
  CHECK(to_answer(whole, std::move(text)).octets().data() == begin);
}

TEST_CASE("large: every size comes back, whatever the handler returns") {
  for (const threading t : all_threadings) {
    CAPTURE(name_of(t));
    master m;
    auto o = options_for(m);
    o.threads = t;
    running_worker w(o, [](powerhose::worker& worker) {
      worker.on("string", [](const powerhose::job& job) { return std::string(job.payload()); });
      worker.on("vector", [](const powerhose::job& job) {
        return std::vector<std::uint8_t>(job.payload().begin(), job.payload().end());
      });
      worker.on("span", [](const powerhose::job& job) {
        return span{as_octets(job.payload()), job.payload().size()};
      });
    });
    m.accept(generous());
    std::uint64_t id = 0;
    for (const std::size_t size : {std::size_t(0), worth_handing_over - 1, worth_handing_over,
                                   worth_handing_over + 1, 64 * std::size_t(1024), 16 * mib}) {
      CAPTURE(size);
      const std::string payload = octets(size, static_cast<std::uint32_t>(id));
      for (const char* service : {"echo", "string", "vector", "span"}) {
        CAPTURE(service);
        m.give({++id, payload, service});
        const result r = m.expect_result();
        CHECK(r.id == id);
        CHECK(r.ok);
        CHECK((r.payload == payload));  // in parentheses, or it would be printed
      }
    }
    CHECK(w.leave(m) == "0");
  }
}

TEST_CASE("large: a part of the payload outlives the handler and the job") {
  for (const threading t : all_threadings) {
    CAPTURE(name_of(t));
    master m;
    auto o = options_for(m);
    o.threads = t;
    o.prefetch = 8;
    running_worker w(o, [](powerhose::worker& worker) {
      worker.on("tail", [](const powerhose::job& job) { return job.payload().substr(mib / 2); });
    });
    m.accept(generous());
    // The results are taken only when all jobs have been given: meanwhile they
    // are in queues of libzmq, and the memory of their jobs with them.
    std::vector<std::string> payloads;
    for (std::uint32_t i = 0; i < 8; ++i) {
      payloads.push_back(octets(mib, i));
      m.give({i, payloads.back(), "tail"});
    }
    for (std::uint32_t i = 0; i < 8; ++i) {
      const result r = m.expect_result();
      REQUIRE(r.id < payloads.size());
      CHECK((r.payload == std::string_view(payloads[r.id]).substr(mib / 2)));
    }
    CHECK(w.leave(m) == "0");
  }
}

TEST_CASE("large: payloads of jobs that wait, and of several that run at once, stay what they are") {
  master m;
  auto o = options_for(m);
  o.capacity = 3;
  o.prefetch = 8;
  std::atomic<int> running{0};
  event together;
  event go;
  running_worker w(o, [&](powerhose::worker& worker) {
    worker.on("hold", [&](const powerhose::job& job) {
      if (++running == 3) together.set();
      go.wait();
      return job.payload();
    });
  });
  m.accept(generous());
  std::map<std::uint64_t, std::string> payloads;
  for (std::uint64_t id = 1; id <= 11; ++id) {
    payloads[id] = octets(mib + id, static_cast<std::uint32_t>(id));
    m.give({id, payloads[id], "hold"});
  }
  together.wait();
  // One that waits is given back: its memory goes, that of the others stays.
  m.send(command::recall, {7, 1});
  CHECK(m.expect_return() == detail::job_ref{7, 1});
  payloads.erase(7);
  go.set();
  while (!payloads.empty()) {
    const result r = m.expect_result();
    REQUIRE(payloads.count(r.id) == 1);
    CHECK((r.payload == payloads[r.id]));
    payloads.erase(r.id);
  }
  CHECK(w.leave(m) == "0");
}

TEST_CASE("large: a payload as the result of a job whose master is gone") {
  for (const threading t : {threading::relay, threading::crew}) {
    CAPTURE(name_of(t));
    master m;
    auto o = options_for(m);
    o.threads = t;
    o.patience = patience;
    event entered;
    std::atomic<bool> told{false};
    running_worker w(o, [&](powerhose::worker& worker) {
      worker.on("stay", [&](const powerhose::job& job) {
        entered.set();
        told = wait_until_cancelled(job);
        return job.payload();
      });
    });
    m.accept(generous());
    m.give({1, octets(mib, 1), "stay"});
    entered.wait();
    m.die();
    m.come_back();
    m.accept(generous());  // only when the handler has returned
    CHECK(told);
    const std::string payload = octets(mib, 2);
    m.give({2, payload, "echo"});
    const result r = m.expect_result();
    CHECK(r.id == 2);
    CHECK((r.payload == payload));
    CHECK(w.leave(m) == "0");
  }
}

TEST_CASE("large: a result above the largest message is an error, though it is the payload's own memory") {
  master m;
  running_worker w(options_for(m), [](powerhose::worker& worker) {
    worker.on("two", [](const powerhose::job&) { return std::vector<char>(70000, 'x'); });
  });
  detail::welcome grant;
  grant.max_message = 65536;
  m.accept(grant);
  m.give({1, octets(65537, 1), "echo"});  // more than the master may send, but this one does
  result r = m.expect_result();
  CHECK_FALSE(r.ok);
  CHECK(r.payload == "the result has 65537 octets, the largest message is 65536");
  m.give({2, "", "two"});
  r = m.expect_result();
  CHECK_FALSE(r.ok);
  CHECK(r.payload == "the result has 70000 octets, the largest message is 65536");
  const std::string payload = octets(65536, 3);
  m.give({3, payload, "echo"});
  CHECK((m.expect_result().payload == payload));
  CHECK(w.leave(m) == "0");
}
