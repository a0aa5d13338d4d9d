// SPDX-License-Identifier: Apache-2.0

#include "support.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace test {

namespace fs = std::filesystem;

namespace {

const fs::path testdata = POWERHOSE_CRYPTO_TESTDATA;

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  throw std::runtime_error(std::string("not a hexadecimal digit: ") + c);
}

std::string parse_words(const std::string& text) {
  std::istringstream in(text);
  std::string out;
  for (std::string word; in >> word;) {
    const std::size_t star = word.find('*');
    const std::string digits = word.substr(0, star);
    if (digits.size() % 2 != 0) throw std::runtime_error("half an octet: " + digits);
    std::string once;
    for (std::size_t i = 0; i < digits.size(); i += 2)
      once.push_back(static_cast<char>(digit(digits[i]) << 4 | digit(digits[i + 1])));
    for (int n = star == word.npos ? 1 : std::stoi(word.substr(star + 1)); n > 0; --n) out += once;
  }
  return out;
}

v1::Hash hash_of(const std::string& text) {
  v1::Hash out{};
  if (text.empty() || v1::Hash_Parse(text, &out)) return out;
  return static_cast<v1::Hash>(std::stoi(text));
}

v1::SignatureAlgorithm algorithm_of(const std::string& text) {
  v1::SignatureAlgorithm out{};
  if (text.empty() || v1::SignatureAlgorithm_Parse(text, &out)) return out;
  return static_cast<v1::SignatureAlgorithm>(std::stoi(text));
}

template <class Operation>
void set_key(const vector& v, Operation* op) {
  if (v.has("key-empty")) op->mutable_key();
  if (v.has("key")) op->mutable_key()->set_raw(v.octets("key"));
  if (v.has("key-name")) op->mutable_key()->set_name(v.text("key-name"));
  for (const char* name : {"rsa-n", "rsa-e", "rsa-d", "rsa-p", "rsa-q"}) {
    if (v.has(name)) op->mutable_key()->mutable_rsa();
  }
  for (const char* name : {"dsa-p", "dsa-q", "dsa-g", "dsa-y", "dsa-x"}) {
    if (v.has(name)) op->mutable_key()->mutable_dsa();
  }
  if (op->key().has_rsa()) {
    v1::RsaKey& k = *op->mutable_key()->mutable_rsa();
    k.set_n(v.octets("rsa-n"));
    k.set_e(v.octets("rsa-e"));
    k.set_d(v.octets("rsa-d"));
    k.set_p(v.octets("rsa-p"));
    k.set_q(v.octets("rsa-q"));
  }
  if (op->key().has_dsa()) {
    v1::DsaKey& k = *op->mutable_key()->mutable_dsa();
    k.set_p(v.octets("dsa-p"));
    k.set_q(v.octets("dsa-q"));
    k.set_g(v.octets("dsa-g"));
    k.set_y(v.octets("dsa-y"));
    k.set_x(v.octets("dsa-x"));
  }
}

void set_hash_operation(const vector& v, const std::string& operation, v1::Request& request) {
  if (operation == "hkdf") {
    v1::Hkdf* op = request.mutable_hkdf();
    set_key(v, op);
    op->set_hash(hash_of(v.text("hash")));
    op->set_salt(v.octets("salt"));
    op->set_info(v.octets("info"));
    op->set_length(v.number("length"));
  } else if (operation == "hmac") {
    v1::Hmac* op = request.mutable_hmac();
    set_key(v, op);
    op->set_hash(hash_of(v.text("hash")));
    op->set_data(v.octets("data"));
  } else if (operation == "digest") {
    v1::Digest* op = request.mutable_digest();
    op->set_hash(hash_of(v.text("hash")));
    op->set_data(v.octets("data"));
  } else if (operation == "scrypt") {
    v1::Scrypt* op = request.mutable_scrypt();
    op->set_password(v.octets("password"));
    op->set_salt(v.octets("salt"));
    op->set_n(v.number("n"));
    op->set_r(v.number("r"));
    op->set_p(v.number("p"));
    op->set_length(v.number("length"));
  } else if (operation == "random") {
    request.mutable_random()->set_length(v.number("length"));
  } else {
    throw std::runtime_error("no such operation: " + operation);
  }
}

}  // namespace

std::string vector::text(const std::string& key) const {
  const auto at = lines_.find(key);
  return at == lines_.end() ? "" : at->second;
}

std::string vector::octets(const std::string& key) const { return parse_words(text(key)); }

