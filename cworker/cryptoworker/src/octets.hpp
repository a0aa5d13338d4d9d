// SPDX-License-Identifier: Apache-2.0

// Between the standard library's text and Crypto++'s octets. CryptoPP::byte is
// always written out, because std::byte is another type.

#pragma once

#include <cryptopp/integer.h>
#include <cryptopp/secblock.h>

#include <string>
#include <string_view>

namespace powerhose::crypto {

using secret = CryptoPP::SecByteBlock;  // overwritten when it is freed

inline const CryptoPP::byte* octets(std::string_view s) {
  return reinterpret_cast<const CryptoPP::byte*>(s.data());
}
inline CryptoPP::byte* octets(std::string& s) { return reinterpret_cast<CryptoPP::byte*>(s.data()); }

inline std::string_view view(const secret& s) { return {reinterpret_cast<const char*>(s.data()), s.size()}; }
inline secret secret_of(std::string_view s) { return {octets(s), s.size()}; }
inline secret zeros(std::size_t size) { return {nullptr, size}; }  // secret(size) is not initialised

/// An unsigned number, big endian; empty is zero.
inline CryptoPP::Integer integer_of(std::string_view s) { return {octets(s), s.size()}; }

}  // namespace powerhose::crypto
