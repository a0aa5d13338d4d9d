// SPDX-License-Identifier: Apache-2.0

#include <cryptopp/donna.h>

#include <algorithm>
#include <array>

#include "failure.hpp"
#include "octets.hpp"
#include "signature.hpp"

namespace powerhose::crypto {

namespace {

constexpr std::size_t seed_size = 32;
constexpr std::size_t point_size = 32;
constexpr std::size_t signature_size = 64;

using point = std::array<CryptoPP::byte, point_size>;

// 2^252 + 27742317777372353535851937790883648493, little endian.
constexpr std::array<CryptoPP::byte, 32> order = {
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};

// Crypto++ only looks at the highest three bits of S, so that each signature
// would have several forms.
bool is_below_order(const CryptoPP::byte* s) {
  return std::lexicographical_compare(std::make_reverse_iterator(s + order.size()),
                                      std::make_reverse_iterator(s), order.rbegin(), order.rend());
}

point point_of(const secret& seed) {
  point out{};
  CryptoPP::Donna::ed25519_publickey(out.data(), seed);
  return out;
}

void check_size(std::string_view key, std::size_t wanted) {
  if (key.size() != wanted)
    throw bad_key(std::to_string(key.size()) + " octets, not " + std::to_string(wanted));
}

// The functions are called and not the classes around them, which copy the data.
class ed25519_private_key : public private_key {
 public:
  explicit ed25519_private_key(std::string_view seed) : seed_(secret_of(seed)), point_(point_of(seed_)) {}

  void sign(std::string_view data, std::string& signature) const override {
    signature.resize(signature_size);
    CryptoPP::Donna::ed25519_sign(octets(data), data.size(), seed_, point_.data(), octets(signature));
  }

 private:
  secret seed_;
  point point_;
};

class ed25519_public_key : public public_key {
 public:
  explicit ed25519_public_key(const point& p) : point_(p) {}

  bool verify(std::string_view data, std::string_view signature) const override {
    return signature.size() == signature_size && is_below_order(octets(signature) + signature_size / 2) &&
           CryptoPP::Donna::ed25519_sign_open(octets(data), data.size(), point_.data(), octets(signature)) ==
               0;
  }

 private:
  point point_;
};

}  // namespace

private_key_ptr ed25519_private(std::string_view seed) {
  check_size(seed, seed_size);
  return std::make_unique<const ed25519_private_key>(seed);
}

public_key_ptr ed25519_public(std::string_view octets_of_point) {
  check_size(octets_of_point, point_size);
  point p{};
  std::copy_n(octets(octets_of_point), p.size(), p.begin());
  return std::make_unique<const ed25519_public_key>(p);
}

public_key_ptr ed25519_public_of(std::string_view seed) {
  check_size(seed, seed_size);
  return std::make_unique<const ed25519_public_key>(point_of(secret_of(seed)));
}

}  // namespace powerhose::crypto
