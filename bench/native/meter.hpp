// SPDX-License-Identifier: Apache-2.0

// The C++ side of a measurement: what meter.go does for callers in Go. When the
// measurement begins and when it ends it says so on standard output, and waits
// for a line on standard input while the processor time of all processes is
// read. Then it prints the time of each job in nanoseconds, one a line.

#ifndef POWERHOSE_BENCH_METER_HPP
#define POWERHOSE_BENCH_METER_HPP

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

class meter {
 public:
  using clock = std::chrono::steady_clock;

  // Jobs of the first warm_ms milliseconds do not count, those that begin and
  // end in the measure_ms after that do. If none does, it goes on for one.
  meter(long warm_ms, long measure_ms)
      : begin_(clock::now() + std::chrono::milliseconds(warm_ms)), length_(std::chrono::milliseconds(measure_ms)) {
    times_.reserve(1 << 20);
  }

  // done takes note of a job that ended now. Returns now, when the next may begin.
  clock::time_point done(clock::time_point started) {
    auto now = clock::now();
    if (measuring_) {
      const bool late = now >= begin_ + length_;
      if (started >= begin_ && (!late || times_.empty())) times_.push_back((now - started).count());
      over_ = late && !times_.empty();
    } else if (now >= begin_) {
      measuring_ = true;
      say("begin");
      now = begin_ = clock::now();
    }
    return now;
  }

  // over says that no more jobs are wanted.
  bool over() const { return over_; }

  // say tells it to the process that started this one, and waits for its line.
  static void say(const char* what) {
    std::puts(what);
    std::fflush(stdout);
    (void)std::getchar();
  }

  // report ends the measurement.
  void report() const {
    say("end");
    for (const auto t : times_) std::printf("%lld\n", static_cast<long long>(t));
    std::fflush(stdout);
  }

 private:
  clock::time_point begin_;
  clock::duration length_;
  bool measuring_ = false, over_ = false;
  std::vector<clock::duration::rep> times_;
};

// number reads an argument of a command line.
inline long number(const char* text) {
  char* end = nullptr;
  const long n = std::strtol(text, &end, 10);
  if (end == text || *end || n < 0) {
    std::fprintf(stderr, "not a number: %s\n", text);
    std::exit(2);
  }
  return n;
}

#endif
