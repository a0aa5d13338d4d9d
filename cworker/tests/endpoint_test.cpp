// SPDX-License-Identifier: Apache-2.0

#include "endpoint.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <powerhose/error.hpp>

#include "support/environment.hpp"
#include "support/master.hpp"

using powerhose::detail::endpoint;
using test::variable;

namespace {

std::string refusal(const std::string& text, bool listen = false) {
  try {
    listen ? endpoint::parse_listen(text) : endpoint::parse(text);
  } catch (const powerhose::error& e) {
    CHECK(e.code() == powerhose::errc::bad_endpoint);
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("endpoint: good ones") {
  for (const char* text : {"ipc:///run/powerhose/backend.sock", "tcp://127.0.0.1:5555",
                           "tcp://host-1.example:1", "tcp://[::1]:65535", "tcp://[fe80::1%eth0]:7"}) {
    CAPTURE(text);
    CHECK(endpoint::parse(text).text() == text);
  }
  CHECK(endpoint::parse("ipc:///" + std::string(106, 'x')).path().size() == 107);
  CHECK(endpoint::parse("tcp://[::1]:1").is_ipv6());
  CHECK_FALSE(endpoint::parse("tcp://localhost:1").is_ipv6());
  CHECK(endpoint::parse_listen("tcp://127.0.0.1:0").text() == "tcp://127.0.0.1:*");
  CHECK(endpoint::parse_listen("tcp://[::1]:*").text() == "tcp://[::1]:*");
  CHECK(endpoint::parse_listen("ipc:///tmp/own").path() == "/tmp/own");
}

TEST_CASE("endpoint: bad ones, and what to do about it") {
  const struct {
    std::string text;
    const char* says;
  } cases[] = {
      {"", "does not begin with ipc:// or tcp://"},
      {"inproc://x", "does not begin with ipc:// or tcp://"},
      {"ipc://", "has no path"},
      {"ipc://relative", "three slashes"},
      {"ipc://@name", "abstract"},
      {"ipc:///run/*", "\"*\""},
      {"ipc:///~/x", "\"~\""},
      {"ipc:///run/a\nb", "control character"},
      {"ipc:///run/", "names a directory"},
      {"ipc:///run/..", "names a directory"},
      {"ipc:///" + std::string(107, 'x'), "108 octets"},
      {"tcp://", "has no port"},
      {"tcp://host", "has no port"},
      {"tcp://:5", "has no host"},
      {"tcp://*:5", "names no host"},
      {"tcp://::1:5", "without brackets"},
      {"tcp://[::g]:5", "no IPv6 address"},
      {"tcp://a b:5", "has no valid host"},
      {"tcp://h:0", "from 1 to 65535"},
      {"tcp://h:65536", "from 1 to 65535"},
      {"tcp://h:+5", "from 1 to 65535"},
      {"tcp://h:", "from 1 to 65535"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    CHECK(refusal(c.text).find(c.says) != std::string::npos);
  }
  CHECK(refusal("tcp://127.0.0.1:5555", true).find("fixed port") != std::string::npos);
  CHECK(refusal("tcp://0.0.0.0:0", true).find("every address") != std::string::npos);
  CHECK(refusal("ipc:///" + std::string(100, 'x'), true).find("more than 91 octets") != std::string::npos);
  CHECK(refusal("udp://x:0", true).find("does not begin") != std::string::npos);
}

TEST_CASE("endpoint: what leaves the machine needs leave") {
  for (const char* text :
       {"ipc:///run/x", "tcp://127.0.0.1:5", "tcp://127.9.9.9:5", "tcp://localhost:5", "tcp://[::1]:5"})
    CHECK_NOTHROW(endpoint::parse(text).check_secure(false));
  for (const char* text : {"tcp://10.0.0.1:5", "tcp://host:5", "tcp://[fe80::1]:5"}) {
    CHECK_THROWS_AS(endpoint::parse(text).check_secure(false), powerhose::error);
    CHECK_NOTHROW(endpoint::parse(text).check_secure(true));
  }
}

TEST_CASE("endpoint: defaults are those of docs/protocol.md, section 4") {
  using powerhose::detail::default_backend;
  const variable none("POWERHOSE_BACKEND", nullptr);
  {
    const variable xdg("XDG_RUNTIME_DIR", "/run/me");
    CHECK(default_backend() == "ipc:///run/me/powerhose/backend.sock");
    const variable backend("POWERHOSE_BACKEND", "tcp://h:1");
    CHECK(default_backend() == "tcp://h:1");
    const variable empty("POWERHOSE_BACKEND", "");
    CHECK(default_backend() == "ipc:///run/me/powerhose/backend.sock");
  }
  {
    const variable xdg("XDG_RUNTIME_DIR", "relative");
    CHECK_THROWS_AS(default_backend(), powerhose::error);
  }
  const variable no_xdg("XDG_RUNTIME_DIR", nullptr);
  const std::string uid = std::to_string(::geteuid());
  struct stat info {};
  const bool logged_in = ::lstat(("/run/user/" + uid).c_str(), &info) == 0 && info.st_uid == ::geteuid();
  if (logged_in) {
    CHECK(default_backend() == "ipc:///run/user/" + uid + "/powerhose/backend.sock");
  } else {
    const variable tmp("TMPDIR", "/var/tmp/");
    CHECK(default_backend() == "ipc:///var/tmp/powerhose-" + uid + "/backend.sock");
    const variable no_tmp("TMPDIR", nullptr);
    CHECK(default_backend() == "ipc:///tmp/powerhose-" + uid + "/backend.sock");
  }
}

TEST_CASE("endpoint: private directories") {
  using powerhose::detail::ensure_private_directory;
  test::temporary_directory directory;
  const std::string path = directory.path() + "/own";
  CHECK(ensure_private_directory(path));
  CHECK(ensure_private_directory(path));
  REQUIRE(::chmod(path.c_str(), 0750) == 0);
  CHECK_FALSE(ensure_private_directory(path));
  REQUIRE(::symlink("/tmp", (directory.path() + "/link").c_str()) == 0);
  CHECK_FALSE(ensure_private_directory(directory.path() + "/link"));
  CHECK_FALSE(ensure_private_directory(directory.path() + "/missing/own"));
}
