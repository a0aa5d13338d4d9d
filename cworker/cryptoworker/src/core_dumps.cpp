// SPDX-License-Identifier: Apache-2.0

#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <system_error>

#include "crypto_service.hpp"

namespace powerhose::crypto {

void forbid_core_dumps() {
  // The limit alone does not keep the kernel from handing a dump to a program,
  // which is what core_pattern says on most systems; not being dumpable does, but
  // is lost when a program is executed.
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0)
    throw std::system_error(errno, std::generic_category(), "RLIMIT_CORE");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    throw std::system_error(errno, std::generic_category(), "PR_SET_DUMPABLE");
}

}  // namespace powerhose::crypto
