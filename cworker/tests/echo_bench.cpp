// SPDX-License-Identifier: Apache-2.0

// How fast one worker process is, with a master that does nothing but hand out
// jobs: an upper bound for every real one.
//
//     echo-bench JOBS OUTSTANDING BATCH OCTETS -- COMMAND...
//
// COMMAND is a worker with the service "echo"; it finds POWERHOSE_BACKEND.
// OUTSTANDING jobs are with the worker at any time, up to BATCH in one message.
// It prints jobs per second, the processor time of the worker for each job, and,
// with OUTSTANDING 1, the median round trip.

#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <powerhose/spawn.hpp>
#include <string>
#include <vector>

#include "support/master.hpp"

namespace {

using clock_type = std::chrono::steady_clock;

double seconds(clock_type::duration d) { return std::chrono::duration<double>(d).count(); }

double seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

class bench {
 public:
  bench(test::master& m, std::uint64_t jobs, std::size_t outstanding, std::size_t batch, std::size_t octets)
      : master_(m), jobs_(jobs), outstanding_(outstanding), batch_(batch), payload_(octets, 'x') {}

  void run() {
    std::uint64_t done = 0;
    while (done < jobs_) {
      refill(done);
      const auto sent = clock_type::now();
      if (master_.expect_result().payload.size() != payload_.size()) std::abort();
      if (outstanding_ == 1) round_trips.push_back(clock_type::now() - sent);
      ++done;
      // What has arrived together is answered together.
      while (done < given_ && master_.has_pending()) master_.expect_result(), ++done;
    }
  }

  std::vector<clock_type::duration> round_trips;

 private:
  void refill(std::uint64_t done) {
    std::vector<test::job> jobs;
    while (given_ < jobs_ && given_ - done < outstanding_) {
      test::job j;
      j.id = ++given_;
      j.service = "echo";
      j.payload = payload_;
      jobs.push_back(j);
      if (jobs.size() >= batch_) send(jobs);
    }
    send(jobs);
  }

  void send(std::vector<test::job>& jobs) {
    if (jobs.empty()) return;
    if (batch_ > 1) {
      master_.give_batch(jobs);
    } else {
      master_.give(jobs[0]);
    }
    jobs.clear();
  }

  test::master& master_;
  std::uint64_t jobs_;
  std::size_t outstanding_;
  std::size_t batch_;
  std::string payload_;
  std::uint64_t given_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fprintf(stderr, "usage: %s JOBS OUTSTANDING BATCH OCTETS -- COMMAND...\n", argv[0]);
    return 2;
  }
  const auto number = [&](int i) { return std::strtoull(argv[i], nullptr, 10); };
  test::master m;
  ::setenv("POWERHOSE_BACKEND", m.endpoint().c_str(), 1);
  const int pid = powerhose::start_program({argv + 6, argv + argc});
  powerhose::detail::welcome grant;
  grant.batch = static_cast<std::int64_t>(number(3) > 1 ? number(3) : 0);
  grant.prefetch = static_cast<std::int64_t>(number(2) - 1);
  m.accept(grant);
  bench(m, 1000, number(2), number(3), number(4)).run();

  bench b(m, number(1), number(2), number(3), number(4));
  const std::uint64_t before = m.messages();
  const auto begin = clock_type::now();
  b.run();
  const double took = seconds(clock_type::now() - begin);

  ::kill(pid, SIGTERM);
  m.expect(powerhose::detail::command::drain);
  m.send(powerhose::detail::command::bye);
  rusage used{};
  int status = 0;
  ::wait4(pid, &status, 0, &used);
  const auto jobs = static_cast<double>(number(1));
  std::printf("%.0f jobs/s, worker %.2f us of processor a job, %.1f results a message", jobs / took,
              (seconds(used.ru_utime) + seconds(used.ru_stime)) / jobs * 1e6,
              jobs / static_cast<double>(m.messages() - before));
  if (!b.round_trips.empty()) {
    std::sort(b.round_trips.begin(), b.round_trips.end());
    std::printf(", round trip p50 %.1f us", seconds(b.round_trips[b.round_trips.size() / 2]) * 1e6);
  }
  std::printf("\n");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