std::uint32_t vector::number(const std::string& key) const {
  return has(key) ? static_cast<std::uint32_t>(std::stoul(text(key))) : 0;
}

v1::Request vector::message() const {
  v1::Request request;
  const std::string operation = text("operation");
  if (operation == "sign") {
    v1::Sign* op = request.mutable_sign();
    set_key(*this, op);
    op->set_algorithm(algorithm_of(text("algorithm")));
    op->set_data(octets("data"));
  } else if (operation == "verify") {
    v1::Verify* op = request.mutable_verify();
    set_key(*this, op);
    op->set_algorithm(algorithm_of(text("algorithm")));
    op->set_data(octets("data"));
    op->set_signature(octets("signature"));
  } else if (operation == "encrypt") {
    v1::Encrypt* op = request.mutable_encrypt();
    set_key(*this, op);
    op->set_plaintext(octets("plaintext"));
    op->set_aad(octets("aad"));
    op->set_nonce(octets("nonce"));
  } else if (operation == "decrypt") {
    v1::Decrypt* op = request.mutable_decrypt();
    set_key(*this, op);
    op->set_ciphertext(octets("ciphertext"));
    op->set_aad(octets("aad"));
    op->set_nonce(octets("nonce"));
  } else {
    set_hash_operation(*this, operation, request);
  }
  return request;
}

std::string vector::request() const {
  return text("operation") == "raw" ? octets("request") : message().SerializeAsString();
}

std::vector<vector> load_file(const std::string& name) {
  std::vector<vector> out;
  vector v;
  const auto finish = [&] {
    if (!v.empty() && v.has("operation")) out.push_back(v);
    v = {};
  };
  std::ifstream in(testdata / name);
  if (!in) throw std::runtime_error("cannot read " + name);
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) finish();
    if (line.empty() || line[0] == '#') continue;
    const std::size_t colon = line.find(':');
    if (colon == line.npos || v.has(line.substr(0, colon))) throw std::runtime_error(name + ": " + line);
    v.add(line.substr(0, colon), colon + 2 < line.size() ? line.substr(colon + 2) : "");
  }
  finish();
  return out;
}

std::vector<vector> load_vectors() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(testdata / "vectors")) {
    if (entry.path().extension() == ".txt") names.push_back("vectors/" + entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  std::vector<vector> out;
  for (const std::string& name : names) {
    const std::vector<vector> file = load_file(name);
    out.insert(out.end(), file.begin(), file.end());
  }
  return out;
}

temporary_directory::temporary_directory() {
  std::string name = (fs::temp_directory_path() / "crypto-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");  // of mode 0700
  path_ = name;
}

temporary_directory::~temporary_directory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path temporary_directory::write(const std::string& name, std::string_view content) const {
  const fs::path file = path_ / name;
  std::ofstream(file, std::ios::binary) << content;
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  return file;
}

test_keys::test_keys() {
  for (const auto& entry : fs::directory_iterator(testdata / "keys"))
    write(entry.path().filename().string(), content_of(entry.path()));
}

std::string content_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

v1::Response ask(const powerhose::crypto::service& s, const v1::Request& request) {
  v1::Response response;
  if (!response.ParseFromString(s.handle(request.SerializeAsString())))
    throw std::runtime_error("not a Response");
  return response;
}

v1::Request sign_request(v1::SignatureAlgorithm algorithm, const std::string& key, const std::string& data) {
  v1::Request request;
  request.mutable_sign()->set_algorithm(algorithm);
  request.mutable_sign()->mutable_key()->set_name(key);
  request.mutable_sign()->set_data(data);
  return request;
}

v1::Request verify_request(v1::SignatureAlgorithm algorithm, const std::string& key, const std::string& data,
                           const std::string& signature) {
  v1::Request request;
  request.mutable_verify()->set_algorithm(algorithm);
  request.mutable_verify()->mutable_key()->set_name(key);
  request.mutable_verify()->set_data(data);
  request.mutable_verify()->set_signature(signature);
  return request;
}

const std::vector<std::pair<v1::SignatureAlgorithm, std::string>>& signing_keys() {
  static const std::vector<std::pair<v1::SignatureAlgorithm, std::string>> keys = {
      {v1::ED25519, "ed"},        {v1::ECDSA_P256_SHA256, "ec"}, {v1::RSA_PKCS1_SHA256, "rs"},
      {v1::RSA_PSS_SHA256, "ps"}, {v1::DS128, "example.com"},    {v1::DS256, "ds256.example.com"}};
  return keys;
}

}  // namespace test
