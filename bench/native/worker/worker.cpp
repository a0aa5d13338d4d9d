// SPDX-License-Identifier: Apache-2.0

// The services of handlers.go, in C++.

#include <powerhose/worker.hpp>

#include <cstdio>

int main() try {
  powerhose::worker w;
  w.on("echo", [](const powerhose::job& job) { return job.payload(); });
  return w.run();
} catch (const powerhose::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
