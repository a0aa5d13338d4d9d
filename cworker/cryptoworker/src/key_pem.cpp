// SPDX-License-Identifier: Apache-2.0

#include <algorithm>

#include "der.hpp"
#include "failure.hpp"
#include "key_file.hpp"
#include "limits.hpp"
#include "rsa.hpp"

namespace powerhose::crypto {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view rsa_encryption = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"sv;
constexpr std::string_view ec_public_key = "\x2a\x86\x48\xce\x3d\x02\x01"sv;
constexpr std::string_view prime256v1 = "\x2a\x86\x48\xce\x3d\x03\x01\x07"sv;
constexpr std::string_view ed25519 = "\x2b\x65\x70"sv;

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

[[noreturn]] void fail_pem() { throw bad_key("not PEM with one block and nothing else"); }

// Base64 with padding, and blanks and line ends anywhere.
secret decode_base64(std::string_view text) {
  secret out = zeros(text.size() / 4 * 3 + 3);
  std::size_t size = 0;
  std::size_t digits = 0;
  std::size_t padding = 0;
  unsigned bits = 0;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    const int value = c == '=' ? 0 : base64_digit(c);
    if (c == '=') ++padding;
    if (value < 0 || (padding > 0 && c != '=')) fail_pem();
    bits = bits << 6 | static_cast<unsigned>(value);
    if (++digits % 4 != 0) continue;
    for (const unsigned shift : {16U, 8U, 0U}) out[size++] = static_cast<CryptoPP::byte>(bits >> shift);
    bits = 0;
  }
  if (digits == 0 || digits % 4 != 0 || padding > 2) fail_pem();
  out.resize(size - padding);
  return out;
}

struct block {
  bool is_private;
  secret der;
};

block read_pem(std::string_view content) {
  constexpr std::string_view begin = "-----BEGIN ";
  constexpr std::string_view dashes = "-----";
  std::string_view text = trimmed(content);
  if (text.substr(0, begin.size()) != begin) throw bad_key("not PEM: it does not begin with -----BEGIN");
  text.remove_prefix(begin.size());
  const std::size_t type_size = text.find(dashes);
  if (type_size == text.npos) fail_pem();
  const std::string_view type = text.substr(0, type_size);
  if (type != "PRIVATE KEY" && type != "PUBLIC KEY")
    throw bad_key("the block is neither PRIVATE KEY (PKCS#8, not encrypted) nor PUBLIC KEY");
  text.remove_prefix(type_size + dashes.size());
  const std::string end = "\n-----END " + std::string(type) + "-----";
  const std::size_t body_size = text.find(end);
  if (body_size == text.npos || body_size + end.size() != text.size()) fail_pem();
  return {type == "PRIVATE KEY", decode_base64(text.substr(0, body_size))};
}

void check_type(bool fits, key_type type) {
  if (!fits) throw bad_key(std::string("the key in it is not of the type ") + name_of(type));
}

void read_curve(der_reader& from) {
  if (from.object_identifier() != prime256v1) throw bad_key("the curve is not P-256");
}

rsa_padding padding_of(key_type type) {
  return type == key_type::rsa_pss ? rsa_padding::pss : rsa_padding::pkcs1;
}

v1::SignatureAlgorithm algorithm_of(key_type type) {
  switch (type) {
    case key_type::ed25519: return v1::ED25519;
    case key_type::p256: return v1::ECDSA_P256_SHA256;
    case key_type::rsa_pkcs1: return v1::RSA_PKCS1_SHA256;
    case key_type::rsa_pss: return v1::RSA_PSS_SHA256;
    default: return v1::SIGNATURE_ALGORITHM_UNSPECIFIED;
  }
}

bool is_rsa(key_type type) { return type == key_type::rsa_pkcs1 || type == key_type::rsa_pss; }

