// SPDX-License-Identifier: Apache-2.0

// What is accepted, in octets unless it says otherwise: the tables of
// protocol/crypto/README.md.

#pragma once

#include <cstddef>
#include <cstdint>

namespace powerhose::crypto::limits {

constexpr std::size_t request = 17U << 20;
constexpr std::size_t data = 16U << 20;  // what is signed, hashed or encrypted
constexpr std::size_t text = 64U << 10;  // salt, info and additional data
constexpr std::size_t signature = 1024;
constexpr std::size_t password = 4096;
constexpr std::size_t secret = 4096;      // a key of HKDF or HMAC
constexpr std::size_t named_secret = 16;  // the least for a named one: shorter ones are no secrets
constexpr std::size_t number = 1024;      // each number of an RSA or DSA key
constexpr std::size_t random = 64U << 10;
constexpr std::size_t hkdf_blocks = 255;  // output, in hashes
constexpr std::size_t scrypt_output = 1024;

constexpr std::uint64_t scrypt_n = 1U << 20;
constexpr std::uint64_t scrypt_r = 64;
constexpr std::uint64_t scrypt_p = 64;
constexpr std::uint64_t scrypt_memory = 128U << 20;  // 128 n r
constexpr std::uint64_t scrypt_work = 4U << 20;      // n r p

constexpr unsigned rsa_to_verify = 1024;  // least bits of n
constexpr unsigned rsa_to_sign = 2048;
constexpr unsigned rsa = 4096;  // most bits of n

constexpr std::size_t key_file = 64U << 10;
constexpr std::size_t key_files = 1024;

constexpr std::size_t error_text = 200;

}  // namespace powerhose::crypto::limits
