// SPDX-License-Identifier: Apache-2.0

#include "operations.hpp"

#include "failure.hpp"
#include "limits.hpp"
#include "octets.hpp"
#include "random.hpp"
#include "request_key.hpp"
#include "symmetric.hpp"

namespace powerhose::crypto {

namespace {

failure wrong_kind(const char* is_for, const std::string& wanted) {
  return bad_key(std::string("the one of that name is for ") + is_for + ", not for " + wanted);
}

// The key that a request names, or null if it names none.
const named_key* named(const key_store& keys, const v1::Key& key) {
  if (key.source_case() == v1::Key::SOURCE_NOT_SET) throw failure(v1::BAD_REQUEST, "the request has no key");
  if (key.source_case() != v1::Key::kName) return nullptr;
  const named_key* found = keys.find(key.name());
  if (found == nullptr) throw failure(v1::UNKNOWN_KEY, "there is no key of that name here");
  return found;
}

// A symmetric key.
std::string_view secret_for(const key_store& keys, const v1::Key& key, key_type type) {
  if (const named_key* found = named(keys, key)) {
    if (found->type != type) throw wrong_kind(name_of(found->type), name_of(type));
    return view(found->octets);
  }
  if (key.source_case() != v1::Key::kRaw)
    throw bad_key(std::string(name_of(type)) + " takes one of raw octets");
  const std::size_t least = type == key_type::aes256 ? aes256gcm::key_size : 1;
  const std::size_t most = type == key_type::aes256 ? aes256gcm::key_size : limits::secret;
  if (key.raw().size() < least || key.raw().size() > most)
    throw bad_key(std::to_string(key.raw().size()) + " octets, allowed are " + std::to_string(least) +
                  " to " + std::to_string(most));
  return key.raw();
}

// The named key for a signature, or null if the request names none.
const named_key* named_for(const key_store& keys, const v1::Key& key, v1::SignatureAlgorithm algorithm) {
  const named_key* found = named(keys, key);
  if (found != nullptr && found->algorithm != algorithm)
    throw wrong_kind(name_of(found->type), v1::SignatureAlgorithm_Name(algorithm));
  return found;
}

void do_hkdf(const key_store& keys, const v1::Hkdf& op, std::string& out) {
  const std::size_t size = size_of(op.hash());
  check_length("salt", op.salt().size(), 0, limits::text);
  check_length("info", op.info().size(), 0, limits::text);
  check_length("output", op.length(), 1, limits::hkdf_blocks * size);
  hkdf(op.hash(), secret_for(keys, op.key(), key_type::hkdf), op.salt(), op.info(), op.length(), out);
}

void do_hmac(const key_store& keys, const v1::Hmac& op, std::string& out) {
  size_of(op.hash());
  check_length("data", op.data().size(), 0, limits::data);
  hmac(op.hash(), secret_for(keys, op.key(), key_type::hmac), op.data(), out);
}

void do_digest(const v1::Digest& op, std::string& out) {
  size_of(op.hash());
  check_length("data", op.data().size(), 0, limits::data);
  digest(op.hash(), op.data(), out);
}

void do_sign(const key_store& keys, const v1::Sign& op, std::string& out) {
  const signature_algorithm& algorithm = algorithm_of(op.algorithm());
  check_length("data", op.data().size(), 0, limits::data);
  if (const named_key* found = named_for(keys, op.key(), op.algorithm())) {
    if (found->to_sign == nullptr) throw bad_key("the one of that name is public: it only verifies");
    return found->to_sign->sign(op.data(), out);
  }
  algorithm.to_sign(op.key())->sign(op.data(), out);
}

bool do_verify(const key_store& keys, const v1::Verify& op) {
  const signature_algorithm& algorithm = algorithm_of(op.algorithm());
  check_length("data", op.data().size(), 0, limits::data);
  check_length("signature", op.signature().size(), 0, limits::signature);
  if (const named_key* found = named_for(keys, op.key(), op.algorithm()))
    return found->to_verify->verify(op.data(), op.signature());
  return algorithm.to_verify(op.key())->verify(op.data(), op.signature());
}

void do_encrypt(const key_store& keys, const v1::Encrypt& op, v1::Encrypted& out) {
  check_length("plaintext", op.plaintext().size(), 0, limits::data);
  check_length("aad", op.aad().size(), 0, limits::text);
  if (!op.nonce().empty())
    check_length("nonce", op.nonce().size(), aes256gcm::nonce_size, aes256gcm::nonce_size);
  // One that comes twice with the same key tells how to forge.
  if (!op.nonce().empty() && op.key().source_case() == v1::Key::kName)
    throw failure(v1::BAD_REQUEST, "a named key takes no nonce from a request");
  const std::string_view key = secret_for(keys, op.key(), key_type::aes256);
  std::string& nonce = *out.mutable_nonce();
  nonce = op.nonce();
  if (nonce.empty()) {
    nonce.resize(aes256gcm::nonce_size);
    system_random(octets(nonce), nonce.size());
  }
  aes256gcm::encrypt(key, nonce, op.aad(), op.plaintext(), *out.mutable_ciphertext());
}

void do_decrypt(const key_store& keys, const v1::Decrypt& op, std::string& out) {
  check_length("nonce", op.nonce().size(), aes256gcm::nonce_size, aes256gcm::nonce_size);
  check_length("ciphertext", op.ciphertext().size(), aes256gcm::tag_size, limits::data + aes256gcm::tag_size);
  check_length("aad", op.aad().size(), 0, limits::text);
  const std::string_view key = secret_for(keys, op.key(), key_type::aes256);
  if (!aes256gcm::decrypt(key, op.nonce(), op.aad(), op.ciphertext(), out))
    throw failure(v1::DECRYPTION_FAILED, "the ciphertext is not authentic");
}

void do_random(const v1::Random& op, std::string& out) {
  check_length("output", op.length(), 1, limits::random);
  out.resize(op.length());
  system_random(octets(out), out.size());
}

void check_scrypt(std::uint64_t n, std::uint64_t r, std::uint64_t p) {
  const auto refuse = [](const std::string& text) { throw failure(v1::BAD_REQUEST, "scrypt: " + text); };
  if (n < 2 || n > limits::scrypt_n || (n & (n - 1)) != 0)
    refuse("n is " + std::to_string(n) + ": allowed are powers of two from 2 to " +
           std::to_string(limits::scrypt_n));
  if (r < 1 || r > limits::scrypt_r || p < 1 || p > limits::scrypt_p)
    refuse("r is " + std::to_string(r) + " and p is " + std::to_string(p) + ": allowed are 1 to " +
           std::to_string(limits::scrypt_r) + " and 1 to " + std::to_string(limits::scrypt_p));
  if (128 * n * r > limits::scrypt_memory)
    refuse("128 n r is " + std::to_string(128 * n * r) + ": allowed are up to " +
           std::to_string(limits::scrypt_memory));
  if (n * r * p > limits::scrypt_work)
    refuse("n r p is " + std::to_string(n * r * p) + ": allowed are up to " +
           std::to_string(limits::scrypt_work));
}

void do_scrypt(const v1::Scrypt& op, std::string& out) {
  check_length("password", op.password().size(), 0, limits::password);
  check_length("salt", op.salt().size(), 0, limits::text);
  check_length("output", op.length(), 1, limits::scrypt_output);
  check_scrypt(op.n(), op.r(), op.p());
  scrypt(op.password(), op.salt(), op.n(), op.r(), op.p(), op.length(), out);
}

}  // namespace

void answer(const key_store& keys, const v1::Request& request, v1::Response& response) {
  switch (request.operation_case()) {
    case v1::Request::kHkdf: return do_hkdf(keys, request.hkdf(), *response.mutable_output());
    case v1::Request::kHmac: return do_hmac(keys, request.hmac(), *response.mutable_output());
    case v1::Request::kDigest: return do_digest(request.digest(), *response.mutable_output());
    case v1::Request::kSign: return do_sign(keys, request.sign(), *response.mutable_output());
    case v1::Request::kVerify: return response.set_valid(do_verify(keys, request.verify()));
    case v1::Request::kEncrypt: return do_encrypt(keys, request.encrypt(), *response.mutable_encrypted());
    case v1::Request::kDecrypt: return do_decrypt(keys, request.decrypt(), *response.mutable_output());
    case v1::Request::kRandom: return do_random(request.random(), *response.mutable_output());
    case v1::Request::kScrypt: return do_scrypt(request.scrypt(), *response.mutable_output());
    case v1::Request::OPERATION_NOT_SET: break;
  }
  throw failure(v1::BAD_REQUEST, "the request has no operation that is known");
}

}  // namespace powerhose::crypto
