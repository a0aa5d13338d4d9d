// SPDX-License-Identifier: Apache-2.0

#include "key_file.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "failure.hpp"
#include "support.hpp"

namespace crypto = powerhose::crypto;
namespace v1 = crypto::v1;
using crypto::key_type;

namespace {

// What is wrong with a key, or nothing.
std::string refusal(key_type type, const std::string& content) {
  try {
    crypto::parse_key(type, content);
    return "";
  } catch (const crypto::failure& e) {
    CHECK((e.code() == v1::BAD_KEY || e.code() == v1::BAD_LENGTH));
    return e.what();
  }
}

bool good(key_type type, const std::string& content) { return refusal(type, content).empty(); }

// The content of a key of the test data.
std::string key(const std::string& file) {
  return test::content_of(POWERHOSE_CRYPTO_TESTDATA "/keys/" + file);
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != text.npos);
  return text.replace(at, from.size(), to);
}

// The octets of the one block of a PEM file, and such a file of octets.
std::string decoded(const std::string& pem) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (std::size_t i = pem.find('\n'); pem[i] != '-' && pem[i] != '='; ++i) {
    const std::size_t value = digits.find(pem[i]);
    if (value == digits.npos) continue;
    bits = bits << 6 | static_cast<unsigned>(value);
    if ((count += 6) < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count));
  }
  return out;
}

std::string encoded(const std::string& type, const std::string& der) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string body;
  for (std::size_t i = 0; i < der.size(); i += 3) {
    unsigned bits = 0;
    for (std::size_t k = i; k < i + 3; ++k)
      bits = bits << 8 | (k < der.size() ? static_cast<unsigned char>(der[k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k)
      body.push_back(k <= der.size() - i ? digits[bits >> (18 - 6 * k) & 63U] : '=');
  }
  return "-----BEGIN " + type + "-----\n" + body + "\n-----END " + type + "-----\n";
}

}  // namespace

TEST_CASE("key file: hexadecimal secrets") {
  const std::string digits = "00112233445566778899aabbccddeeff";
  CHECK(good(key_type::hkdf, digits));
  CHECK(good(key_type::hmac, " \t\r\n" + digits + "\r\n\n"));
  CHECK(good(key_type::hmac, "00112233445566778899AABBCCDDeeff"));
  CHECK(good(key_type::aes256, digits + digits));
  CHECK(good(key_type::hkdf, std::string(8192, 'a')));
  for (const std::string& bad : {std::string(), std::string("\n"), digits.substr(2), digits.substr(1),
                                 digits + "0", "0x" + digits, digits + "\n" + digits, digits + " 00",
                                 digits + "0g", std::string(8194, 'a'), digits + std::string(2, '\0')}) {
    CAPTURE(bad);
    CHECK_FALSE(good(key_type::hkdf, bad));
    CHECK_FALSE(good(key_type::hmac, bad));
  }
  for (const std::string& bad : {digits, digits + digits + "00", digits + digits.substr(2)}) {
    CAPTURE(bad);
    CHECK_FALSE(good(key_type::aes256, bad));
  }
}

TEST_CASE("key file: those of the test data are good, and only for their type") {
  const std::vector<std::pair<key_type, std::string>> files = {{key_type::ed25519, "ed.ed25519"},
                                                               {key_type::ed25519, "ed-public.ed25519"},
                                                               {key_type::p256, "ec.p256"},
                                                               {key_type::p256, "ec-public.p256"},
                                                               {key_type::rsa_pkcs1, "rs.rsa-pkcs1"},
                                                               {key_type::rsa_pkcs1, "rs-public.rsa-pkcs1"},
                                                               {key_type::rsa_pss, "ps.rsa-pss"},
                                                               {key_type::rsa_pss, "ps-public.rsa-pss"},
                                                               {key_type::dsa, "example.com.dsa"},
                                                               {key_type::dsa, "mockmyid.com.dsa"},
                                                               {key_type::dsa, "ds256.example.com.dsa"}};
  const auto is_rsa = [](key_type type) { return type == key_type::rsa_pkcs1 || type == key_type::rsa_pss; };
  for (const auto& [type, file] : files) {
    for (const key_type other : {key_type::hkdf, key_type::hmac, key_type::aes256, key_type::ed25519,
                                 key_type::p256, key_type::rsa_pkcs1, key_type::rsa_pss, key_type::dsa}) {
      CAPTURE(file);
      CAPTURE(crypto::name_of(other));
      CHECK(good(other, key(file)) == (other == type || (is_rsa(type) && is_rsa(other))));
    }
  }
}

