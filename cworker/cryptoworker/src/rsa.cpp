// SPDX-License-Identifier: Apache-2.0

#include "rsa.hpp"

#include <cryptopp/pssr.h>
#include <cryptopp/rsa.h>
#include <cryptopp/sha.h>

#include <cstdint>

#include "failure.hpp"
#include "limits.hpp"
#include "octets.hpp"
#include "random.hpp"

namespace powerhose::crypto {

namespace {

using CryptoPP::Integer;
using pkcs1 = CryptoPP::RSASS<CryptoPP::PKCS1v15, CryptoPP::SHA256>;
// MGF1 with the same hash, and a salt of the size of the hash.
using pss = CryptoPP::RSASS<CryptoPP::PSS, CryptoPP::SHA256>;

void check_public(const rsa_numbers& k, unsigned least_bits) {
  const unsigned bits = k.n.BitCount();
  if (bits < least_bits || bits > limits::rsa)
    throw bad_key("n has " + std::to_string(bits) + " bits, allowed are " + std::to_string(least_bits) +
                  " to " + std::to_string(limits::rsa));
  if (k.n.IsEven()) throw bad_key("n is even");
  if (k.e < Integer(3L) || k.e > Integer(static_cast<long>(INT32_MAX)) || k.e.IsEven())
    throw bad_key("e is not an odd number from 3 to " + std::to_string(INT32_MAX));
}

// Apart from what a key must be, this refuses two kinds that an attacker can find
// from n alone, as Go's library does: p and q close to each other, and a small d.
void check_private(const rsa_numbers& k) {
  const Integer one = Integer::One();
  const unsigned half = k.n.BitCount() / 2;
  if (k.d >= k.n || k.p >= k.n || k.q >= k.n) throw bad_key("d, p or q is not less than n");
  if (k.p <= one || k.q <= one || k.p * k.q != k.n) throw bad_key("n is not p times q");
  const Integer ed = k.e * k.d;
  if (ed % (k.p - one) != one || ed % (k.q - one) != one) throw bad_key("the numbers do not belong together");
  constexpr unsigned least_distance = 100;  // of the halves, in bits: FIPS 186-5, A.1.3
  if ((k.p - k.q).AbsoluteValue().BitCount() <= half - least_distance) throw bad_key("p and q are too close");
  if (k.d.BitCount() <= half) throw bad_key("d is too small");
}

template <class Scheme>
class rsa_private_key : public private_key {
 public:
  explicit rsa_private_key(const rsa_numbers& k) {
    const Integer one = Integer::One();
    const Integer u = k.q.InverseMod(k.p);
    if (u.IsZero()) throw bad_key("the numbers do not belong together");
    key_.Initialize(k.n, k.e, k.d, k.p, k.q, k.d % (k.p - one), k.d % (k.q - one), u);
  }

  void sign(std::string_view data, std::string& signature) const override {
    generator random;
    const typename Scheme::Signer signer(key_);
    signature.resize(signer.SignatureLength());
    try {
      signer.SignMessage(random, octets(data), data.size(), octets(signature));
    } catch (const CryptoPP::OS_RNG_Err&) {
      throw;
    } catch (const CryptoPP::Exception&) {
      // Where the numbers belong together but p or q is no prime, the library
      // finds that the signature is not good.
      throw bad_key("it does not sign");
    }
  }

 private:
  CryptoPP::InvertibleRSAFunction key_;
};

template <class Scheme>
class rsa_public_key : public public_key {
 public:
  rsa_public_key(const rsa_numbers& k, bool fill) : n_(k.n), e_(k.e), fill_(fill) {}

  bool verify(std::string_view data, std::string_view signature) const override {
    const std::size_t size = n_.ByteCount();
    const std::string whole = fill_ ? filled(signature, size) : std::string(signature);
    // Crypto++ takes any length, and a number that is not less than n modulo n.
    if (whole.size() != size || integer_of(whole) >= n_) return false;
    typename Scheme::Verifier verifier;
    verifier.AccessKey().Initialize(n_, e_);
    return verifier.VerifyMessage(octets(data), data.size(), octets(whole), whole.size());
  }

 private:
  Integer n_, e_;
  bool fill_;
};

public_key_ptr make_public(rsa_padding padding, const rsa_numbers& k) {
  if (padding == rsa_padding::pss) return std::make_unique<const rsa_public_key<pss>>(k, false);
  return std::make_unique<const rsa_public_key<pkcs1>>(k, true);
}

}  // namespace

private_key_ptr rsa_private(rsa_padding padding, const rsa_numbers& k) {
  check_public(k, limits::rsa_to_sign);
  check_private(k);
  if (padding == rsa_padding::pss) return std::make_unique<const rsa_private_key<pss>>(k);
  return std::make_unique<const rsa_private_key<pkcs1>>(k);
}

public_key_ptr rsa_public(rsa_padding padding, const rsa_numbers& k) {
  check_public(k, limits::rsa_to_verify);
  return make_public(padding, k);
}

}  // namespace powerhose::crypto
