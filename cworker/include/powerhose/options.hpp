// SPDX-License-Identifier: Apache-2.0

/// @file
/// How a worker is set up.

#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <powerhose/error.hpp>
#include <powerhose/export.hpp>
#include <string>
#include <string_view>

namespace powerhose {

/// How important a log message is.
enum class log_level { debug, info, warning, error };

/// Receives what an operator should know: one line without a line feed, never a
/// payload; what came from elsewhere is escaped. It is called from the worker's
/// threads, never from two at once, and must neither throw nor call the worker.
using log_function = std::function<void(log_level, std::string_view)>;

/// A log_function that writes "LEVEL text" lines of at least that level to
/// standard error.
POWERHOSE_API log_function log_to_stderr(log_level least);

/// Which threads do what.
enum class threading {
  /// relay for a capacity of 1, else crew.
  automatic,
  /// Capacity 1 only. Handlers run in the thread that called run(), which also
  /// communicates: no hand-over between threads, so short jobs are cheapest. A
  /// second thread takes over the communication when a handler runs for longer
  /// than some milliseconds: heartbeats, cancellation and signals go on.
  relay,
  /// One thread per place computes, the thread that called run() communicates
  /// and does nothing else.
  crew,
  /// Capacity 1 only. Handlers run in the thread that called run(), and there
  /// is no other one. While a handler runs, nothing is read: it is not told of
  /// a cancellation, and a second signal is not noticed. The protocol allows
  /// that. For handlers that cannot live with a second thread.
  single,
};

/// How a worker is set up. Each member says what its default means.
struct POWERHOSE_API options {
  /// The endpoint of the master where workers register: ipc:///absolute/path or
  /// tcp://host:port. Empty: $POWERHOSE_BACKEND, else backend.sock in this
  /// user's runtime directory (docs/protocol.md, section 4).
  std::string backend;

  /// How many jobs run at once, 1 to 1024. For handlers that compute, 1 is
  /// right: start more processes instead (see powerhose/spawn.hpp).
  unsigned capacity = 1;

  /// How many jobs the worker may be handed beyond its capacity, 0 to 256, so
  /// that the next one is there when a short one ends. Without a value: 32 if
  /// the worker has a start ledger, else 0.
  std::optional<unsigned> prefetch;

  /// How many jobs or results may share one message, 0 to 256; less than 2
  /// turns that off.
  unsigned batch = 64;

  /// Whether to share a start ledger with the master, which tells it after the
  /// worker's death which jobs had not started. Only used on ipc, where both
  /// are on one machine, and without listen.
  bool ledger = true;

  /// Listen mode: a socket of the worker's own for the jobs. A name for the
  /// sockets: ipc:///absolute/path, to which .PID.NUMBER is added, or
  /// tcp://address:0, any free port at the address by which the master reaches
  /// this machine. Empty: jobs come over the connection to the backend.
  std::string listen;

  /// How long to try to reach a silent master, through several reconnects,
  /// before run() gives up. At least 100 ms, and never less than two heartbeats
  /// more than what makes a master count as silent.
  std::chrono::milliseconds patience{5000};

  /// How long the jobs in hand may take after a drain began. Then they are
  /// cancelled. At least 1 ms.
  std::chrono::milliseconds drain_timeout{30000};

  /// Names this start of this process in logs: 1 to 64 octets of A-Z, a-z, 0-9,
  /// '.', '_', '-'. Two processes must never share one. Empty: host, process id
  /// and a random number.
  std::string identity;

  /// Which threads do what.
  threading threads = threading::automatic;

  /// Whether SIGTERM and SIGINT drain, and the second of them ends the process
  /// at once with status 1. They are blocked from the constructor on, in the
  /// thread that calls it: construct the worker before other threads start.
  bool signals = true;

  /// What to do when the session is over (see worker::run) and a handler does
  /// not return within a second although it is cancelled. True: end the process
  /// by std::_Exit with the status that run() would have returned, since a
  /// thread cannot be stopped from outside. False: run() waits for it.
  bool exit_if_stuck = true;

  /// Allows tcp endpoints beyond this machine, although nothing on the way is
  /// encrypted or authenticated.
  bool insecure = false;

  /// The reading end of a pipe whose other end only the parent process has; at
  /// its end the process ends at once with status 1. -1: none.
  int lifeline = -1;

  /// Silent unless set.
  log_function log;

  /// Options as whoever started this process wants them: POWERHOSE_CAPACITY,
  /// POWERHOSE_PREFETCH (negative: none), POWERHOSE_LISTEN, POWERHOSE_PATIENCE
  /// and POWERHOSE_DRAIN_TIMEOUT (such as "10s" or "1m30s"),
  /// POWERHOSE_INSECURE ("1"), POWERHOSE_LOG_LEVEL (debug, info, warn or error:
  /// log to standard error; silent without it) and POWERHOSE_LIFELINE_FD.
  /// POWERHOSE_BACKEND has its effect through backend. The variables that mean
  /// this process alone, POWERHOSE_WORKER and POWERHOSE_LIFELINE_FD, are taken
  /// out of the environment: call this before other threads start. Throws
  /// error with errc::bad_option.
  static options from_environment();
};

}  // namespace powerhose
