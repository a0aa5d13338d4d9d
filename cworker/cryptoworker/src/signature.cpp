// SPDX-License-Identifier: Apache-2.0

#include "signature.hpp"

namespace powerhose::crypto {

std::string filled(std::string_view signature, std::size_t size) {
  std::string out(size > signature.size() ? size - signature.size() : 0, '\0');
  return out.append(signature);
}

}  // namespace powerhose::crypto
