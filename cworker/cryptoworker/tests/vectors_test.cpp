// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "dsa.hpp"
#include "failure.hpp"
#include "octets.hpp"
#include "support.hpp"

namespace crypto = powerhose::crypto;
namespace v1 = crypto::v1;

namespace {

void check_error(const test::vector& v, const v1::Response& got) {
  REQUIRE(got.has_error());
  CHECK(v1::ErrorCode_Name(got.error().code()) == v.text("error"));
  CHECK_FALSE(got.error().text().empty());
  CHECK(got.error().text().size() <= 200);
}

void check_output(const test::vector& v, const v1::Response& got) {
  const bool encrypts = v.text("operation") == "encrypt";
  REQUIRE(encrypts == got.has_encrypted());
  REQUIRE(encrypts != got.has_output());
  const std::string& output = encrypts ? got.encrypted().ciphertext() : got.output();
  if (v.has("output-length")) {
    CHECK(output.size() == v.number("output-length"));
    CHECK(output != std::string(output.size(), '\0'));
  } else {
    CHECK(output == v.octets("output"));
  }
  if (!encrypts) return;
  CHECK(got.encrypted().nonce().size() == 12);
  if (v.has("nonce")) CHECK(got.encrypted().nonce() == v.octets("nonce"));
}

// A signature that is random is good, and no longer good for other data.
void check_signature(const crypto::service& s, const v1::Sign& op, const std::string& signature) {
  if (!op.key().has_name()) return;
  const auto valid = [&](const std::string& data) {
    return test::ask(s, test::verify_request(op.algorithm(), op.key().name(), data, signature)).valid();
  };
  CHECK(valid(op.data()));
  CHECK_FALSE(valid(op.data() + "!"));
}

void check(const crypto::service& s, const test::vector& v) {
  v1::Response got;
  REQUIRE(got.ParseFromString(s.handle(v.request())));
  if (v.has("error")) return check_error(v, got);
  if (got.has_error()) FAIL("error: " << got.error().text());
  if (v.has("valid")) {
    CHECK(got.result_case() == v1::Response::kValid);
    CHECK(got.valid() == (v.text("valid") == "true"));
    return;
  }
  check_output(v, got);
  if (v.text("operation") == "sign") check_signature(s, v.message().sign(), got.output());
}

}  // namespace

TEST_CASE("vectors: all are answered as described") {
  const test::test_keys keys;
  const crypto::service s(keys.path().string());
  std::map<std::string, int> counts;
  std::set<std::string> names;
  for (const auto& v : test::load_vectors()) {
    CAPTURE(v.text("name"));
    CHECK(names.insert(v.text("name")).second);
    ++counts[v.text("operation")];
    check(s, v);
  }
  CHECK(counts.size() == 10);
  CHECK(names.size() >= 993);
}

TEST_CASE("vectors: DSA itself knows those of RFC 6979, whose groups are not allowed") {
  const auto vectors = test::load_file("rfc6979-dsa.txt");
  REQUIRE(vectors.size() == 4);
  for (const auto& v : vectors) {
    CAPTURE(v.text("name"));
    const crypto::dsa_group& like = v.text("algorithm") == "DS128" ? crypto::ds128() : crypto::ds256();
    const auto number = [&](const char* key) { return crypto::integer_of(v.octets(key)); };
    const crypto::dsa_group group = {like.name,       like.algorithm,  like.size,
                                     number("dsa-p"), number("dsa-q"), number("dsa-g")};
    const auto key = crypto::dsa_public(group, number("dsa-y"));
    CHECK(key->verify(v.octets("data"), v.octets("signature")));
    CHECK_FALSE(key->verify(v.octets("data") + "!", v.octets("signature")));
  }
}

TEST_CASE("vectors: the groups are those of groups.txt") {
  const std::string text = test::content_of(POWERHOSE_CRYPTO_TESTDATA "/groups.txt");
  for (const crypto::dsa_group* group : {&crypto::ds128(), &crypto::ds256()}) {
    const std::size_t at = text.find(std::string("name: ") + group->name + "\n");
    REQUIRE(at != text.npos);
    const auto number = [&](const std::string& name) {
      const std::size_t begin = text.find("\n" + name + ": ", at) + name.size() + 3;
      return CryptoPP::Integer(("0x" + text.substr(begin, text.find('\n', begin) - begin)).c_str());
    };
    CHECK(group->p == number("p"));
    CHECK(group->q == number("q"));
    CHECK(group->g == number("g"));
    CHECK(group->q.ByteCount() == group->size);
  }
}
