// SPDX-License-Identifier: Apache-2.0

// The services of handlers.go, in C++.

#include <powerhose/worker.hpp>

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace {

std::uint64_t xorshift(std::uint64_t steps) {
  std::uint64_t x = 88172645463325252U;
  for (; steps > 0; steps--) {
    x ^= x << 13U;
    x ^= x >> 7U;
    x ^= x << 17U;
  }
  return x;
}

std::string burn(std::string payload) {
  if (xorshift(std::stoull(payload)) == 0) throw std::logic_error("this number never comes to 0");
  return payload;
}

}  // namespace

int main() try {
  powerhose::worker w;
  w.on("echo", [](const powerhose::job& job) { return job.payload(); });
  w.on("burn", [](const powerhose::job& job) { return burn(std::string(job.payload())); });
  return w.run();
} catch (const powerhose::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
