// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace powerhose::detail {

/// The worker's side of a start ledger (docs/protocol.md, section 13): a number
/// in memory that master and worker share, and that survives the worker. It
/// belongs to one registration, and to one thread at a time.
class ledger {
 public:
  /// Makes a file of zeros called ledger-PID-RANDOM in a directory that only
  /// this user may enter. Throws error with errc::resources.
  static std::unique_ptr<ledger> create(const std::string& directory);

  ledger(const ledger&) = delete;
  ledger& operator=(const ledger&) = delete;
  ~ledger();

  const std::string& path() const { return path_; }

  /// Claims job n, counted from 1, before it is started, and in passing those
  /// before it. False: the master has closed the ledger, and the job must not be
  /// started.
  bool claim(std::uint64_t n) noexcept;

  /// Removes the file; the memory stays shared.
  void unlink() noexcept;

 private:
  ledger(std::string path, void* memory);

  std::string path_;  // empty once it is unlinked
  void* memory_;
  std::atomic<std::uint64_t>* word_;
  std::uint64_t last_ = 0;  // the last number that we wrote
};

/// Where ledgers are best kept: a directory in memory that only this user may
/// enter; empty if there is none.
std::string ledger_directory();

}  // namespace powerhose::detail