TEST_CASE("key file: PEM is one block and nothing else") {
  const std::string pem = key("ed.ed25519");
  const std::string body = pem.substr(pem.find('\n') + 1, pem.find("\n-----END") - pem.find('\n') - 1);
  CHECK(good(key_type::ed25519, "\r\n \t" + pem + "\n \r\n"));
  CHECK(good(key_type::ed25519, replaced(replaced(pem, "\n", "\r\n"), body + "\n", body + "\r\n")));
  for (const std::string& bad :
       {std::string(),
        std::string("\n"),
        body,
        "text\n" + pem,
        pem + "text\n",
        pem + pem,
        pem.substr(0, pem.size() - 2),
        pem.substr(1),
        replaced(pem, "\n-----END", "-----END"),
        replaced(pem, "-----END PRIVATE", "-----END PUBLIC"),
        replaced(pem, "-----BEGIN PRIVATE KEY-----\n",
                 "-----BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n"),
        replaced(replaced(pem, "BEGIN PRIVATE", "BEGIN RSA PRIVATE"), "END PRIVATE", "END RSA PRIVATE"),
        replaced(replaced(pem, "BEGIN PRIVATE", "BEGIN ENCRYPTED PRIVATE"), "END PRIVATE",
                 "END ENCRYPTED PRIVATE"),
        replaced(replaced(pem, "BEGIN PRIVATE", "BEGIN PUBLIC"), "END PRIVATE", "END PUBLIC"),
        replaced(pem, body, body + "="),
        replaced(pem, body, body.substr(1)),
        replaced(pem, body, ""),
        replaced(pem, body, "===="),
        replaced(pem, body, body.substr(0, 8) + "*" + body.substr(9)),
        replaced(pem, body, "MC4=" + body.substr(4)),
        replaced(pem, body, body + body)}) {
    CAPTURE(bad);
    CHECK_FALSE(good(key_type::ed25519, bad));
  }
}

// No length but the whole is good, and no change of a header. (A changed number
// may make another key that is as good.)
TEST_CASE("key file: a block that was cut, lengthened or changed") {
  for (const char* file : {"ed.ed25519", "ec.p256", "rs.rsa-pkcs1", "ed-public.ed25519", "ec-public.p256",
                           "ps-public.rsa-pss"}) {
    CAPTURE(file);
    const key_type type = crypto::type_of(std::string(file).substr(std::string(file).rfind('.') + 1));
    const std::string pem = key(file);
    const std::string name = pem.substr(11, pem.find("-----", 11) - 11);
    const std::string der = decoded(pem);
    REQUIRE(good(type, encoded(name, der)));
    for (std::size_t n = 0; n < der.size(); n += n < 100 ? 1 : 37)
      CHECK_FALSE(good(type, encoded(name, der.substr(0, n))));
    CHECK_FALSE(good(type, encoded(name, der + '\0')));
    for (std::size_t i = 0; i < der.size(); ++i) {
      std::string changed = der;
      changed[i] = static_cast<char>(changed[i] ^ 0x80);
      refusal(type, encoded(name, changed));  // for the sanitizers
      if (i < 12) CHECK_FALSE(good(type, encoded(name, changed)));
    }
  }
}

TEST_CASE("key file: numbers of an RSA key that do not belong together") {
  const std::string der = decoded(key("rs.rsa-pkcs1"));
  // The last octets of n, d, p, q, dp, dq and u, somewhere in their middle.
  for (const double part : {0.15, 0.35, 0.55, 0.65, 0.77, 0.87, 0.97}) {
    std::string changed = der;
    const auto at = static_cast<std::size_t>(part * static_cast<double>(der.size()));
    changed[at] = static_cast<char>(changed[at] ^ 2);
    CAPTURE(part);
    CHECK(refusal(key_type::rsa_pkcs1, encoded("PRIVATE KEY", changed)) != "");
  }
}

