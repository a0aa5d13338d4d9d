// SPDX-License-Identifier: Apache-2.0

#include "random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <system_error>

namespace powerhose::crypto {

// Crypto++ has the same as OS_GenerateRandomBlock, by way of a file, which fails
// when there is no descriptor left.
void system_random(CryptoPP::byte* out, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::getrandom(out, size, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw std::system_error(errno, std::generic_category(), "getrandom");
    out += n;
    size -= static_cast<std::size_t>(n);
  }
}

}  // namespace powerhose::crypto
