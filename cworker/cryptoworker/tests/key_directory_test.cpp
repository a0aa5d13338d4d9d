// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>

#include "support.hpp"

namespace crypto = powerhose::crypto;
namespace fs = std::filesystem;

namespace {

const std::string secret = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

// What is wrong with a directory, or nothing.
std::string refusal(const fs::path& directory) {
  try {
    crypto::service s(directory.string());
    return "";
  } catch (const crypto::key_error& e) {
    return e.what();
  }
}

// What is wrong with a directory that has one good key and what f adds.
std::string refusal_of(const std::function<void(const test::temporary_directory&)>& f) {
  const test::temporary_directory directory;
  directory.write("good.hkdf", secret);
  f(directory);
  const std::string text = refusal(directory.path());
  CHECK((text.empty() || text.find(directory.path().string()) != text.npos));
  CHECK(text.find(secret.substr(0, 8)) == text.npos);
  return text;
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

void set_mode(const fs::path& path, mode_t mode) { REQUIRE(::chmod(path.c_str(), mode) == 0); }

}  // namespace

TEST_CASE("key directory: those of the test data are read") {
  const test::test_keys keys;
  const crypto::service s(keys.path().string());
  CHECK(s.key_names() == std::vector<std::string>{"box.aes256", "ds256.example.com.dsa", "ec.p256",
                                                  "ec-public.p256", "ed.ed25519", "ed-public.ed25519",
                                                  "example.com.dsa", "ikm.hkdf", "mac.hmac",
                                                  "mockmyid.com.dsa", "ps.rsa-pss", "ps-public.rsa-pss",
                                                  "rs.rsa-pkcs1", "rs-public.rsa-pkcs1"});
}

TEST_CASE("key directory: an empty one is good") {
  const test::temporary_directory directory;
  CHECK(refusal(directory.path()) == "");
  CHECK(crypto::service(directory.path().string()).key_names().empty());
}

TEST_CASE("key directory: what is none is refused") {
  const test::temporary_directory directory;
  CHECK(says(refusal(directory.path() / "nowhere"), "No such file"));
  CHECK(says(refusal(directory.write("file", secret)), "Not a directory"));
}

TEST_CASE("key directory: neither group nor others may write to it") {
  for (const mode_t mode : {0720U, 0702U, 0777U, 01777U}) {
    CAPTURE(mode);
    CHECK(says(refusal_of([&](const auto& d) { set_mode(d.path(), mode); }), "others could put keys there"));
  }
  for (const mode_t mode : {0500U, 0700U, 0755U, 0750U}) {
    CAPTURE(mode);
    CHECK(refusal_of([&](const auto& d) { set_mode(d.path(), mode); }) == "");
  }
}

TEST_CASE("key directory: nobody else may do anything with a file") {
  for (const mode_t mode : {0640U, 0620U, 0610U, 0604U, 0602U, 0601U, 0666U, 04640U}) {
    CAPTURE(mode);
    const std::string text = refusal_of([&](const auto& d) { set_mode(d.write("bad.hmac", secret), mode); });
    CHECK(says(text, "bad.hmac"));
    CHECK(says(text, "others could use it; chmod 0600"));
  }
  for (const mode_t mode : {0600U, 0400U}) {
    CAPTURE(mode);
    CHECK(refusal_of([&](const auto& d) { set_mode(d.write("another.hmac", secret), mode); }) == "");
  }
}

TEST_CASE("key directory: it and its files belong to the user or root") {
  if (::geteuid() != 0) {
    MESSAGE("NOT TESTED: only root can give files away");
    return;
  }
  constexpr uid_t nobody = 65534;
  const auto give = [](const fs::path& path) { REQUIRE(::chown(path.c_str(), nobody, nobody) == 0); };
  CHECK(
      says(refusal_of([&](const auto& d) { give(d.path()); }), "belongs to user 65534: chown it to user 0"));
  CHECK(says(refusal_of([&](const auto& d) { give(d.write("bad.hmac", secret)); }), "belongs to user 65534"));
  // Another user may use what is root's, if he can read it at all, and what is his.
  const test::temporary_directory directory;
  give(directory.write("his.hkdf", secret));
  set_mode(directory.path(), 0755);
  REQUIRE(::seteuid(nobody) == 0);
  const std::string text = refusal(directory.path());
  REQUIRE(::seteuid(0) == 0);
  CHECK(text == "");
}

TEST_CASE("key directory: only regular files are keys") {
  CHECK(says(refusal_of([](const auto& d) { fs::create_directory(d.path() / "bad.hmac"); }),
             "not a regular file"));
  CHECK(says(refusal_of([](const auto& d) { fs::create_symlink("good.hkdf", d.path() / "bad.hkdf"); }),
             "symbolic link"));
  CHECK(says(refusal_of([](const auto& d) { REQUIRE(::mkfifo((d.path() / "bad.hmac").c_str(), 0600) == 0); }),
             "not a regular file"));
  CHECK(says(refusal_of([](const auto& d) { fs::create_symlink("/dev/zero", d.path() / "bad.hmac"); }),
             "symbolic link"));
}

TEST_CASE("key directory: names") {
  const std::string longest(64, 'n');
  for (const std::string name : {"bad", "Bad.hmac", "-bad.hmac", "_bad.hmac", "b d.hmac",
                                 "b\xc3\xa4"
                                 "d.hmac",
                                 "bad.HMAC", "bad.", "bad.hmac~", "bad.hmac.bak", "bad.rsa", "bad.txt"}) {
    CAPTURE(name);
    CHECK(says(refusal_of([&](const auto& d) { d.write(name, secret); }), name));
  }
  CHECK(says(refusal_of([&](const auto& d) { d.write(longest + "n.hmac", secret); }), "1 to 64"));
  for (const std::string& name :
       {longest, std::string("0"), std::string("a.b_c-d."), std::string("a.hmac")}) {
    CAPTURE(name);
    CHECK(refusal_of([&](const auto& d) { d.write(name + ".hmac", secret); }) == "");
  }
  CHECK(says(refusal_of([](const auto& d) { d.write("good.hmac", secret); }), "only one type"));
  CHECK(refusal_of([](const auto& d) { d.write(".gitignore", "*\n"); }) == "");
}

TEST_CASE("key directory: sizes and numbers") {
  const std::string blanks(65536 - secret.size(), '\n');
  CHECK(refusal_of([&](const auto& d) { d.write("another.hmac", secret + blanks); }) == "");
  CHECK(says(refusal_of([&](const auto& d) { d.write("bad.hmac", secret + blanks + "\n"); }),
             "longer than 65536 octets"));
  const auto fill = [](int n) {
    return [n](const test::temporary_directory& d) {
      for (int i = 1; i < n; ++i) d.write("k" + std::to_string(i) + ".hmac", secret);
    };
  };
  CHECK(refusal_of(fill(1024)) == "");
  CHECK(says(refusal_of(fill(1025)), "1025 files, allowed are 1024"));
}
