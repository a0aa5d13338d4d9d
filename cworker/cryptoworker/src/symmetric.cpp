// SPDX-License-Identifier: Apache-2.0

#include "symmetric.hpp"

#include <cryptopp/aes.h>
#include <cryptopp/gcm.h>
#include <cryptopp/hkdf.h>
#include <cryptopp/hmac.h>
#include <cryptopp/scrypt.h>
#include <cryptopp/sha.h>

#include <mutex>

#include "failure.hpp"
#include "octets.hpp"
#include "wipe.hpp"

namespace powerhose::crypto {

namespace {

template <class T>
struct type {
  using hash = T;
};

// Calls f with the type of a hash.
template <class F>
auto with(v1::Hash hash, F f) {
  switch (static_cast<int>(hash)) {  // of a request, so it may be any number
    case v1::SHA1: return f(type<CryptoPP::SHA1>());
    case v1::SHA256: return f(type<CryptoPP::SHA256>());
    case v1::SHA512: return f(type<CryptoPP::SHA512>());
    default:
      throw failure(v1::UNKNOWN_ALGORITHM,
                    "hash " + std::to_string(static_cast<int>(hash)) + " is not known");
  }
}

}  // namespace

std::size_t size_of(v1::Hash hash) {
  return with(hash, [](auto t) -> std::size_t { return decltype(t)::hash::DIGESTSIZE; });
}

void digest(v1::Hash hash, std::string_view data, std::string& out) {
  out.resize(size_of(hash));
  with(hash,
       [&](auto t) { typename decltype(t)::hash().CalculateDigest(octets(out), octets(data), data.size()); });
}

void hmac(v1::Hash hash, std::string_view key, std::string_view data, std::string& out) {
  out.resize(size_of(hash));
  with(hash, [&](auto t) {
    CryptoPP::HMAC<typename decltype(t)::hash> mac(octets(key), key.size());
    mac.CalculateDigest(octets(out), octets(data), data.size());
  });
}

void hkdf(v1::Hash hash, std::string_view ikm, std::string_view salt, std::string_view info,
          std::size_t length, std::string& out) {
  out.resize(length);
  with(hash, [&](auto t) {
    CryptoPP::HKDF<typename decltype(t)::hash>().DeriveKey(octets(out), out.size(), octets(ikm), ikm.size(),
                                                           octets(salt), salt.size(), octets(info),
                                                           info.size());
  });
}

void scrypt(std::string_view password, std::string_view salt, std::uint64_t n, std::uint64_t r,
            std::uint64_t p, std::size_t length, std::string& out) {
  out.resize(length);
  CryptoPP::Scrypt().DeriveKey(octets(out), out.size(), octets(password), password.size(), octets(salt),
                               salt.size(), n, r, p);
}

namespace aes256gcm {

namespace {

// For processors without carry-less multiplication, Crypto++ fills a table that
// all threads share when it is first given a key, without a lock.
void fill_shared_table() {
  static std::once_flag filled;
  std::call_once(filled, [] {
    const secret key = zeros(key_size);
    CryptoPP::GCM<CryptoPP::AES>::Encryption().SetKeyWithIV(key, key_size, key, nonce_size);
  });
}

}  // namespace

void encrypt(std::string_view key, std::string_view nonce, std::string_view aad, std::string_view plaintext,
             std::string& ciphertext) {
  fill_shared_table();
  ciphertext.resize(plaintext.size() + tag_size);
  CryptoPP::GCM<CryptoPP::AES>::Encryption gcm;
  gcm.SetKeyWithIV(octets(key), key.size(), octets(nonce), nonce.size());
  gcm.EncryptAndAuthenticate(octets(ciphertext), octets(ciphertext) + plaintext.size(), tag_size,
                             octets(nonce), static_cast<int>(nonce.size()), octets(aad), aad.size(),
                             octets(plaintext), plaintext.size());
}

bool decrypt(std::string_view key, std::string_view nonce, std::string_view aad, std::string_view ciphertext,
             std::string& plaintext) {
  fill_shared_table();
  const std::size_t size = ciphertext.size() - tag_size;
  plaintext.resize(size);
  CryptoPP::GCM<CryptoPP::AES>::Decryption gcm;
  gcm.SetKeyWithIV(octets(key), key.size(), octets(nonce), nonce.size());
  const bool authentic =
      gcm.DecryptAndVerify(octets(plaintext), octets(ciphertext) + size, tag_size, octets(nonce),
                           static_cast<int>(nonce.size()), octets(aad), aad.size(), octets(ciphertext), size);
  if (!authentic) {  // it has been decrypted all the same
    wipe(plaintext);
    plaintext.clear();
  }
  return authentic;
}

}  // namespace aes256gcm

}  // namespace powerhose::crypto
