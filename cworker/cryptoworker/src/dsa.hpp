// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cryptopp/integer.h>

#include <cstddef>
#include <string_view>

#include "crypto.pb.h"
#include "signature.hpp"

namespace powerhose::crypto {

/// A group, with the algorithm that uses it. Only those of BrowserID, from the
/// examples of FIPS 186-3, are allowed: to check one that somebody else chose
/// costs more than a signature, and it may be a trap.
struct dsa_group {
  const char* name;
  v1::SignatureAlgorithm algorithm;
  std::size_t size;  // of q, r and s in octets, and of the hash: 20 or 32
  CryptoPP::Integer p, q, g;
};

const dsa_group& ds128();
const dsa_group& ds256();

/// They check x and y, and throw failure. The group must outlive the key.
private_key_ptr dsa_private(const dsa_group& group, const CryptoPP::Integer& x);
public_key_ptr dsa_public(const dsa_group& group, const CryptoPP::Integer& y);

/// The y that belongs to x.
CryptoPP::Integer dsa_y(const dsa_group& group, const CryptoPP::Integer& x);

}  // namespace powerhose::crypto
