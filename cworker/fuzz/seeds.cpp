// SPDX-License-Identifier: Apache-2.0

// Makes the seeds of the fuzz targets from the shared test vectors:
//
//     fuzz-seeds FOLDER     FOLDER/messages and FOLDER/session are made anew

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/vectors.hpp"
#include "wire/bytes.hpp"

namespace {

using powerhose::detail::direction;
using powerhose::detail::put;
using powerhose::detail::role;

void write(const std::filesystem::path& path, const std::string& octets) {
  std::ofstream out(path, std::ios::binary);
  out << octets;
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path.string());
}

std::string message(const test::vector& v) {
  std::string out;
  put(out, static_cast<std::uint8_t>(v.frames.size() - 1));
  return out + v.frames[0];
}

// The octets are those of session.cpp: a worker that is registered gets the
// message, pings, finishes what it has, gets the message again, and drains. With
// a prefetch of 3 and, if so said, a socket of its own.
std::string story(const test::vector& v, bool listen) {
  const std::string welcome("\x09\x03\xe8\x01", 4);
  const std::string a_second("\x02\x03\xe8\xff", 4);
  std::string received;
  put(received, std::uint8_t{0});
  put(received, static_cast<std::uint8_t>((v.frames.size() - 1) * 8));
  put(received, static_cast<std::uint16_t>(v.frames[0].size()));
  received += v.frames[0];
  return (listen ? "\x1c" : "\x0c") + std::string("\x08") + welcome + received + a_second +
         std::string("\x04\0", 2) + received + "\x07" + std::string("\x04\0\x0d", 3);
}

void make(const std::filesystem::path& folder) {
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder / "messages");
  std::filesystem::create_directories(folder / "session");
  for (const test::vector& v : test::load_vectors()) {
    write(folder / "messages" / v.name, message(v));
    if (v.where != direction::from_master || v.frames[0].size() > UINT16_MAX) continue;
    write(folder / "session" / v.name, story(v, false));
    const bool of_job = v.who == role::worker && (v.message == "JOB" || v.message == "BATCH");
    if (of_job) write(folder / "session" / (v.name + "-listen"), story(v, true));
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fprintf(stderr, "usage: fuzz-seeds FOLDER\n");
    return 2;
  }
  make(argv[1]);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "fuzz-seeds: %s\n", e.what());
  return 1;
}
