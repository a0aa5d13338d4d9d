// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cryptopp/integer.h>

#include "signature.hpp"

namespace powerhose::crypto {

/// Both use SHA-256. There is no encryption: that of PKCS#1 v1.5 cannot be done
/// without telling an attacker about the padding.
enum class rsa_padding { pkcs1, pss };

struct rsa_numbers {
  CryptoPP::Integer n, e;
  CryptoPP::Integer d, p, q;  // to sign
};

/// They check the numbers, and throw failure.
private_key_ptr rsa_private(rsa_padding padding, const rsa_numbers& numbers);
public_key_ptr rsa_public(rsa_padding padding, const rsa_numbers& numbers);

}  // namespace powerhose::crypto
