// SPDX-License-Identifier: Apache-2.0

#include "text.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <powerhose/version.hpp>

#include "services.hpp"
#include "wire/frames.hpp"
#include "wire/job.hpp"

using namespace powerhose::detail;
using std::chrono::milliseconds;

TEST_CASE("text: durations as Go writes them") {
  const struct {
    const char* text;
    long ms;
  } good[] = {{"0", 0},          {"300ms", 300},         {"5s", 5000}, {"1m30s", 90000},
              {"1.5h", 5400000}, {"1h0m0.25s", 3600250}, {"2000us", 2}};
  for (const auto& c : good) {
    CAPTURE(c.text);
    REQUIRE(parse_duration(c.text));
    CHECK(*parse_duration(c.text) == milliseconds(c.ms));
  }
  for (const char* text : {"", "5", "s", "-5s", "5 s", "1e3s", "infs", "1.2.3s", "5d", "99999999999h"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_duration(text));
  }
  CHECK(format_duration(milliseconds(5000)) == "5s");
  CHECK(format_duration(milliseconds(1500)) == "1500ms");
}

TEST_CASE("text: what comes from elsewhere cannot forge a line of a log") {
  CHECK(printable("a\nb\x1b[2J\xff") == "a\\x0ab\\x1b[2J\\xff");
  CHECK(printable(std::string(300, 'x')) == std::string(200, 'x') + "...");
}

TEST_CASE("text: error texts are UTF-8 and short") {
  CHECK(tidy_text("naïve €") == "naïve €");
  CHECK(tidy_text("\xff"
                  "a\xc3") == "?a?");
  CHECK(tidy_text("\xc0\x80") == "??");            // overlong
  CHECK(tidy_text("\xed\xa0\x80") == "???");       // a surrogate
  CHECK(tidy_text("\xf4\x90\x80\x80") == "????");  // beyond Unicode
  std::string text(4095, 'x');
  text += "€";
  CHECK(tidy_text(text) == std::string(4095, 'x'));  // no half characters
  CHECK(tidy_text(std::string(5000, 'x')).size() == 4096);
}

TEST_CASE("text: run times round up") {
  using std::chrono::nanoseconds;
  CHECK(run_of(nanoseconds(0)) == 1);
  CHECK(run_of(nanoseconds(1)) == 1);
  CHECK(run_of(nanoseconds(1000)) == 1);
  CHECK(run_of(nanoseconds(1001)) == 2);
  CHECK(run_of(std::chrono::hours(2)) == UINT32_MAX);
}

TEST_CASE("text: host and random") {
  CHECK(random_hex(8).size() == 16);
  CHECK(random_hex(8) != random_hex(8));
  CHECK(host_name().find(' ') == std::string::npos);
}

TEST_CASE("services: square") {
  using cworker::square_of;
  CHECK(square_of("0") == "0");
  CHECK(square_of("-000") == "0");
  CHECK(square_of(" +12\n") == "144");
  CHECK(square_of("-999999999") == "999999998000000001");
  CHECK(square_of("1000000000") == "1000000000000000000");
  CHECK(square_of(std::string(4096, '9')) == std::string(4095, '9') + "8" + std::string(4095, '0') + "1");
  for (const char* text : {"", "-", "--1", "1 2", "0x1", "1.0"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH(square_of(text), "square: not a decimal integer");
  }
  CHECK_THROWS_WITH(square_of(std::string(4097, '9')),
                    "square: the number has 4097 digits, at most 4096 are allowed");
}

TEST_CASE("version: the same as in Go") {
  std::ifstream in(POWERHOSE_GO_VERSION);
  REQUIRE(in);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  CHECK(text.find("const Version = \"" POWERHOSE_VERSION "\"") != std::string::npos);
  CHECK(POWERHOSE_VERSION == std::to_string(POWERHOSE_VERSION_MAJOR) + "." +
                                 std::to_string(POWERHOSE_VERSION_MINOR) + "." +
                                 std::to_string(POWERHOSE_VERSION_PATCH));
}
