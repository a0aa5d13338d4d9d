// SPDX-License-Identifier: Apache-2.0

#include "key_file.hpp"

#include <algorithm>

#include "crypto_service.hpp"
#include "failure.hpp"
#include "limits.hpp"
#include "symmetric.hpp"

namespace powerhose::crypto {

namespace {

constexpr struct {
  key_type type;
  const char* name;
} types[] = {
    {key_type::hkdf, "hkdf"},       {key_type::hmac, "hmac"}, {key_type::aes256, "aes256"},
    {key_type::ed25519, "ed25519"}, {key_type::p256, "p256"}, {key_type::rsa_pkcs1, "rsa-pkcs1"},
    {key_type::rsa_pss, "rsa-pss"}, {key_type::dsa, "dsa"},
};

named_key parse_secret(key_type type, std::string_view content, std::size_t least, std::size_t most) {
  const std::string_view digits = trimmed(content);
  named_key key(type);
  key.octets = zeros(digits.size() / 2);
  if (digits.size() % 2 != 0 ||
      !std::all_of(digits.begin(), digits.end(), [](char c) { return hex_digit(c) >= 0; }))
    throw bad_key("not an even number of hexadecimal digits");
  for (std::size_t i = 0; i < key.octets.size(); ++i)
    key.octets[i] = static_cast<CryptoPP::byte>(hex_digit(digits[2 * i]) << 4 | hex_digit(digits[2 * i + 1]));
  check_length("key", key.octets.size(), least, most);
  return key;
}

}  // namespace

const char* name_of(key_type type) {
  for (const auto& t : types) {
    if (t.type == type) return t.name;
  }
  return "";
}

key_type type_of(const std::string& name) {
  for (const auto& t : types) {
    if (t.name == name) return t.type;
  }
  throw key_error("\"" + name + "\" is no type of key");
}

named_key parse_key(key_type type, std::string_view content) {
  switch (type) {
    case key_type::hkdf:
    case key_type::hmac: return parse_secret(type, content, limits::named_secret, limits::secret);
    case key_type::aes256: return parse_secret(type, content, aes256gcm::key_size, aes256gcm::key_size);
    case key_type::dsa: return parse_dsa(content);
    case key_type::ed25519:
    case key_type::p256:
    case key_type::rsa_pkcs1:
    case key_type::rsa_pss: break;
  }
  return parse_pem(type, content);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

CryptoPP::Integer integer_of_hex(std::string_view digits) {
  secret number = zeros((digits.size() + 1) / 2);
  if (digits.empty() || number.size() > limits::number)
    throw bad_key("a number does not have 1 to " + std::to_string(2 * limits::number) + " digits");
  std::size_t at = digits.size() % 2;  // the first octet may have one digit only
  for (const char c : digits) {
    const int value = hex_digit(c);
    if (value < 0) throw bad_key("a number is not hexadecimal");
    number[at / 2] = static_cast<CryptoPP::byte>(at % 2 == 0 ? value << 4 : number[at / 2] | value);
    ++at;
  }
  return {number, number.size()};
}

}  // namespace powerhose::crypto
