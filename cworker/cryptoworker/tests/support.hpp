// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "crypto.pb.h"
#include "crypto_service.hpp"

namespace test {

namespace v1 = powerhose::crypto::v1;

/// A block of a file of vectors: protocol/crypto/testdata/vectors/README.md.
class vector {
 public:
  bool has(const std::string& key) const { return lines_.count(key) != 0; }
  /// Empty if it is not there.
  std::string text(const std::string& key) const;
  /// Hexadecimal words, where WORD*N is WORD N times.
  std::string octets(const std::string& key) const;
  /// 0 if it is not there.
  std::uint32_t number(const std::string& key) const;

  /// What the block says is sent.
  std::string request() const;
  v1::Request message() const;

  void add(const std::string& key, const std::string& value) { lines_[key] = value; }
  bool empty() const { return lines_.empty(); }

 private:
  std::map<std::string, std::string> lines_;
};

/// All vectors of a file below protocol/crypto/testdata, or of the directory
/// vectors in a fixed order.
std::vector<vector> load_file(const std::string& name);
std::vector<vector> load_vectors();

/// A directory that goes when it does.
class temporary_directory {
 public:
  temporary_directory();
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  ~temporary_directory();

  const std::filesystem::path& path() const { return path_; }

  /// Writes a file of mode 0600.
  std::filesystem::path write(const std::string& name, std::string_view content) const;

 private:
  std::filesystem::path path_;
};

/// A copy of protocol/crypto/testdata/keys with the modes that keys must have.
class test_keys : public temporary_directory {
 public:
  test_keys();
};

std::string content_of(const std::filesystem::path& file);

/// What a service answers.
v1::Response ask(const powerhose::crypto::service& s, const v1::Request& request);

/// A request to sign or to verify with a named key.
v1::Request sign_request(v1::SignatureAlgorithm algorithm, const std::string& key, const std::string& data);
v1::Request verify_request(v1::SignatureAlgorithm algorithm, const std::string& key, const std::string& data,
                           const std::string& signature);

/// The private named keys of test_keys, with their algorithms.
const std::vector<std::pair<v1::SignatureAlgorithm, std::string>>& signing_keys();

}  // namespace test
