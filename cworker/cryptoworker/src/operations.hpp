// SPDX-License-Identifier: Apache-2.0

// The operations of a request: limits, then the key, then the arithmetic, so that
// nothing expensive happens to what is refused.

#pragma once

#include "crypto.pb.h"
#include "key_store.hpp"

namespace powerhose::crypto {

/// Answers a request that has been decoded. Throws failure, what Crypto++ throws,
/// std::system_error and std::bad_alloc.
void answer(const key_store& keys, const v1::Request& request, v1::Response& response);

}  // namespace powerhose::crypto
