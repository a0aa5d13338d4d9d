// SPDX-License-Identifier: Apache-2.0

// What loop.go does for calls in Go: the time of one function, called over and
// over in one thread. It speaks with the process that started it as a meter does.

#ifndef POWERHOSE_BENCH_LOOP_HPP
#define POWERHOSE_BENCH_LOOP_HPP

#include <chrono>
#include <cstdio>
#include <vector>

#include "meter.hpp"

// loop prints the time of a call in nanoseconds and how many took so long on
// average, a line for each batch. Calls of the first warm_ms milliseconds do not
// count; all after that do, the last included, for its processor time does too.
template <class F>
void loop(long warm_ms, long measure_ms, F call) {
  using clock = meter::clock;
  // Reading the clock takes a tenth of what the fastest calls take.
  constexpr std::chrono::microseconds enough(50);
  long batch = 1;
  const auto time_of_batch = [&] {
    const auto begin = clock::now();
    for (long i = 0; i < batch; i++) call();
    return clock::now() - begin;
  };
  const auto warm = clock::now() + std::chrono::milliseconds(warm_ms);
  do {
    if (time_of_batch() < enough) batch *= 2;
  } while (clock::now() < warm);
  std::vector<clock::duration::rep> times;
  meter::say("begin");
  const auto end = clock::now() + std::chrono::milliseconds(measure_ms);
  do {
    times.push_back(std::chrono::nanoseconds(time_of_batch()).count() / batch);
  } while (clock::now() < end);
  meter::say("end");
  for (const auto t : times) std::printf("%lld %ld\n", static_cast<long long>(t), batch);
  std::fflush(stdout);
}

#endif
