// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <vector>

#include "support/master.hpp"

namespace test {

/// A child process, killed and waited for in the end.
class child {
 public:
  /// Runs a program of POWERHOSE_BACKEND, which is m's.
  child(const master& m, std::vector<std::string> command);
  /// Takes over a process that exists.
  explicit child(int pid) : pid_(pid) {}
  ~child();
  child(const child&) = delete;
  child& operator=(const child&) = delete;

  int pid() const { return pid_; }
  void signal(int number) const;
  /// The exit status, or 128 and the signal. Throws std::runtime_error if that
  /// takes too long.
  int wait();

 private:
  int pid_;
};

/// The helper program of the tests, with arguments.
std::vector<std::string> test_worker(std::vector<std::string> arguments);

/// Gives a worker the job "stubborn" and waits until its handler runs.
void give_stubborn(master& m);

/// How many descriptors a process has open.
std::size_t descriptors_of(int pid);

}  // namespace test
