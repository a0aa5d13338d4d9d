// SPDX-License-Identifier: Apache-2.0

// A worker that answers each job of the service "echo" with the job itself.

#include <cstdio>
#include <powerhose/worker.hpp>

int main() try {
  powerhose::worker w;
  w.on("echo", [](const powerhose::job& job) { return job.payload(); });
  return w.run();
} catch (const powerhose::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
