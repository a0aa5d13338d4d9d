// SPDX-License-Identifier: Apache-2.0

// What somebody else would write, built in three ways: every public header, a
// worker that is asked to stop before it begins.

#include <cstdio>
#include <powerhose/error.hpp>
#include <powerhose/export.hpp>
#include <powerhose/job.hpp>
#include <powerhose/options.hpp>
#include <powerhose/spawn.hpp>
#include <powerhose/version.hpp>
#include <powerhose/worker.hpp>

int main() try {
  powerhose::worker w;
  w.on("echo", [](const powerhose::job& job) { return job.payload(); });
  w.stop();
  const int status = w.run();
  std::printf("powerhose %s: %d\n", POWERHOSE_VERSION, status);
  return status;
} catch (const powerhose::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
