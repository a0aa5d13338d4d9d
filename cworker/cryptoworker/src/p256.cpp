// SPDX-License-Identifier: Apache-2.0

#include <cryptopp/eccrypto.h>
#include <cryptopp/ecp.h>
#include <cryptopp/oids.h>
#include <cryptopp/sha.h>

#include "failure.hpp"
#include "octets.hpp"
#include "random.hpp"
#include "signature.hpp"

namespace powerhose::crypto {

namespace {

using CryptoPP::ECP;
using CryptoPP::ECPPoint;
using CryptoPP::Integer;
using ecdsa = CryptoPP::ECDSA<ECP, CryptoPP::SHA256>;
using group = CryptoPP::DL_GroupParameters_EC<ECP>;

constexpr std::size_t number_size = 32;
constexpr std::size_t point_size = 1 + 2 * number_size;
constexpr std::size_t signature_size = 2 * number_size;
constexpr char uncompressed = 0x04;

// Copies are made of the groups, as what computes with one may not be shared
// between threads.
const group& p256() {
  static const group one(CryptoPP::ASN1::secp256r1());
  return one;
}

// With powers of the base computed beforehand, which halves what it takes to
// verify, and gains nothing in signing.
const group& p256_to_verify() {
  static const group one = [] {
    group g(p256());
    constexpr unsigned bits = 256;
    constexpr unsigned powers = 16;
    g.AccessBasePrecomputation().Precompute(g.GetGroupPrecomputation(), bits, powers);
    return g;
  }();
  return one;
}

bool is_from_1_to_order(const Integer& n) { return n.IsPositive() && n < p256().GetSubgroupOrder(); }

Integer read_private(std::string_view d) {
  if (d.size() != number_size)
    throw bad_key(std::to_string(d.size()) + " octets, not " + std::to_string(number_size));
  Integer number = integer_of(d);
  if (!is_from_1_to_order(number)) throw bad_key("not a number from 1 to the order of P-256 less 1");
  return number;
}

class p256_private_key : public private_key {
 public:
  explicit p256_private_key(std::string_view d) : d_(read_private(d)) {}

  void sign(std::string_view data, std::string& signature) const override {
    generator random;
    ecdsa::Signer signer;
    signer.AccessKey().Initialize(p256(), d_);
    signature.resize(signature_size);
    signer.SignMessage(random, octets(data), data.size(), octets(signature));
  }

 private:
  Integer d_;
};

class p256_public_key : public public_key {
 public:
  explicit p256_public_key(const ECPPoint& point) : point_(point) {}

  bool verify(std::string_view data, std::string_view signature) const override {
    // Crypto++ reads its 64 octets of however many there are.
    if (signature.size() != signature_size) return false;
    if (!is_from_1_to_order(integer_of(signature.substr(0, number_size)))) return false;
    if (!is_from_1_to_order(integer_of(signature.substr(number_size)))) return false;
    ecdsa::Verifier verifier;
    verifier.AccessKey().Initialize(p256_to_verify(), point_);
    return verifier.VerifyMessage(octets(data), data.size(), octets(signature), signature.size());
  }

 private:
  ECPPoint point_;
};

}  // namespace

private_key_ptr p256_private(std::string_view d) { return std::make_unique<const p256_private_key>(d); }

public_key_ptr p256_public(std::string_view point) {
  if (point.size() != point_size)
    throw bad_key(std::to_string(point.size()) + " octets, not " + std::to_string(point_size));
  const ECPPoint p(integer_of(point.substr(1, number_size)), integer_of(point.substr(1 + number_size)));
  const ECP curve(p256().GetCurve());
  const Integer field = curve.FieldSize();
  if (point[0] != uncompressed || p.x >= field || p.y >= field || !curve.VerifyPoint(p))
    throw bad_key("not an uncompressed point of P-256");
  return std::make_unique<const p256_public_key>(p);
}

public_key_ptr p256_public_of(std::string_view d) {
  const group g(p256());
  return std::make_unique<const p256_public_key>(g.ExponentiateBase(read_private(d)));
}

}  // namespace powerhose::crypto
