// SPDX-License-Identifier: Apache-2.0

#include <stdexcept>

#include "crypto.hpp"

namespace cworker {

const char crypto_service[] = "crypto";
const bool has_crypto = false;

std::string offer_crypto(powerhose::worker&, const std::string&) {
  throw std::logic_error("this build has no service crypto");
}

}  // namespace cworker
