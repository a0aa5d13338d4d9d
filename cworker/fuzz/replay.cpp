// SPDX-License-Identifier: Apache-2.0

// Runs a fuzz target without libFuzzer, with the files named on the command line
// and all files of the folders named there. Small ones are also tried cut short
// at each place.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "check.hpp"

namespace {

constexpr std::size_t small = 512;

void run(const std::string& octets, std::size_t size) {
  const fuzz::exact input(powerhose::detail::view(octets).substr(0, size));
  LLVMFuzzerTestOneInput(reinterpret_cast<const unsigned char*>(input.get().data()), size);
}

void run_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  FUZZ_CHECK(in.good());
  const std::string octets{std::istreambuf_iterator<char>(in), {}};
  if (octets.size() <= small) {
    for (std::size_t n = 0; n < octets.size(); ++n) run(octets, n);
  }
  run(octets, octets.size());
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    if (std::filesystem::is_directory(argv[i])) {
      for (const auto& entry : std::filesystem::directory_iterator(argv[i])) files.push_back(entry.path());
    } else {
      files.emplace_back(argv[i]);
    }
  }
  std::sort(files.begin(), files.end());
  for (const auto& path : files) {
    // Not buffered: it is to be seen if this file is the last one.
    std::fprintf(stderr, "%s\n", path.c_str());
    run_file(path);
  }
  std::printf("%zu files\n", files.size());
  return files.empty() ? 1 : 0;
}
