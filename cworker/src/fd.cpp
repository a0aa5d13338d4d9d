// SPDX-License-Identifier: Apache-2.0

#include "fd.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "system_error.hpp"

namespace powerhose::detail {

unique_fd& unique_fd::operator=(unique_fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

void unique_fd::reset() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

unique_fd make_eventfd() {
  unique_fd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) throw_errno("eventfd");
  return fd;
}

void ring(const unique_fd& eventfd) noexcept {
  // It cannot fail but for a full counter, and then it is readable anyway.
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(eventfd.get(), &one, sizeof one);
}

bool hush(const unique_fd& eventfd) noexcept {
  std::uint64_t count = 0;
  return ::read(eventfd.get(), &count, sizeof count) == sizeof count;
}

}  // namespace powerhose::detail
