// SPDX-License-Identifier: Apache-2.0

#include <cryptopp/nbtheory.h>
#include <doctest/doctest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <set>
#include <thread>

#include "core_dumps.hpp"
#include "octets.hpp"
#include "support.hpp"
#include "wipe.hpp"

namespace crypto = powerhose::crypto;
namespace v1 = crypto::v1;
using CryptoPP::Integer;

namespace {

// Runs f in a child, and returns what it wrote.
std::string in_child(const std::function<std::string()>& f) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const std::string text = f();
    const bool good = ::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::_exit(good ? 0 : 1);
  }
  ::close(ends[1]);
  std::string out;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    out.append(buffer, static_cast<std::size_t>(n));
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  return out;
}

v1::Request random_request(std::uint32_t length) {
  v1::Request request;
  request.mutable_random()->set_length(length);
  return request;
}

bool is_zero(const std::string& s) { return s.find_first_not_of('\0') == s.npos; }

// A request to sign with an RSA key of these primes, or what should be some.
v1::Request sign_with(const Integer& p, const Integer& q, const Integer& more_d) {
  const auto put = [](const Integer& n) {
    std::string out(n.ByteCount(), '\0');
    n.Encode(crypto::octets(out), out.size());
    return out;
  };
  const Integer e(65537);
  v1::Request request;
  request.mutable_sign()->set_algorithm(v1::RSA_PSS_SHA256);
  v1::RsaKey& key = *request.mutable_sign()->mutable_key()->mutable_rsa();
  const Integer order = CryptoPP::LCM(p - 1, q - 1);
  key.set_n(put(p * q));
  key.set_e(put(e));
  key.set_d(put(e.InverseMod(order) + more_d * order));
  key.set_p(put(p));
  key.set_q(put(q));
  return request;
}

}  // namespace

TEST_CASE("service: without keys it knows no name") {
  const crypto::service s;
  CHECK(s.key_names().empty());
  for (const auto& [algorithm, key] : test::signing_keys())
    CHECK(test::ask(s, test::sign_request(algorithm, key, "data")).error().code() == v1::UNKNOWN_KEY);
}

TEST_CASE("service: what it signs it verifies, and nothing that was changed") {
  const test::test_keys keys;
  const crypto::service s(keys.path().string());
  for (const auto& [algorithm, key] : test::signing_keys()) {
    CAPTURE(key);
    for (const std::string& data : {std::string(), std::string("data"), std::string(100000, 'x')}) {
      const std::string signature = test::ask(s, test::sign_request(algorithm, key, data)).output();
      CHECK(test::ask(s, test::verify_request(algorithm, key, data, signature)).valid());
      for (const std::size_t at : {std::size_t{0}, signature.size() / 2, signature.size() - 1}) {
        std::string changed = signature;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        CHECK_FALSE(test::ask(s, test::verify_request(algorithm, key, data, changed)).valid());
      }
    }
  }
}

TEST_CASE("service: threads share it") {
  const test::test_keys keys;
  const crypto::service s(keys.path().string());
  const auto vectors = test::load_vectors();
  std::vector<const test::vector*> some;
  for (const auto& v : vectors) {
    if (v.has("valid") || v.text("operation") == "hkdf" || v.text("operation") == "decrypt")
      some.push_back(&v);
  }
  std::vector<std::string> expected;
  for (const test::vector* v : some) expected.push_back(s.handle(v->request()));
  std::vector<std::thread> threads;
  std::vector<std::size_t> wrong(4);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = t; i < some.size(); i += wrong.size() - 1) {
        if (s.handle(some[i]->request()) != expected[i]) ++wrong[t];
        const auto& [algorithm, key] = test::signing_keys()[i % 6];
        const std::string signature = test::ask(s, test::sign_request(algorithm, key, "data")).output();
        if (!test::ask(s, test::verify_request(algorithm, key, "data", signature)).valid()) ++wrong[t];
      }
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(wrong == std::vector<std::size_t>(wrong.size()));
}

// Two processes with the same random state would sign with the same nonce, which
// gives the key away.
TEST_CASE("service: children of fork draw numbers of their own") {
  const test::test_keys keys;
  const crypto::service s(keys.path().string());
  const auto draw = [&s] {
    v1::Request encrypt;
    encrypt.mutable_encrypt()->mutable_key()->set_name("box");
    const std::string nonce = test::ask(s, encrypt).encrypted().nonce();
    const std::string r = test::ask(s, test::sign_request(v1::ECDSA_P256_SHA256, "ec", "data")).output();
    const std::string r2 = test::ask(s, test::sign_request(v1::DS256, "ds256.example.com", "data")).output();
    return test::ask(s, random_request(32)).output() + nonce + r.substr(0, 32) + r2.substr(0, 32);
  };
  std::vector<std::string> drawn = {draw()};  // whatever there is to copy into children is there now
  for (int i = 0; i < 3; ++i) drawn.push_back(in_child(draw));
  drawn.push_back(draw());
  for (const auto& [at, size] : {std::pair{0, 32}, {32, 12}, {44, 32}, {76, 32}}) {
    std::set<std::string> parts;
    for (const std::string& d : drawn)
      CHECK(parts.insert(d.substr(static_cast<std::size_t>(at), static_cast<std::size_t>(size))).second);
  }
}

