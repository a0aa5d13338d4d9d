// SPDX-License-Identifier: Apache-2.0

#include "core_dumps.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <system_error>

namespace cworker {

namespace {

[[noreturn]] void fail() {
  throw std::system_error(errno, std::generic_category(),
                          "cannot switch core dumps off (--core-dumps allows them)");
}

}  // namespace

void forbid_core_dumps() {
  // The limit alone does not keep the kernel from handing a dump to a program,
  // which is what core_pattern says on most systems; not being dumpable does, but
  // is lost when a program is executed.
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) fail();
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) fail();
}

}  // namespace cworker
