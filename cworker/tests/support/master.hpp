// SPDX-License-Identifier: Apache-2.0

// A master that does what a test says, on a private ipc endpoint.

#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "wire/code.hpp"
#include "wire/job.hpp"
#include "wire/registration.hpp"

namespace test {

namespace detail = powerhose::detail;
using detail::command;

/// How long a test waits for what must come.
constexpr std::chrono::seconds patience{20};

/// A directory that is removed in the end.
class temporary_directory {
 public:
  temporary_directory();
  ~temporary_directory();
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct job {
  job() = default;
  job(std::uint64_t id_, std::string payload_, std::string service_ = {}, std::uint32_t attempt_ = 1)
      : id(id_), payload(std::move(payload_)), service(std::move(service_)), attempt(attempt_) {}

  std::uint64_t id = 0;
  std::string payload;
  std::string service;
  std::uint32_t attempt = 1;
  std::chrono::microseconds time_left = std::chrono::minutes(1);
  std::string headers;
};

struct received {
  std::string from;
  command what{};
  std::string fields;
  std::string payload;
};

struct result {
  std::uint64_t id = 0;
  std::uint32_t attempt = 0;
  bool ok = false;
  std::string payload;
  std::uint32_t run_us = 0;
};

/// A ROUTER with the options of a master. Everything throws std::runtime_error
/// when something else comes than is expected, or nothing in time. PINGs are
/// answered and passed over, and so are PONGs, unless answers_pings is false.
class master {
 public:
  master();
  ~master();

  std::string endpoint() const { return "ipc://" + directory_.path() + "/backend.sock"; }
  const std::string& directory() const { return directory_.path(); }

  /// Ends like a master that is killed, and comes back without memory.
  void die();
  void come_back();

  /// The next message, whatever it is; BATCHes come as their records.
  received next();
  bool has_pending() const { return !pending_.empty(); }
  /// Whether a message is there within that time. Only for what must not come.
  bool hears(std::chrono::milliseconds within);
  received expect(command what);
  detail::registration expect_register();
  result expect_result();
  detail::job_ref expect_return();
  /// How many messages of workers have come so far; a BATCH counts as one.
  std::uint64_t messages() const { return messages_; }

  /// Waits for REGISTER and welcomes the worker.
  detail::registration accept(detail::welcome grant = {});
  void welcome(detail::welcome grant = {});
  void send(command what);
  void send(command what, detail::job_ref ref);
  void send_error(detail::error_code code, const std::string& text = {});
  void give(const job& j);
  void give_batch(const std::vector<job>& jobs);
  /// From here on it speaks to this worker, until another one is heard.
  void turn_to(const std::string& from) { peer_ = from; }
  /// Any frames, to the worker that sent the latest message.
  void send_frames(const std::vector<std::string>& frames);

  /// For a test that wants to see PINGs and PONGs.
  bool answers_pings = true;

  /// In listen mode: connects to the worker's own socket, over which jobs go
  /// from then on, and waits for its probe.
  void reach(const std::string& endpoint);

 private:
  bool receive(std::vector<std::string>& frames, std::chrono::milliseconds within);
  bool fill(std::chrono::milliseconds within);
  void unpack(const std::vector<std::string>& frames);

  temporary_directory directory_;
  zmq::context_t context_;
  zmq::socket_t router_;
  zmq::socket_t dealer_;  // to a worker's own socket
  std::string peer_;
  std::deque<received> pending_;
  std::uint64_t messages_ = 0;
};

/// A header frame without fields.
std::string header_frame(command what);
std::string job_frame(const job& j);

}  // namespace test
