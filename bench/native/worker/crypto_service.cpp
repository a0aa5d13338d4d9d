// SPDX-License-Identifier: Apache-2.0

// The crypto service as a function in a loop: crypto-service KEYS REQUEST WARM_MS
// MEASURE_MS, where REQUEST is a file.

#include <crypto_service.hpp>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "../loop.hpp"

int main(int argc, char** argv) try {
  if (argc != 5) {
    std::fprintf(stderr, "usage: crypto-service KEYS REQUEST WARM_MS MEASURE_MS\n");
    return 2;
  }
  const powerhose::crypto::service service{std::string(argv[1])};
  std::ifstream file(argv[2], std::ios::binary);
  const std::string request{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  loop(number(argv[3]), number(argv[4]), [&] {
    if (service.handle(request).empty()) throw std::runtime_error("an empty answer");
  });
} catch (const std::exception& e) {
  std::fprintf(stderr, "crypto-service: %s\n", e.what());
  return 1;
}
