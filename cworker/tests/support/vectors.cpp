// SPDX-License-Identifier: Apache-2.0

#include "support/vectors.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace test {

using powerhose::detail::direction;
using powerhose::detail::role;

namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  throw std::runtime_error(std::string("not a hexadecimal digit: ") + c);
}

// Hexadecimal words, where WORD*N is the octets of WORD N times.
std::string parse_words(const std::string& text) {
  std::istringstream in(text);
  std::string out;
  for (std::string word; in >> word;) {
    const std::size_t star = word.find('*');
    const std::string digits = word.substr(0, star);
    std::string octets;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
      octets.push_back(static_cast<char>(digit(digits[i]) << 4 | digit(digits[i + 1])));
    for (int n = star == std::string::npos ? 1 : std::stoi(word.substr(star + 1)); n > 0; --n) out += octets;
  }
  return out;
}

void add_line(vector& v, const std::string& key, const std::string& value) {
  if (key == "name") {
    v.name = value;
  } else if (key == "rule") {
    if (value.substr(0, 2) != "R-") throw std::runtime_error(v.name + ": strange rule " + value);
  } else if (key == "role") {
    v.who = value == "worker" ? role::worker : role::runner;
  } else if (key == "direction") {
    v.where = value == "to-master" ? direction::to_master : direction::from_master;
  } else if (key == "frame") {
    v.frames.push_back(parse_words(value));
  } else if (key == "message") {
    v.message = value;
  } else if (key == "error") {
    v.error = value;
  } else if (key == "encode") {
    v.encode = false;
  } else if (key == "repeat") {
    const std::vector<std::string> once = v.lines;
    for (int n = std::stoi(value); n > 1; --n) v.lines.insert(v.lines.end(), once.begin(), once.end());
  } else {
    v.lines.push_back(key + ": " + value);
  }
}

void load_file(const std::filesystem::path& path, std::vector<vector>& out) {
  std::ifstream in(path);
  vector v;
  const auto finish = [&] {
    if (!v.name.empty()) out.push_back(v);
    v = vector{};
  };
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) finish();
    if (line.empty() || line[0] == '#') continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) throw std::runtime_error(path.string() + ": " + line);
    add_line(v, line.substr(0, colon), colon + 2 < line.size() ? line.substr(colon + 2) : "");
  }
  finish();
}

}  // namespace

std::vector<vector> load_vectors() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(POWERHOSE_VECTORS)) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<vector> out;
  for (const auto& path : paths) load_file(path, out);
  return out;
}

}  // namespace test
