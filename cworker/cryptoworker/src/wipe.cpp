// SPDX-License-Identifier: Apache-2.0

#include "wipe.hpp"

#include <cryptopp/misc.h>

#include "octets.hpp"

namespace powerhose::crypto {

namespace {

void wipe_key(v1::Key& key) {
  switch (key.source_case()) {
    case v1::Key::kRaw: wipe(*key.mutable_raw()); break;
    case v1::Key::kRsa:
      wipe(*key.mutable_rsa()->mutable_d());
      wipe(*key.mutable_rsa()->mutable_p());
      wipe(*key.mutable_rsa()->mutable_q());
      break;
    case v1::Key::kDsa: wipe(*key.mutable_dsa()->mutable_x()); break;
    case v1::Key::kName:
    case v1::Key::SOURCE_NOT_SET: break;
  }
}

// Returns the operation, without the key.
template <class Operation>
Operation& wipe_key_of(Operation* operation) {
  if (operation->has_key()) wipe_key(*operation->mutable_key());
  return *operation;
}

}  // namespace

void wipe(std::string& s) {
  s.resize(s.capacity());  // does not allocate
  CryptoPP::SecureWipeArray(octets(s), s.size());
}

void wipe(v1::Request& request) {
  switch (request.operation_case()) {
    case v1::Request::kHkdf: wipe_key_of(request.mutable_hkdf()); break;
    case v1::Request::kHmac: wipe(*wipe_key_of(request.mutable_hmac()).mutable_data()); break;
    case v1::Request::kDigest: wipe(*request.mutable_digest()->mutable_data()); break;
    case v1::Request::kSign: wipe(*wipe_key_of(request.mutable_sign()).mutable_data()); break;
    case v1::Request::kVerify: wipe_key_of(request.mutable_verify()); break;
    case v1::Request::kEncrypt: wipe(*wipe_key_of(request.mutable_encrypt()).mutable_plaintext()); break;
    case v1::Request::kDecrypt: wipe_key_of(request.mutable_decrypt()); break;
    case v1::Request::kScrypt: wipe(*request.mutable_scrypt()->mutable_password()); break;
    case v1::Request::kRandom:
    case v1::Request::OPERATION_NOT_SET: break;
  }
}

void wipe(v1::Response& response) {
  if (response.has_output()) wipe(*response.mutable_output());
}

}  // namespace powerhose::crypto