TEST_CASE("key file: a private number of P-256 may have other zeros in front") {
  const std::string der = decoded(key("ec.p256"));
  const std::string header = {0x04, 0x20};
  const std::size_t at = der.find(header, 20);
  REQUIRE(at != der.npos);
  std::string zero = der;
  std::fill_n(zero.begin() + static_cast<std::ptrdiff_t>(at) + 2, 32, '\0');
  CHECK_FALSE(good(key_type::p256, encoded("PRIVATE KEY", zero)));
  std::string order = der;
  std::fill_n(order.begin() + static_cast<std::ptrdiff_t>(at) + 2, 32, '\xff');
  CHECK_FALSE(good(key_type::p256, encoded("PRIVATE KEY", order)));
}

TEST_CASE("key file: BrowserID's JSON") {
  const std::string text = key("example.com.dsa");
  CHECK(crypto::parse_key(key_type::dsa, text).to_sign != nullptr);
  CHECK(crypto::parse_key(key_type::dsa, text).algorithm == v1::DS128);
  CHECK(crypto::parse_key(key_type::dsa, key("mockmyid.com.dsa")).to_sign == nullptr);
  CHECK(crypto::parse_key(key_type::dsa, key("ds256.example.com.dsa")).algorithm == v1::DS256);
  const std::string y = "1a316c6757bc2762";
  CHECK(good(key_type::dsa, replaced(text, "\"1a316", "\"1A316")));
  CHECK(good(key_type::dsa, replaced(text, "\"1a316", "\"0001a316")));
  CHECK(good(key_type::dsa, replaced(text, "\"1a316", "\r\n\t\"1a316")));
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"{", ""},
                                                        {"{", "{{"},
                                                        {"{", "[{"},
                                                        {"{", "{,"},
                                                        {"\"x\"", "\"z\""},
                                                        {"\"x\"", "\"y\""},
                                                        {"\"x\"", "x"},
                                                        {"\"DS\"", "\"RS\""},
                                                        {"\"DS\"", "\"ds\""},
                                                        {"\"DS\"", "\"\""},
                                                        {"\"DS\"", "null"},
                                                        {"\"DS\"", "1"},
                                                        {"\"algorithm\"", "\"kty\""},
                                                        {"\"1a316", "\"0x1a316"},
                                                        {"\"1a316", "\"-1a316"},
                                                        {"\"1a316", "\" 1a316"},
                                                        {"\"1a316", "\"1g316"},
                                                        {"\"1a316", "\"1a317"},
                                                        {"\"1a316", "\"\\u00311a316"},
                                                        {"\"1a316", "1a316"},
                                                        {"\"e21e04", "\"e21e05"},
                                                        {"\"c52a4a", "\"c52a4b"},
                                                        {"\"ff6004", "\"ff6005"},
                                                        {"\": \"caaf", "\": \"daaf"},
                                                        {"\": \"caaf", "\": \"0\", \"x\": \"caaf"},
                                                        {"\"}", "\",}"},
                                                        {"\"}", "\"}}"},
                                                        {"\"}", "\""},
                                                        {"\"}", "\"} x"},
                                                        {", \"g\"", " \"g\""},
                                                        {": \"c52a", " \"c52a"}}) {
    CAPTURE(from);
    CAPTURE(to);
    CHECK_FALSE(good(key_type::dsa, replaced(text, from, to)));
  }
  for (const std::string& bad : {std::string(), std::string("{}"), std::string("{"), std::string("\""),
                                 std::string("{\"algorithm\": \"DS\"}"), text + text,
                                 replaced(text, "\"1a316", "\"" + std::string(2048, '0') + "1a316")})
    CHECK_FALSE(good(key_type::dsa, bad));
}

// An x that does not belong to y is none of these errors, so it has its own test.
TEST_CASE("key file: errors never quote the key") {
  const std::string text = key("example.com.dsa");
  const std::string other =
      replaced(text, "caaf24ab1a0c33440c06afe99df986365b0781f", "caaf24ab1a0c33440c06afe99df986365b0781e");
  CHECK(refusal(key_type::dsa, other) == "key: y does not belong to x");
  CHECK(refusal(key_type::dsa, replaced(text, "caaf24", "caaf2!")).find("caaf") == std::string::npos);
  CHECK(refusal(key_type::hkdf, "00112233445566778899aabbccddeefg").find("0011") == std::string::npos);
}
