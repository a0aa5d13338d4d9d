// SPDX-License-Identifier: Apache-2.0

// The service "crypto" on Crypto++: a Request of protocol/crypto/crypto.proto in,
// a Response out. What each operation does, its limits and the order of its
// errors are in the README.md beside that file. Nothing of the wire protocol is
// here, and neither Crypto++ nor protobuf shows in this header.

#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace powerhose::crypto {

class key_store;

/// Why a directory of keys cannot be used. what() names the file and says what
/// to do about it; it never quotes what is in it.
class key_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class service {
 public:
  /// Knows no named keys.
  service();

  /// Knows the keys of a directory, which is read now and never again. Throws
  /// key_error.
  explicit service(const std::string& key_directory);

  service(service&&) noexcept;
  service& operator=(service&&) noexcept;
  ~service();

  /// Answers one request. Whatever is wrong with it, even if it is none, stands
  /// in the answer. May be called from several threads at once, and in a child
  /// after fork(). Throws only std::bad_alloc, if not even the answer that there
  /// is no memory has room. The limits keep each call to a few seconds at most;
  /// most take less than 3 ms.
  std::string handle(std::string_view request) const;

  /// The named keys with their types, such as "token-master.hkdf", in
  /// alphabetical order.
  std::vector<std::string> key_names() const;

 private:
  std::unique_ptr<const key_store> keys_;
};

}  // namespace powerhose::crypto
