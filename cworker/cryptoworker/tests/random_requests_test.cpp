// SPDX-License-Identifier: Apache-2.0

// Requests that nobody would send. Whatever it is, there is an answer, and never
// that the worker itself is at fault. The seed is fixed; POWERHOSE_SEED and
// POWERHOSE_ROUNDS change it and how many there are.

#include <doctest/doctest.h>

#include <cstdlib>
#include <random>
#include <set>

#include "support.hpp"

namespace crypto = powerhose::crypto;
namespace v1 = crypto::v1;

namespace {

unsigned long setting(const char* name, unsigned long normal) {
  const char* text = std::getenv(name);
  return text == nullptr ? normal : std::stoul(text);
}

class dice {
 public:
  explicit dice(unsigned long seed) : engine_(seed) {}

  // A number from 0 to n - 1.
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(engine_); }

  char octet() { return static_cast<char>(below(256)); }

  std::string octets(std::size_t most) {
    std::string out(below(most + 1), '\0');
    for (char& c : out) c = octet();
    return out;
  }

 private:
  std::mt19937_64 engine_;
};

// What scrypt may be asked for takes seconds, which is not what this is about.
bool is_quick(const std::string& payload) {
  v1::Request request;
  return !request.ParseFromString(payload) ||
         std::uint64_t{request.scrypt().n()} * request.scrypt().r() * request.scrypt().p() < 10000;
}

void change(std::string& s, dice& d) {
  switch (d.below(6)) {
    case 0: s.insert(d.below(s.size() + 1), 1, d.octet()); break;
    case 1: s += d.octets(20); break;
    default:
      if (s.empty()) break;
      const std::size_t at = d.below(s.size());
      switch (d.below(5)) {
        case 0: s.erase(at, 1 + d.below(4)); break;
        case 1: s[at] = d.octet(); break;
        case 2: s[at] = static_cast<char>(s[at] ^ 1 << d.below(8)); break;
        case 3: s.resize(at); break;
        default: s.insert(at, s.substr(d.below(s.size()), d.below(20))); break;
      }
  }
}

// The good answers of requests that were changed at random are many.
void check(const crypto::service& s, const std::string& payload) {
  if (!is_quick(payload)) return;
  v1::Response got;
  REQUIRE(got.ParseFromString(s.handle(payload)));
  REQUIRE(got.result_case() != v1::Response::RESULT_NOT_SET);
  if (!got.has_error()) return;
  REQUIRE(v1::ErrorCode_IsValid(got.error().code()));
  REQUIRE(got.error().code() != v1::ERROR_CODE_UNSPECIFIED);
  REQUIRE(got.error().code() != v1::INTERNAL);
  REQUIRE(got.error().text().size() <= 200);
}

}  // namespace

TEST_CASE("random requests: octets") {
  const crypto::service s;
  dice d(setting("POWERHOSE_SEED", 1));
  for (unsigned long i = 0; i < setting("POWERHOSE_ROUNDS", 20000); ++i) check(s, d.octets(100));
}

TEST_CASE("random requests: vectors that were changed") {
  const test::test_keys keys;
  const crypto::service s(keys.path().string());
  std::vector<std::string> good;
  for (const auto& v : test::load_vectors()) {
    std::string payload = v.request();
    if (payload.size() < 5000) good.push_back(std::move(payload));
  }
  REQUIRE(good.size() > 500);
  dice d(setting("POWERHOSE_SEED", 1));
  for (unsigned long i = 0; i < setting("POWERHOSE_ROUNDS", 20000) / 4; ++i) {
    std::string payload = good[d.below(good.size())];
    for (std::size_t n = 1 + d.below(3); n > 0; --n) change(payload, d);
    CAPTURE(i);
    check(s, payload);
  }
}

TEST_CASE("random requests: the parts of two vectors") {
  const test::test_keys keys;
  const crypto::service s(keys.path().string());
  std::vector<std::string> good;
  for (const auto& v : test::load_vectors()) {
    std::string payload = v.request();
    if (payload.size() < 5000) good.push_back(std::move(payload));
  }
  dice d(setting("POWERHOSE_SEED", 1));
  for (unsigned long i = 0; i < setting("POWERHOSE_ROUNDS", 20000) / 10; ++i) {
    CAPTURE(i);
    check(s, good[d.below(good.size())] + good[d.below(good.size())]);  // protobuf merges them
  }
}
