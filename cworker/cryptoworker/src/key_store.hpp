// SPDX-License-Identifier: Apache-2.0

// Keys that only the worker holds. They do not change once they are read, so
// they may be used from several threads at once.

#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "crypto.pb.h"
#include "octets.hpp"
#include "signature.hpp"

namespace powerhose::crypto {

/// What a named key is good for: the end of its file's name.
enum class key_type { hkdf, hmac, aes256, ed25519, p256, rsa_pkcs1, rsa_pss, dsa };

/// The type as it is written, such as "rsa-pss".
const char* name_of(key_type type);

struct named_key {
  explicit named_key(key_type t, v1::SignatureAlgorithm a = v1::SIGNATURE_ALGORITHM_UNSPECIFIED)
      : type(t), algorithm(a) {}

  key_type type;
  secret octets;  // of hkdf, hmac and aes256

  // Of the others.
  v1::SignatureAlgorithm algorithm;
  private_key_ptr to_sign;  // null if there is only a public key
  public_key_ptr to_verify;
};

class key_store {
 public:
  key_store() = default;

  /// Reads a directory of keys. Throws key_error.
  explicit key_store(const std::string& directory);

  /// The key of that name, or null.
  const named_key* find(std::string_view name) const;

  /// All names with their types, in alphabetical order.
  std::vector<std::string> names() const;

 private:
  void load(int directory, const std::string& file);

  std::map<std::string, named_key, std::less<>> keys_;
};

}  // namespace powerhose::crypto
