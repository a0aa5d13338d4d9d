// SPDX-License-Identifier: Apache-2.0

// The processor time that the service takes for one request of each kind, in one
// thread and without a master: crypto-bench [MILLISECONDS for each, default 500].

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "support.hpp"

namespace crypto = powerhose::crypto;
namespace v1 = crypto::v1;

namespace {

// So that it matters less what else the machine does.
double thread_time() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

double time_for_each = 500e3;

// Prints the median and the fastest time in microseconds.
void measure(const crypto::service& s, const std::string& name, const v1::Request& request) {
  const std::string payload = request.SerializeAsString();
  v1::Response response;
  if (!response.ParseFromString(s.handle(payload)) || response.has_error()) {
    std::printf("%-40s %s\n", name.c_str(), response.error().text().c_str());
    return;
  }
  std::vector<double> times;
  const double end = thread_time() + time_for_each;
  do {
    const double begin = thread_time();
    s.handle(payload);
    times.push_back(thread_time() - begin);
  } while (thread_time() < end);
  std::sort(times.begin(), times.end());
  std::printf("%-40s %10.1f %10.1f %8zu\n", name.c_str(), times[times.size() / 2], times.front(),
              times.size());
}

void measure_signatures(const crypto::service& s) {
  for (const auto& [algorithm, key] : test::signing_keys()) {
    const v1::Request sign = test::sign_request(algorithm, key, "data");
    const std::string name = v1::SignatureAlgorithm_Name(algorithm);
    measure(s, "sign " + name, sign);
    measure(s, "verify " + name, test::verify_request(algorithm, key, "data", test::ask(s, sign).output()));
  }
}

void measure_symmetric(const crypto::service& s) {
  v1::Request request;
  request.mutable_hkdf()->set_hash(v1::SHA256);
  request.mutable_hkdf()->mutable_key()->set_name("ikm");
  request.mutable_hkdf()->set_length(32);
  measure(s, "hkdf SHA256, 32 octets", request);
  request.mutable_hmac()->set_hash(v1::SHA256);
  request.mutable_hmac()->mutable_key()->set_name("mac");
  request.mutable_hmac()->set_data(std::string(100, 'x'));
  measure(s, "hmac SHA256, 100 octets", request);
  for (const v1::Hash hash : {v1::SHA1, v1::SHA256, v1::SHA512}) {
    request.mutable_digest()->set_hash(hash);
    request.mutable_digest()->set_data(std::string(1U << 20, 'x'));
    measure(s, "digest " + v1::Hash_Name(hash) + ", 1 MiB", request);
  }
  for (const std::size_t size : {std::size_t{100}, std::size_t{1} << 20, std::size_t{16} << 20}) {
    request.mutable_encrypt()->mutable_key()->set_name("box");
    request.mutable_encrypt()->set_plaintext(std::string(size, 'x'));
    measure(s, "encrypt, " + std::to_string(size) + " octets", request);
    const v1::Encrypted sealed = test::ask(s, request).encrypted();
    request.mutable_decrypt()->mutable_key()->set_name("box");
    request.mutable_decrypt()->set_nonce(sealed.nonce());
    request.mutable_decrypt()->set_ciphertext(sealed.ciphertext());
    measure(s, "decrypt, " + std::to_string(size) + " octets", request);
  }
  for (const std::uint32_t size : {32U, 65536U}) {
    request.mutable_random()->set_length(size);
    measure(s, "random, " + std::to_string(size) + " octets", request);
  }
  v1::Scrypt& op = *request.mutable_scrypt();
  op.set_password("password");
  op.set_salt("salt");
  op.set_n(16384);
  op.set_r(8);
  op.set_p(1);
  op.set_length(32);
  measure(s, "scrypt n=16384 r=8 p=1", request);
  op.set_n(1U << 16);
  op.set_r(16);
  op.set_p(4);
  measure(s, "scrypt n=65536 r=16 p=4 (the limit)", request);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) time_for_each = std::atof(argv[1]) * 1e3;
  const test::test_keys keys;
  const crypto::service s(keys.path().string());
  std::printf("%-40s %10s %10s %8s\n", "microseconds for each request", "median", "least", "requests");
  measure_signatures(s);
  measure_symmetric(s);
}
