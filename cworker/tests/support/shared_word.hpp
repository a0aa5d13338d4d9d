// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "support/master.hpp"

namespace test {

/// The master's side of a start ledger.
class shared_word {
 public:
  static constexpr std::uint64_t closed = std::uint64_t{1} << 63;

  explicit shared_word(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    memory_ = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0) ::close(fd);
    if (memory_ == MAP_FAILED) throw std::runtime_error("cannot map " + path);
  }
  ~shared_word() { ::munmap(memory_, 4096); }
  shared_word(const shared_word&) = delete;
  shared_word& operator=(const shared_word&) = delete;

  std::atomic<std::uint64_t>& get() { return *static_cast<std::atomic<std::uint64_t>*>(memory_); }
  /// Closes the ledger and returns how many jobs were claimed.
  std::uint64_t close() { return get().fetch_or(closed) & ~closed; }

 private:
  void* memory_ = nullptr;
};

}  // namespace test
