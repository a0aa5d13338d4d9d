// SPDX-License-Identifier: Apache-2.0

#include "support/vectors.hpp"

#include <doctest/doctest.h>

#include <set>

#include "wire/frames.hpp"

using test::decode;
using test::decoded;
using test::load_vectors;

namespace detail = powerhose::detail;

TEST_CASE("vectors: all decode as described") {
  const auto vectors = load_vectors();
  REQUIRE(vectors.size() > 300);
  for (const auto& v : vectors) {
    CAPTURE(v.name);
    const decoded m = decode(v.who, v.where, v.frames);
    CHECK(m.error == v.error);
    CHECK(m.lines == v.lines);
    if (v.error.empty()) CHECK(m.message == v.message);
  }
}

TEST_CASE("vectors: what was decoded encodes to the same frames") {
  std::size_t count = 0;
  for (const auto& v : load_vectors()) {
    if (!v.error.empty() || !v.encode) continue;
    CAPTURE(v.name);
    ++count;
    const decoded m = decode(v.who, v.where, v.frames);
    CHECK(m.encoded == v.frames[0]);
  }
  CHECK(count > 50);
}

// A good message with its last octets missing, or one more, is never accepted,
// unless what is missing is a whole property or a whole record.
TEST_CASE("vectors: shortened or lengthened messages are not accepted") {
  for (const auto& v : load_vectors()) {
    if (!v.error.empty() || v.message == "BATCH") continue;
    CAPTURE(v.name);
    const std::string& header = v.frames[0];
    const bool list = v.message == "REGISTER" || v.message == "WELCOME";
    auto frames = v.frames;
    for (std::size_t n = 0; n < header.size() && !list; ++n) {
      frames[0] = header.substr(0, n);
      REQUIRE_FALSE(decode(v.who, v.where, frames).error.empty());
    }
    frames[0] = header + '\0';
    CHECK_FALSE(decode(v.who, v.where, frames).error.empty());
  }
}

TEST_CASE("vectors: there is one for every message") {
  using detail::direction;
  using detail::role;
  std::set<std::string> good;
  for (const auto& v : load_vectors()) {
    if (v.error.empty()) good.insert(std::to_string(int(v.who)) + std::to_string(int(v.where)) + v.message);
  }
  for (const role who : {role::worker, role::runner}) {
    for (const direction where : {direction::to_master, direction::from_master}) {
      for (int c = 0; c < 256; ++c) {
        const auto what = static_cast<detail::command>(c);
        if (detail::frames_of(who, what, where) == 0) continue;
        const std::string name = detail::name_of(what);
        CAPTURE(name);
        CHECK(good.count(std::to_string(int(who)) + std::to_string(int(where)) + name) == 1);
      }
    }
  }
}
