// SPDX-License-Identifier: Apache-2.0

// Hashes, key derivation and AES-256-GCM: octets in, octets out. Lengths have
// been checked before. Results are written where they are to stay, so that no
// copy of them is left behind.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "crypto.pb.h"

namespace powerhose::crypto {

/// The size of a hash in octets. Throws failure if it is not known.
std::size_t size_of(v1::Hash hash);

void digest(v1::Hash hash, std::string_view data, std::string& out);
void hmac(v1::Hash hash, std::string_view key, std::string_view data, std::string& out);

/// RFC 5869, extract and expand; an empty salt is that of the RFC.
void hkdf(v1::Hash hash, std::string_view ikm, std::string_view salt, std::string_view info,
          std::size_t length, std::string& out);

void scrypt(std::string_view password, std::string_view salt, std::uint64_t n, std::uint64_t r,
            std::uint64_t p, std::size_t length, std::string& out);

namespace aes256gcm {

constexpr std::size_t key_size = 32;
constexpr std::size_t nonce_size = 12;
constexpr std::size_t tag_size = 16;

/// Writes the ciphertext with the tag at its end.
void encrypt(std::string_view key, std::string_view nonce, std::string_view aad, std::string_view plaintext,
             std::string& ciphertext);

/// False, and no plaintext, if the ciphertext is not authentic.
bool decrypt(std::string_view key, std::string_view nonce, std::string_view aad, std::string_view ciphertext,
             std::string& plaintext);

}  // namespace aes256gcm

}  // namespace powerhose::crypto