void read_rsa_private(named_key& key, std::string_view der) {
  der_reader outer(der);
  der_reader in = outer.sequence();
  outer.expect_end();
  if (in.integer() != "\0"sv) throw bad_key("n is not a product of two numbers");
  rsa_numbers k;
  CryptoPP::Integer dp, dq, u;
  for (CryptoPP::Integer* n : {&k.n, &k.e, &k.d, &k.p, &k.q, &dp, &dq, &u}) *n = integer_of(in.integer());
  in.expect_end();
  key.to_sign = rsa_private(padding_of(key.type), k);
  key.to_verify = rsa_public(padding_of(key.type), k);
  // They are not used, but if they are wrong so may be the others.
  const CryptoPP::Integer one = CryptoPP::Integer::One();
  if (dp != k.d % (k.p - one) || dq != k.d % (k.q - one) || u >= k.p || u * k.q % k.p != one)
    throw bad_key("the numbers do not belong together");
  std::string signature;
  key.to_sign->sign({}, signature);  // fails unless p and q are primes
}

void read_p256_private(named_key& key, std::string_view der) {
  der_reader outer(der);
  der_reader in = outer.sequence();
  outer.expect_end();
  if (in.integer() != "\1"sv) throw bad_key("the block cannot be read");
  // Some writers drop zeros in front, or put more there.
  std::string_view d = in.octet_string();
  in.skip_optional(0xa0);  // the curve again
  in.skip_optional(0xa1);  // the public key, which d has in it
  in.expect_end();
  d.remove_prefix(std::min(d.find_first_not_of('\0'), d.size()));
  constexpr std::size_t size = 32;
  secret whole = zeros(size);
  if (d.size() > size) throw bad_key("the private number is too large");
  std::copy_n(octets(d), d.size(), whole.end() - d.size());
  key.to_sign = p256_private(view(whole));
  key.to_verify = p256_public_of(view(whole));
}

void read_private(named_key& key, std::string_view der) {
  der_reader outer(der);
  der_reader info = outer.sequence();
  outer.expect_end();
  const std::string_view version = info.integer();
  if (version != "\0"sv && version != "\1"sv) throw bad_key("the block cannot be read");
  der_reader algorithm = info.sequence();
  const std::string_view id = algorithm.object_identifier();
  const std::string_view content = info.octet_string();
  info.skip_optional(0xa0);  // attributes
  info.skip_optional(0x81);  // public key
  info.expect_end();
  if (is_rsa(key.type)) {
    check_type(id == rsa_encryption, key.type);
    algorithm.null();
    algorithm.expect_end();
    read_rsa_private(key, content);
  } else if (key.type == key_type::p256) {
    check_type(id == ec_public_key, key.type);
    read_curve(algorithm);
    algorithm.expect_end();
    read_p256_private(key, content);
  } else {
    check_type(id == ed25519, key.type);
    algorithm.expect_end();
    der_reader inner(content);
    const std::string_view seed = inner.octet_string();
    inner.expect_end();
    key.to_sign = ed25519_private(seed);
    key.to_verify = ed25519_public_of(seed);
  }
}

void read_public(named_key& key, std::string_view der) {
  der_reader outer(der);
  der_reader info = outer.sequence();
  outer.expect_end();
  der_reader algorithm = info.sequence();
  const std::string_view id = algorithm.object_identifier();
  const std::string_view content = info.bit_string();
  info.expect_end();
  if (is_rsa(key.type)) {
    check_type(id == rsa_encryption, key.type);
    algorithm.null();
    der_reader in(content);
    der_reader numbers = in.sequence();
    in.expect_end();
    rsa_numbers k;
    k.n = integer_of(numbers.integer());
    k.e = integer_of(numbers.integer());
    numbers.expect_end();
    key.to_verify = rsa_public(padding_of(key.type), k);
  } else if (key.type == key_type::p256) {
    check_type(id == ec_public_key, key.type);
    read_curve(algorithm);
    key.to_verify = p256_public(content);
  } else {
    check_type(id == ed25519, key.type);
    key.to_verify = ed25519_public(content);
  }
  algorithm.expect_end();
}

}  // namespace

named_key parse_pem(key_type type, std::string_view content) {
  const block b = read_pem(content);
  named_key key(type, algorithm_of(type));
  if (b.is_private) {
    read_private(key, view(b.der));
  } else {
    read_public(key, view(b.der));
  }
  return key;
}

}  // namespace powerhose::crypto
