// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cryptopp/osrng.h>

#include <cstddef>

namespace powerhose::crypto {

/// Fills octets with random ones from the system's generator. Throws
/// std::system_error if it has none.
void system_random(CryptoPP::byte* out, std::size_t size);

/// The generator for what Crypto++ draws itself: nonces of signatures, salts,
/// blinding. It is to be a local variable of the function that signs. Neither
/// threads nor processes then ever share its state, also not after fork(), which
/// would let two of them draw the same nonce and so give the key away. Seeding it
/// anew takes 1.5 us, the fastest signature a hundred times that.
using generator = CryptoPP::AutoSeededRandomPool;

}  // namespace powerhose::crypto