TEST_CASE("service: what Crypto++ throws is an answer") {
  const test::test_keys keys;
  const crypto::service s(keys.path().string());
  const std::string codes = in_child([&s] {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_NOFILE, &none);  // so that it cannot open /dev/urandom
    std::string out;
    for (const auto& [algorithm, key] : test::signing_keys())
      out += std::to_string(test::ask(s, test::sign_request(algorithm, key, "data")).error().code());
    return out + std::to_string(test::ask(s, random_request(32)).error().code());
  });
  // Ed25519 needs no random numbers, and ours come without a descriptor.
  CHECK(codes == "0777770");
}

TEST_CASE("service: RSA keys that are none, or weak") {
  const auto vectors = test::load_file("vectors/rsa-pkcs1.txt");
  const auto v = std::find_if(vectors.begin(), vectors.end(),
                              [](const auto& each) { return each.text("name") == "rsa-pkcs1-sign"; });
  REQUIRE(v != vectors.end());
  const Integer p = crypto::integer_of(v->octets("rsa-p"));
  const Integer q = crypto::integer_of(v->octets("rsa-q"));
  const auto refusal = [](const v1::Request& request) {
    const v1::Response got = test::ask(crypto::service(), request);
    CHECK(got.has_error() == (got.error().code() == v1::BAD_KEY));
    return got.error().text();
  };
  const auto next = [](Integer n, bool prime) {
    do {
      n += 2;
    } while (CryptoPP::IsPrime(n) != prime || n % 65537 == 1);
    return n;
  };
  CHECK(refusal(sign_with(p, q, 0)) == "");
  CHECK(refusal(sign_with(q, p, 0)) == "");
  // Where p or q is no prime all else may be right, so only the signature shows it.
  CHECK(refusal(sign_with(p, next(q, false), 0)) == "key: it does not sign");
  CHECK(refusal(sign_with(next(p, false), q, 0)) == "key: it does not sign");
  CHECK(refusal(sign_with(p, next(p, true), 0)) == "key: p and q are too close");
  CHECK(refusal(sign_with(next(p, true), p, 0)) == "key: p and q are too close");
  CHECK(refusal(sign_with(p, q, CryptoPP::GCD(p - 1, q - 1))) == "key: d, p or q is not less than n");
}

TEST_CASE("service: requests are wiped") {
  std::size_t count = 0;
  for (const auto& v : test::load_vectors()) {
    if (v.text("operation") == "raw") continue;
    v1::Request request = v.message();
    crypto::wipe(request);
    CAPTURE(v.text("name"));
    ++count;
    const auto key_is_wiped = [](const v1::Key& key) {
      return is_zero(key.raw()) && is_zero(key.rsa().d()) && is_zero(key.rsa().p()) &&
             is_zero(key.rsa().q()) && is_zero(key.dsa().x());
    };
    CHECK(key_is_wiped(request.hkdf().key()));
    CHECK(key_is_wiped(request.hmac().key()));
    CHECK(key_is_wiped(request.sign().key()));
    CHECK(key_is_wiped(request.verify().key()));
    CHECK(key_is_wiped(request.encrypt().key()));
    CHECK(key_is_wiped(request.decrypt().key()));
    CHECK(is_zero(request.hmac().data()));
    CHECK(is_zero(request.digest().data()));
    CHECK(is_zero(request.sign().data()));
    CHECK(is_zero(request.encrypt().plaintext()));
    CHECK(is_zero(request.scrypt().password()));
    CHECK(request.operation_case() == v.message().operation_case());
  }
  CHECK(count > 600);
}

TEST_CASE("service: wiping a string reaches all of its memory") {
  std::string s(1000, 's');
  s.resize(3);
  const std::size_t capacity = s.capacity();
  crypto::wipe(s);
  CHECK(s.size() == capacity);
  CHECK(is_zero(s));
  std::string empty;
  crypto::wipe(empty);
  CHECK(is_zero(empty));
}

TEST_CASE("service: core dumps can be forbidden") {
  const std::string seen = in_child([] {
    cworker::forbid_core_dumps();
    rlimit limit{1, 1};
    ::getrlimit(RLIMIT_CORE, &limit);
    return std::to_string(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)) + std::to_string(limit.rlim_cur) +
           std::to_string(limit.rlim_max);
  });
  CHECK(seen == "000");
}
