// SPDX-License-Identifier: Apache-2.0

// Keys for signatures that come in a request. All that is wrong with one is a
// failure with BAD_KEY.

#pragma once

#include "crypto.pb.h"
#include "signature.hpp"

namespace powerhose::crypto {

/// How the keys of an algorithm are read. Each must have a source.
struct signature_algorithm {
  v1::SignatureAlgorithm id;
  private_key_ptr (*to_sign)(const v1::Key& key);
  public_key_ptr (*to_verify)(const v1::Key& key);
};

/// Throws failure if it is not known.
const signature_algorithm& algorithm_of(v1::SignatureAlgorithm id);

}  // namespace powerhose::crypto
