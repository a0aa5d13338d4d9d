// SPDX-License-Identifier: Apache-2.0

/// @file
/// Several worker processes from one program, without a supervisor.
///
/// ZeroMQ and fork() do not go together: a child must not touch what its parent
/// had of ZeroMQ, and inherits its connections. So the processes are made before
/// anything of ZeroMQ exists, or by starting a program anew.
///
///     int work() {
///       powerhose::worker w;
///       w.on("square", square);
///       return w.run();
///     }
///     int main() { return powerhose::spawn(4, work); }

#pragma once

#include <chrono>
#include <functional>
#include <powerhose/error.hpp>
#include <powerhose/export.hpp>
#include <powerhose/options.hpp>
#include <string>
#include <vector>

namespace powerhose {

/// What to do when a process ends by itself, other than with status 0.
enum class after_failure {
  stop_all,  ///< Drain the others and return: whoever supervises us starts all anew.
  go_on,     ///< Leave the others alone.
  restart,   ///< Start it again, after 0.1 s the first time and up to 5 s if it keeps failing.
};

/// How processes are looked after.
struct POWERHOSE_API spawn_options {
  after_failure on_failure = after_failure::stop_all;
  /// How long the processes may take to end after they were told to, before they
  /// are killed. Longer than their own options::drain_timeout.
  std::chrono::milliseconds kill_after{60000};
  /// Silent unless set.
  log_function log;
};

/// Starts n processes by fork(), 1 to 4096, each of which calls work() and ends
/// with the status that it returns; waits for all of them. SIGTERM and SIGINT
/// are passed on, so that workers drain; the second of them too, so that they
/// end at once. When this process dies, they are sent SIGTERM.
///
/// Must be called while the process has a single thread and has not used
/// ZeroMQ, as in the beginning of main; throws error with errc::misuse if not.
/// An exception that leaves work() ends its process with status 1.
///
/// Returns 0 if all ended with 0, else what the first that failed returned, or
/// 128 and the number of the signal that killed it. Throws error with
/// errc::resources if processes cannot be made.
POWERHOSE_API int spawn(unsigned n, const std::function<int()>& work, const spawn_options& settings = {});

/// The same with processes that run a program: command is its name, looked up in
/// PATH unless it has a slash, and its arguments. "/proc/self/exe" is this
/// program. It may be called with threads and ZeroMQ about, but takes SIGTERM,
/// SIGINT and SIGCHLD for itself while it runs. A program that cannot be run
/// counts as one that ended with 127.
POWERHOSE_API int spawn(unsigned n, const std::vector<std::string>& command,
                        const spawn_options& settings = {});

/// Starts one program and returns its process id without waiting for it: safe in
/// a handler, where fork() alone is not. No descriptor but the standard ones is
/// inherited, and no signal is blocked there. The caller has to wait for it
/// (waitpid), or not, if it ends first. Throws error with errc::resources.
POWERHOSE_API int start_program(const std::vector<std::string>& command);

}  // namespace powerhose
