// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <utility>

namespace powerhose::detail {

/// Owns a file descriptor.
class unique_fd {
 public:
  unique_fd() = default;
  explicit unique_fd(int fd) : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept;
  ~unique_fd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  void reset() noexcept;
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

/// Something to wake a poll() with. Throws error with errc::resources.
unique_fd make_eventfd();
/// Makes an eventfd readable. Safe from any thread and from signal handlers.
void ring(const unique_fd& eventfd) noexcept;
/// Makes it unreadable. False if it was.
bool hush(const unique_fd& eventfd) noexcept;

}  // namespace powerhose::detail
