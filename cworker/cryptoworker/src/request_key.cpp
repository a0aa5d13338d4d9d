// SPDX-License-Identifier: Apache-2.0

#include "request_key.hpp"

#include "dsa.hpp"
#include "failure.hpp"
#include "limits.hpp"
#include "octets.hpp"
#include "rsa.hpp"

namespace powerhose::crypto {

namespace {

using CryptoPP::Integer;

const std::string& raw_of(const v1::Key& key) {
  if (key.source_case() != v1::Key::kRaw) throw bad_key("this algorithm takes one of raw octets");
  return key.raw();
}

const v1::RsaKey& rsa_of(const v1::Key& key) {
  if (key.source_case() != v1::Key::kRsa) throw bad_key("this algorithm takes an RSA key");
  return key.rsa();
}

const v1::DsaKey& dsa_of(const v1::Key& key) {
  if (key.source_case() != v1::Key::kDsa) throw bad_key("this algorithm takes a DSA key");
  return key.dsa();
}

// No number of a key is ever zero.
Integer number(const char* name, const std::string& octets_of_number) {
  if (octets_of_number.size() > limits::number)
    throw bad_key(std::string(name) + " has more than " + std::to_string(limits::number) + " octets");
  Integer n = integer_of(octets_of_number);
  if (n.IsZero()) throw bad_key(std::string(name) + " is missing or zero");
  return n;
}

template <rsa_padding Padding>
private_key_ptr rsa_to_sign(const v1::Key& key) {
  const v1::RsaKey& k = rsa_of(key);
  return rsa_private(Padding, {number("n", k.n()), number("e", k.e()), number("d", k.d()), number("p", k.p()),
                               number("q", k.q())});
}

template <rsa_padding Padding>
public_key_ptr rsa_to_verify(const v1::Key& key) {
  const v1::RsaKey& k = rsa_of(key);
  if (!k.d().empty() || !k.p().empty() || !k.q().empty())
    throw bad_key("it is private, and not needed to verify");
  return rsa_public(Padding, {number("n", k.n()), number("e", k.e()), {}, {}, {}});
}

const v1::DsaKey& dsa_in(const dsa_group& group, const v1::Key& key) {
  const v1::DsaKey& k = dsa_of(key);
  const auto check = [&](const char* name, const std::string& got, const Integer& wanted) {
    if (number(name, got) != wanted)
      throw bad_key(std::string(name) + " is not that of the group of " + group.name);
  };
  check("p", k.p(), group.p);
  check("q", k.q(), group.q);
  check("g", k.g(), group.g);
  return k;
}

template <const dsa_group& Group()>
private_key_ptr dsa_to_sign(const v1::Key& key) {
  return dsa_private(Group(), number("x", dsa_in(Group(), key).x()));
}

template <const dsa_group& Group()>
public_key_ptr dsa_to_verify(const v1::Key& key) {
  const v1::DsaKey& k = dsa_in(Group(), key);
  if (!k.x().empty()) throw bad_key("it is private, and not needed to verify");
  return dsa_public(Group(), number("y", k.y()));
}

const signature_algorithm algorithms[] = {
    {v1::ED25519, [](const v1::Key& key) { return ed25519_private(raw_of(key)); },
     [](const v1::Key& key) { return ed25519_public(raw_of(key)); }},
    {v1::ECDSA_P256_SHA256, [](const v1::Key& key) { return p256_private(raw_of(key)); },
     [](const v1::Key& key) { return p256_public(raw_of(key)); }},
    {v1::RSA_PKCS1_SHA256, rsa_to_sign<rsa_padding::pkcs1>, rsa_to_verify<rsa_padding::pkcs1>},
    {v1::RSA_PSS_SHA256, rsa_to_sign<rsa_padding::pss>, rsa_to_verify<rsa_padding::pss>},
    {v1::DS128, dsa_to_sign<ds128>, dsa_to_verify<ds128>},
    {v1::DS256, dsa_to_sign<ds256>, dsa_to_verify<ds256>},
};

}  // namespace

const signature_algorithm& algorithm_of(v1::SignatureAlgorithm id) {
  for (const signature_algorithm& a : algorithms) {
    if (a.id == id) return a;
  }
  throw failure(v1::UNKNOWN_ALGORITHM,
                "signature algorithm " + std::to_string(static_cast<int>(id)) + " is not known");
}

}  // namespace powerhose::crypto
