// SPDX-License-Identifier: Apache-2.0

#include "ledger.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <powerhose/error.hpp>

#include "support/environment.hpp"
#include "support/shared_word.hpp"

using powerhose::detail::ledger;
using test::shared_word;

TEST_CASE("ledger: a file as R-69 says") {
  test::temporary_directory directory;
  const auto l = ledger::create(directory.path());
  struct stat info {};
  REQUIRE(::lstat(l->path().c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  CHECK(info.st_size == 4096);
  CHECK(S_ISREG(info.st_mode));
  const std::string name = std::filesystem::path(l->path()).filename();
  CHECK(name.find("ledger-" + std::to_string(::getpid()) + "-") == 0);
  CHECK(shared_word(l->path()).get().load() == 0);
  CHECK(ledger::create(directory.path())->path() != l->path());
}

TEST_CASE("ledger: claims in order, those that were passed over too, until it is closed") {
  test::temporary_directory directory;
  const auto l = ledger::create(directory.path());
  shared_word word(l->path());
  l->unlink();
  CHECK(l->path().empty());
  CHECK(std::filesystem::is_empty(directory.path()));
  CHECK(l->claim(1));
  CHECK(l->claim(2));
  CHECK(word.get() == 2);
  CHECK(l->claim(5));  // 3 and 4 were returned
  CHECK(word.get() == 5);
  CHECK(word.close() == 5);
  CHECK_FALSE(l->claim(6));
  CHECK_FALSE(l->claim(7));
  CHECK(word.get() == (5 | shared_word::closed));
}

TEST_CASE("ledger: removes its file in the end") {
  test::temporary_directory directory;
  ledger::create(directory.path());
  CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("ledger: a directory that cannot be had") {
  CHECK_THROWS_AS(ledger::create("/nowhere/at/all"), powerhose::error);
}

TEST_CASE("ledger: directories are private") {
  using powerhose::detail::ledger_directory;
  const std::string found = ledger_directory();
  REQUIRE_FALSE(found.empty());
  struct stat info {};
  REQUIRE(::lstat(found.c_str(), &info) == 0);
  CHECK((info.st_mode & 077) == 0);
  CHECK(info.st_uid == ::geteuid());
}
