// SPDX-License-Identifier: Apache-2.0

// What the files of named keys contain. Nothing here quotes a content, or copies
// a part of it but to memory that is overwritten when it is freed.

#pragma once

#include <string>
#include <string_view>

#include "key_store.hpp"
#include "octets.hpp"

namespace powerhose::crypto {

/// Throws key_error if there is no such type.
key_type type_of(const std::string& name);

/// Throws failure.
named_key parse_key(key_type type, std::string_view content);

/// Without blanks, tabs and line ends before and after.
std::string_view trimmed(std::string_view text);

/// The value of a hexadecimal digit in either case, or -1.
int hex_digit(char c);

/// Any number of hexadecimal digits, at least one. Throws failure if there is
/// anything else.
CryptoPP::Integer integer_of_hex(std::string_view digits);

/// BrowserID's JSON form of a DSA key. Throws failure.
named_key parse_dsa(std::string_view content);

/// A key of PKCS#8 or SubjectPublicKeyInfo. Throws failure.
named_key parse_pem(key_type type, std::string_view content);

}  // namespace powerhose::crypto
