// SPDX-License-Identifier: Apache-2.0

// The two sides of a signature algorithm. An object holds the numbers of a key,
// which do not change, and makes what Crypto++ computes with for each call, as
// that may not be shared between threads.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace powerhose::crypto {

class private_key {
 public:
  private_key() = default;
  private_key(const private_key&) = delete;
  private_key& operator=(const private_key&) = delete;
  virtual ~private_key() = default;

  /// Signs data, after hashing it as the algorithm wants.
  virtual void sign(std::string_view data, std::string& signature) const = 0;
};

class public_key {
 public:
  public_key() = default;
  public_key(const public_key&) = delete;
  public_key& operator=(const public_key&) = delete;
  virtual ~public_key() = default;

  /// Whether a signature, which may have any length, is good.
  virtual bool verify(std::string_view data, std::string_view signature) const = 0;
};

using private_key_ptr = std::unique_ptr<const private_key>;
using public_key_ptr = std::unique_ptr<const public_key>;

/// A signature with zeros in front of it if it is shorter than that, as old
/// BrowserID writers drop them. A longer one stays too long.
std::string filled(std::string_view signature, std::size_t size);

/// Reads keys from octets of any length. They throw failure.
private_key_ptr ed25519_private(std::string_view seed);
public_key_ptr ed25519_public(std::string_view point);
public_key_ptr ed25519_public_of(std::string_view seed);
private_key_ptr p256_private(std::string_view d);
public_key_ptr p256_public(std::string_view point);
public_key_ptr p256_public_of(std::string_view d);

}  // namespace powerhose::crypto
